//! The endpoint of a path: each identifier is replaced by its kind.
//!
//! `/users/42` and `/users/43` are `/users/{int}`.

use crate::limits::{MAX_ENDPOINT_BYTES, MIN_HEX_DIGITS};

/// The shape of `path`.
pub fn endpoint(path: &str) -> String {
    let mut shape = Vec::with_capacity(path.len().min(MAX_ENDPOINT_BYTES) + 8);
    write_endpoint(path.as_bytes(), &mut shape);
    // Truncated between characters.
    String::from_utf8(shape).unwrap_or_default()
}

/// Appends the shape of `path` to `out`, which need not be UTF-8.
pub fn write_endpoint(path: &[u8], out: &mut Vec<u8>) {
    let begin = out.len();
    for (n, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if n > 0 {
            out.push(b'/');
        }
        match segment_shape(segment) {
            Some(shape) => out.extend_from_slice(shape.as_bytes()),
            None => out.extend_from_slice(segment),
        }
        if out.len() - begin > MAX_ENDPOINT_BYTES {
            let mut end = begin + MAX_ENDPOINT_BYTES;
            while end > begin && out.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
                end -= 1;
            }
            out.truncate(end);
            out.extend_from_slice("…".as_bytes());
            break;
        }
    }
}

fn segment_shape(bytes: &[u8]) -> Option<&'static str> {
    // Digits decide most cases at once: names of endpoints rarely have any.
    if bytes.is_empty() {
        return None;
    }
    if bytes.iter().all(u8::is_ascii_digit) {
        return Some("{int}");
    }
    if is_date(bytes) {
        return Some("{date}");
    }
    if is_uuid(bytes) {
        return Some("{uuid}");
    }
    let digits = bytes.iter().any(u8::is_ascii_digit);
    if digits && bytes.len() >= MIN_HEX_DIGITS && bytes.iter().all(u8::is_ascii_hexdigit) {
        return Some("{hex}");
    }
    if is_email(bytes) {
        return Some("{email}");
    }
    None
}

fn is_uuid(bytes: &[u8]) -> bool {
    bytes.len() == 36
        && bytes.iter().enumerate().all(|(n, byte)| match n {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_date(bytes: &[u8]) -> bool {
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(n, byte)| match n {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

fn is_email(segment: &[u8]) -> bool {
    let at = |mark: &[u8]| segment.windows(mark.len()).position(|part| part == mark);
    let (Some(name), Some(host)) = (match (at(b"@"), at(b"%40")) {
        (Some(at), _) => (segment.get(..at), segment.get(at + 1..)),
        (None, Some(at)) => (segment.get(..at), segment.get(at + 3..)),
        (None, None) => (None, None),
    }) else {
        return false;
    };
    let Some(dot) = host.iter().position(|byte| *byte == b'.') else { return false };
    !name.is_empty() && dot > 0 && dot + 1 < host.len()
}

#[cfg(test)]
mod tests {
    use super::endpoint;

    #[test]
    fn shapes() {
        for (path, shape) in [
            ("/", "/"),
            ("", ""),
            ("/users/42", "/users/{int}"),
            ("/users/42/orders/7/", "/users/{int}/orders/{int}/"),
            ("/o/550e8400-e29b-41d4-a716-446655440000", "/o/{uuid}"),
            ("/c/deadbeef01", "/c/{hex}"),
            ("/facade", "/facade"),
            ("/deadbeef", "/deadbeef"),
            ("/day/2026-11-23/x", "/day/{date}/x"),
            ("/u/a.b@example.org", "/u/{email}"),
            ("/u/a%40example.org", "/u/{email}"),
            ("/@user", "/@user"),
            ("/v1/é", "/v1/é"),
            ("*", "*"),
        ] {
            assert_eq!(endpoint(path), shape, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_has_a_short_shape(path in ".{0,600}") {
            let shape = endpoint(&path);
            assert!(shape.len() <= super::MAX_ENDPOINT_BYTES + '…'.len_utf8());
            // The shape of a shape is itself, so that users can search for what they see.
            if shape.len() < super::MAX_ENDPOINT_BYTES {
                assert_eq!(endpoint(&shape), shape);
            }
        }
    }
}
