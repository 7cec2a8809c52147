//! Base64 detected by content: only what decodes to text counts.

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, Engine};

use crate::limits::{MIN_BASE64_BYTES, MIN_QUOTED_BASE64_BYTES};

/// Padding may be missing, as in JWTs and cookies.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// Whether a value has the minimum length and begins with base64 digits.
pub(super) fn may_be(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"/").unwrap_or(value);
    value.len() >= MIN_BASE64_BYTES
        && value[..MIN_BASE64_BYTES].iter().all(|byte| is_standard(*byte) || is_url_safe(*byte))
}

/// Whether the first groups decode to text, which excludes most tokens and digests.
pub(super) fn begins_as_text(value: &[u8]) -> bool {
    const GROUPS: usize = 3;
    let mut head = [0; GROUPS * 3];
    let mut length = 0;
    for group in value.chunks_exact(4).take(GROUPS) {
        let bits = group.iter().try_fold(0_u32, |bits, byte| Some(bits << 6 | digit(*byte)?));
        let Some(bits) = bits else { break };
        let [_, bytes @ ..] = bits.to_be_bytes();
        head[length..length + 3].copy_from_slice(&bytes);
        length += 3;
        // Most values fail in the first group.
        if !is_text(&head[..length]) {
            return false;
        }
    }
    true
}

/// The value of a digit of either alphabet.
const fn digit(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    } as u32)
}

/// Whether bytes are UTF-8, possibly cut at the end, without control characters except blanks and NUL.
fn is_text(bytes: &[u8]) -> bool {
    let is_plain = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace() || *byte == 0;
    bytes.iter().all(is_plain)
        && std::str::from_utf8(bytes).err().is_none_or(|error| error.error_len().is_none())
}

fn is_standard(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)
}

fn is_url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_=".contains(&byte)
}

/// Decodes a value, or its last path segment, if the result is text.
pub(super) fn decode(value: &[u8], plain: &mut Vec<u8>) -> bool {
    if !may_be(value) {
        return false;
    }
    text_of(value, plain)
        || memchr::memrchr(b'/', value).is_some_and(|at| text_of(&value[at + 1..], plain))
}

/// Decodes base64 in quotes, as in JSON and serialized objects: each such string is replaced with its decoded
/// form if that is text.
pub(super) fn quoted(value: &[u8], plain: &mut Vec<u8>) -> bool {
    const MAX_RUNS: usize = 8;
    let (mut out, mut text, mut from, mut left) = (Vec::new(), Vec::new(), 0, MAX_RUNS);
    for at in memchr::memchr2_iter(b'"', b'\'', value) {
        if at + 1 < from || left == 0 {
            continue;
        }
        let rest = &value[at + 1..];
        let length = rest.iter().take_while(|byte| is_standard(**byte)).count();
        if length < MIN_QUOTED_BASE64_BYTES || rest.get(length) != Some(&value[at]) {
            continue;
        }
        left -= 1;
        if text_of(&rest[..length], &mut text) {
            out.extend_from_slice(&value[from..at + 1]);
            out.extend_from_slice(&text);
            from = at + 1 + length;
        }
    }
    if from == 0 {
        return false;
    }
    out.extend_from_slice(&value[from..]);
    *plain = out;
    true
}

fn text_of(value: &[u8], plain: &mut Vec<u8>) -> bool {
    if value.len() < MIN_BASE64_BYTES || !begins_as_text(value) {
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
