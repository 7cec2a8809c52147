//! Encoding of cursors: a fingerprint of the query, then the position, both in hexadecimal.

use crate::StoreError;
use crate::limits::MAX_CURSOR_BYTES;

/// Length of the fingerprint, hexadecimal digits.
const FINGERPRINT_DIGITS: usize = 16;

fn query_fingerprint(identity: &str) -> String {
    blake3::hash(identity.as_bytes()).to_hex().chars().take(FINGERPRINT_DIGITS).collect()
}

/// Encodes `position` for the query with this `identity`.
pub fn sign(identity: &str, position: &[&str]) -> String {
    let mut cursor = query_fingerprint(identity);
    cursor.extend(position.join("\0").bytes().map(|byte| format!("{byte:02x}")));
    cursor
}

/// Decodes a cursor made by [`sign`] for the same `identity`.
///
/// # Errors
/// [`StoreError::Invalid`]
pub fn verify(identity: &str, cursor: &str) -> Result<Vec<String>, StoreError> {
    decode(identity, cursor).ok_or_else(invalid)
}

fn decode(identity: &str, cursor: &str) -> Option<Vec<String>> {
    if cursor.len() > MAX_CURSOR_BYTES {
        return None;
    }
    let digits = cursor.strip_prefix(&*query_fingerprint(identity))?;
    if !digits.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        || digits.len() % 2 == 1
    {
        return None;
    }
    let bytes: Option<Vec<u8>> = (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok())
        .collect();
    let text = String::from_utf8(bytes?).ok()?;
    Some(text.split('\0').map(str::to_owned).collect())
}

/// The error for a cursor that the query did not produce.
pub fn invalid() -> StoreError {
    StoreError::Invalid("cursor: not from this list with these filters and this order".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_position_survives_encoding(position in proptest::collection::vec("[^\0]{0,9}", 1..4)) {
            let fields: Vec<&str> = position.iter().map(String::as_str).collect();
            let cursor = sign("q", &fields);
            assert_eq!(verify("q", &cursor).unwrap(), position);
            assert!(verify("r", &cursor).is_err());
        }

        #[test]
        fn anything_else_is_an_error(text in "[0-9a-f]{0,40}|.{0,40}") {
            assert!(verify("q", &text).is_err());
        }
    }
}
