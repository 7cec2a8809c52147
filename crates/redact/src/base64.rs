//! Base64 of texts.

use ::base64::engine::DecodePaddingMode;
use ::base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use ::base64::{Engine, alphabet};

use super::plain::is_plain;
use super::utf16;
use crate::limits::MIN_BASE64_BYTES;

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// The engine for the alphabet of a text. `None`: it is no base64.
fn engine(run: &[u8]) -> Option<&'static GeneralPurpose> {
    let body = run.trim_ascii_end();
    let is = |others: [u8; 2]| {
        body.iter().all(|byte| {
            byte.is_ascii_alphanumeric() || b"=\r\n\t".contains(byte) || others.contains(byte)
        })
    };
    if run.len() < MIN_BASE64_BYTES {
        None
    } else if is(*b"+/") {
        Some(&STANDARD)
    } else if is(*b"-_") {
        Some(&URL_SAFE)
    } else {
        None
    }
}

fn decoded(run: &[u8]) -> Option<Vec<u8>> {
    let run = run.trim_ascii_end();
    let engine = engine(run)?;
    match memchr::memchr3(b'\r', b'\n', b'\t', run) {
        None => engine.decode(run).ok(),
        // In lines, as in mails.
        Some(_) => {
            let joined: Vec<u8> =
                run.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
            engine.decode(joined).ok()
        }
    }
}

/// Whether it decodes to a text in UTF-16 or UTF-32, whose zeros yield an `A`.
pub(crate) fn is_wide(run: &[u8]) -> bool {
    memchr::memchr(b'A', run).is_some() && decoded(run).is_some_and(|bytes| utf16::is_wide(&bytes))
}

/// The decoded text. `None`: it is no text.
pub(crate) fn text_of(run: &[u8]) -> Option<Vec<u8>> {
    let text = decoded(run)?;
    let is_text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
    (std::str::from_utf8(&text).is_ok() && text.iter().all(is_text)).then_some(text)
}

/// Encodes in the alphabet of `as_before`, with padding if that has padding.
pub(crate) fn again(text: &[u8], as_before: &[u8]) -> Vec<u8> {
    let encoded = engine(as_before).unwrap_or(&STANDARD).encode(text).into_bytes();
    let before = as_before.trim_ascii_end();
    match before.ends_with(b"=") || before.len().is_multiple_of(4) {
        true => encoded,
        false => encoded.into_iter().filter(|byte| *byte != b'=').collect(),
    }
}

/// Whether a text is `name:password`, as in Basic authentication (RFC 7617), but not `offset:10`.
pub(crate) fn is_user_and_password(text: &[u8]) -> bool {
    let mut halves = text.splitn(2, |byte| *byte == b':');
    let (Some(user), Some(password)) = (halves.next(), halves.next()) else { return false };
    let has_blank = text.iter().any(u8::is_ascii_whitespace);
    !has_blank
        && !user.is_empty()
        && !password.starts_with(b"//")
        && !is_plain(password)
        && user.iter().all(|byte| byte.is_ascii_alphanumeric() || b"@._-+".contains(byte))
}
