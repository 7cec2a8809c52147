//! The forms a value takes on its way into an application: as it came, percent-decoded, decoded once
//! more, out of base64.

use base64::Engine;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::{alphabet, engine::DecodePaddingMode};

use super::fields::Place;
use api_sessions_extract::percent;

/// Shortest text that may be base64 of something that matters.
const MIN_BASE64: usize = 16;

#[derive(Debug, Default)]
pub(super) struct Buffers {
    once: Vec<u8>,
    twice: Vec<u8>,
    plain: Vec<u8>,
}

/// Padding may be missing, as in JWTs and cookies.
const CONFIG: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// Hands out each form of a value that differs from the one before.
pub(super) fn each(value: &[u8], place: Place, buffers: &mut Buffers, take: &mut dyn FnMut(&[u8])) {
    let Buffers { once, twice, plain } = buffers;
    let mut text = value;
    if place.is_encoded() {
        text = percent::decode(text, place.has_plus(), once).unwrap_or(value);
    }
    take(text);
    let mut last = text;
    if memchr::memchr(b'%', text).is_some() {
        // Encoded twice, for the sake of something in between that decodes too.
        last = percent::decode(text, false, twice).unwrap_or(text);
        if last != text {
            take(last);
        }
    }
    if let Some(text) = from_base64(last, plain) {
        take(text);
    }
}

/// What a value is base64 of, if that is text.
fn from_base64<'b>(value: &[u8], plain: &'b mut Vec<u8>) -> Option<&'b [u8]> {
    let is_standard = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let is_url_safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_=".contains(byte);
    if value.len() < MIN_BASE64 {
        return None;
    }
    plain.clear();
    let engine = if value.iter().all(is_standard) {
        &STANDARD
    } else if value.iter().all(is_url_safe) {
        &URL_SAFE
    } else {
        return None;
    };
    engine.decode_vec(value, plain).ok()?;
    let is_text = |byte: &u8| !byte.is_ascii_control() || byte.is_ascii_whitespace();
    (std::str::from_utf8(plain).is_ok() && plain.iter().all(is_text)).then_some(plain)
}
