//! Decoders, which are applied to the value of a source.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::json::{self, Path};
use super::percent;
use crate::limits::MAX_VALUE_BYTES;

/// One decoding step. Input that does not parse yields nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoder {
    /// A claim in a JWT's header or payload (RFC 7519). The signature is not verified.
    Jwt {
        /// Which part: 0 the header, 1 the payload.
        part: usize,
        /// The claim.
        path: Path,
    },
    /// Base64 in the standard or URL-safe alphabet, padded or not (RFC 4648).
    Base64,
    /// A value in a JSON document.
    Json(Path),
    /// Percent decoding (RFC 3986); `+` is kept.
    UrlDecode,
    /// Strips `Bearer ` (RFC 6750).
    Bearer,
    /// User name in Basic credentials (RFC 7617).
    BasicUser,
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

impl Decoder {
    /// Decodes `input`, borrowing from it if possible, else from a buffer. Both buffers are overwritten.
    pub(super) fn decode<'v>(
        &'v self,
        input: &'v [u8],
        output: &'v mut Vec<u8>,
        document: &'v mut Vec<u8>,
    ) -> Option<&'v [u8]> {
        match self {
            Decoder::Bearer => strip_scheme(input, b"bearer"),
            Decoder::BasicUser => {
                let credentials = decode_base64(strip_scheme(input, b"basic")?, output)?;
                let end = credentials.iter().position(|byte| *byte == b':')?;
                Some(&credentials[..end])
            }
            Decoder::Base64 => decode_base64(input, output),
            Decoder::UrlDecode => percent::decode(input, false, output),
            // A value of this length may have been cut.
            Decoder::Json(path) if input.len() == MAX_VALUE_BYTES => {
                json::find_in_part(input, path, output)
            }
            Decoder::Json(path) => json::find(input, path, output),
            Decoder::Jwt { part, path } => {
                let document = decode_base64(jwt_part(input, *part)?, document)?;
                json::find(document, path, output)
            }
        }
    }
}

/// The n-th part of a JWT, with or without `Bearer ` in front, still in base64.
pub fn jwt_part(token: &[u8], part: usize) -> Option<&[u8]> {
    let token = strip_scheme(token, b"bearer").unwrap_or(token);
    if token.len() > MAX_VALUE_BYTES {
        return None;
    }
    let mut parts = token.split(|byte| *byte == b'.');
    let found = parts.clone().nth(part)?;
    // Exactly three parts (JWS).
    (parts.by_ref().count() == 3 && !found.is_empty()).then_some(found)
}

/// Strips an authentication scheme (case-insensitive) and the spaces after it (RFC 9110, 11.4).
pub fn strip_scheme<'v>(value: &'v [u8], scheme: &[u8]) -> Option<&'v [u8]> {
    let (head, rest) = value.split_at_checked(scheme.len())?;
    if !head.eq_ignore_ascii_case(scheme) || rest.first() != Some(&b' ') {
        return None;
    }
    Some(rest.trim_ascii_start())
}

/// Decodes base64 in either alphabet into `buffer`.
pub fn decode_base64<'v>(input: &[u8], buffer: &'v mut Vec<u8>) -> Option<&'v [u8]> {
    buffer.clear();
    if input.len() > MAX_VALUE_BYTES * 2 {
        return None;
    }
    let url_safe = memchr::memchr2(b'-', b'_', input).is_some();
    let engine = if url_safe { &URL_SAFE } else { &STANDARD };
    engine.decode_vec(input, buffer).ok()?;
    Some(buffer)
}
