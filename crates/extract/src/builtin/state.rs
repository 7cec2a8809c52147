//! Values that hold the state of a session. Encrypted or signed, they change whenever the state does, so each request
//! would become a session of its own.

use crate::json;
use crate::limits::{
    MAX_IDENTIFIER_BYTES, MAX_SIGNED_BYTES, MIN_FERNET_BYTES, MIN_SIGNATURE_BYTES,
};
use crate::{decode_base64, percent};

/// Whether the form of a value shows that it holds state: it is too long, sealed (JWE, Fernet, iron), a signed payload,
/// JSON, or a serialised PHP or Ruby value, also in base64.
pub(super) fn holds_state(value: &[u8]) -> bool {
    if value.len() > MAX_IDENTIFIER_BYTES {
        return true;
    }
    let mut buffer = Vec::new();
    let Some(value) = percent::decode(value, false, &mut buffer) else { return false };
    let value = value.trim_ascii();
    is_sealed(value) || is_structured(value) || is_signed(value)
}

/// Whether a value is encrypted in a known form. No two sessions have the same one.
pub(super) fn is_sealed(value: &[u8]) -> bool {
    let dots = memchr::memchr_iter(b'.', value).count();
    (value.starts_with(b"eyJ") && dots == 4)
        || (value.starts_with(b"gAAAA") && value.len() >= MIN_FERNET_BYTES)
        || value.starts_with(b"Fe26.")
}

/// `payload.signature`, `payload:time:signature`, `payload--signature`.
fn is_signed(value: &[u8]) -> bool {
    // Compressed JSON (itsdangerous, Django): `.eJ…`.
    if value.starts_with(b".eJ") {
        return true;
    }
    let dashes = value.windows(2).position(|pair| pair == b"--").map(|at| (at, at + 2));
    let mark = value.iter().position(|byte| matches!(byte, b'.' | b':' | b'|'));
    let Some((end, rest)) = dashes.or(mark.map(|at| (at, at + 1))) else { return false };
    let (payload, signature) =
        (value.get(..end).unwrap_or_default(), value.get(rest..).unwrap_or_default());
    let is_text = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_+/=.:|".contains(byte);
    signature.len() >= MIN_SIGNATURE_BYTES
        && signature.iter().all(is_text)
        && (payload.len() > MAX_SIGNED_BYTES || decodes_to_structure(payload))
}

/// Whether a value is JSON or serialised by PHP or Ruby, in clear text or in base64.
fn is_structured(value: &[u8]) -> bool {
    is_structure(value) || decodes_to_structure(value.strip_prefix(b"base64-").unwrap_or(value))
}

fn decodes_to_structure(value: &[u8]) -> bool {
    let mut buffer = Vec::new();
    let padding = value.iter().rev().take_while(|byte| **byte == b'=').count();
    let value = value.get(..value.len() - padding).unwrap_or_default();
    value.len() >= 4 && decode_base64(value, &mut buffer).is_some_and(is_structure)
}

fn is_structure(bytes: &[u8]) -> bool {
    let is_marshal = matches!(bytes, [4, 8, b'{' | b'[' | b'"' | b'I' | b'o' | b':' | b'}', ..]);
    is_marshal || json::is_object_or_array(bytes) || is_php(bytes)
}

/// Whether a value is a result of PHP's `serialize`: `a:1:{…`, `O:8:"…`, `s:5:"…`, `i:1;` and the like.
fn is_php(bytes: &[u8]) -> bool {
    let [kind, b':', rest @ ..] = bytes else { return false };
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let behind = rest.get(digits..).unwrap_or_default();
    digits > 0
        && match kind {
            b'a' | b'O' | b'C' => behind.starts_with(b":{") || behind.starts_with(b":\""),
            b's' => behind.starts_with(b":\""),
            b'i' | b'b' | b'd' => behind.starts_with(b";"),
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base64(text: impl AsRef<[u8]>) -> String {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    }

    #[test]
    fn sealed_and_signed_state_is_recognised() {
        let signature = "x".repeat(43);
        let json = base64(r#"{"userId":"64af","n":3}"#);
        for state in [
            format!(
                "{}..{}.{}.{}",
                base64(r#"{"alg":"dir"}"#),
                "i".repeat(16),
                "c".repeat(80),
                "t".repeat(22)
            ),
            format!("{json}.{signature}"),
            format!("{json}.aBcDeF.{}", "s".repeat(27)),
            format!("{json}%3D--{}", "0a".repeat(20)),
            format!("{}--{}", base64([4, 8, 0x7b, 0]), "0a".repeat(20)),
            format!(".eJxVjMEOwiAQRP_F.aBcDeF.{}", "s".repeat(27)),
            json.clone(),
            base64(r#"{"iv":"abc","value":"def","mac":"0123"}"#) + "%3D",
            format!("base64-{json}"),
            format!("gAAAAA{}", "B".repeat(100)),
            format!("Fe26.2*1*{}", "a".repeat(80)),
            r#"a:1:{s:4:"user";s:3:"bob";}"#.to_owned(),
            "a%3A1%3A%7Bs%3A4%3A%22user%22%3Bi%3A1%3B%7D".to_owned(),
            base64(r#"O:8:"stdClass":0:{}"#),
            format!("{}.{signature}", "p".repeat(200)),
            "x".repeat(513),
        ] {
            assert!(holds_state(state.as_bytes()), "{state}");
        }
    }

    #[test]
    fn identifiers_are_none() {
        for identifier in [
            "0123456789abcdef0123456789abcdef",
            "lsnsd0d3arsrpnrs35m3orl4rc",
            "node0abcdefgh12345.node0",
            "s:AbCdEfGhIjKlMnOpQrStUvWxYz012345.kQ8vZ0y1Xw2Vu3Ts4Rq5Po6Nm7Lk8Ji9Hg0Fe1Dc2Ba",
            "s%3AAbCdEfGhIjKlMnOpQrStUvWxYz012345.kQ8vZ0y1Xw2Vu3Ts4Rq5Po6Nm7Lk8Ji9Hg0Fe1Dc",
            "550e8400-e29b-41d4-a716-446655440000",
            "SFMyNTY",
            "AbCdEfGhIjKlMnOpQrStUvWxYz012345.kQ8vZ0y1Xw2Vu3Ts4Rq5Po6Nm7Lk8Ji9Hg0Fe1Dc2Ba",
            "abcdefgh12345%3d",
            "ab$cdefgh1234567890",
            "alice|1700000000|AbCdEfGhIjKlMnOpQrStUvWxYz0123456789AbCdEfG|0a0b0c",
        ] {
            assert!(!holds_state(identifier.as_bytes()), "{identifier}");
        }
    }

    proptest::proptest! {
        #[test]
        fn random_identifiers_in_hexadecimal_are_no_state(value in "[0-9a-f]{16,64}") {
            proptest::prop_assert!(!holds_state(value.as_bytes()), "{}", value);
        }

        #[test]
        fn any_bytes_are_looked_at(value in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
            holds_state(&value);
        }
    }
}
