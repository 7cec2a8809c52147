//! Base64 without being asked for: only what decodes to text counts.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};

/// Shortest text that may be base64 of something that matters.
const MIN_BYTES: usize = 10;

/// Padding may be missing, as in JWTs and cookies.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// By its first bytes.
pub(super) fn may_be(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"/").unwrap_or(value);
    value.len() >= MIN_BYTES
        && value[..MIN_BYTES].iter().all(|byte| is_standard(*byte) || is_url_safe(*byte))
}

fn is_standard(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}

fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_=".contains(&byte)
}

/// What a value, or a path segment, is base64 of, if that is text.
pub(super) fn decode(value: &[u8], plain: &mut Vec<u8>) -> bool {
    if !may_be(value) {
        return false;
    }
    let value = value.strip_prefix(b"data:").unwrap_or(value);
    text_of(value, plain)
        || memchr::memrchr(b'/', value).is_some_and(|at| text_of(&value[at + 1..], plain))
}

fn text_of(value: &[u8], plain: &mut Vec<u8>) -> bool {
    if value.len() < MIN_BYTES {
        return false;
    }
    plain.clear();
    let engine = if value.iter().all(|byte| is_standard(*byte)) {
        &STANDARD
    } else if value.iter().all(|byte| is_url_safe(*byte)) {
        &URL_SAFE
    } else {
        return false;
    };
    if engine.decode_vec(value, plain).is_err() {
        return false;
    }
    let is_text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace() || *byte == 0;
    std::str::from_utf8(plain).is_ok() && plain.iter().all(is_text)
}
