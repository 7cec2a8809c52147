//! The endpoint of a path: what of it names a thing is replaced by the kind of thing.
//!
//! `/users/42` and `/users/43` are `/users/{int}`.

/// Longest endpoint that is kept, bytes; the rest is cut.
pub const MAX_ENDPOINT: usize = 256;

/// Hex strings of this length and longer are identifiers (`deadbeef` is 8; words are shorter).
const MIN_HEX: usize = 8;

/// The shape of `path`.
pub fn endpoint(path: &str) -> String {
    let mut shape = String::with_capacity(path.len().min(MAX_ENDPOINT) + 8);
    for (n, segment) in path.split('/').enumerate() {
        if n > 0 {
            shape.push('/');
        }
        shape.push_str(segment_shape(segment).unwrap_or(segment));
        if shape.len() > MAX_ENDPOINT {
            let mut end = MAX_ENDPOINT;
            while !shape.is_char_boundary(end) {
                end -= 1;
            }
            shape.truncate(end);
            shape.push('…');
            break;
        }
    }
    shape
}

fn segment_shape(segment: &str) -> Option<&'static str> {
    let bytes = segment.as_bytes();
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
    if digits && bytes.len() >= MIN_HEX && bytes.iter().all(u8::is_ascii_hexdigit) {
        return Some("{hex}");
    }
    if is_email(segment) {
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

fn is_email(segment: &str) -> bool {
    let Some((name, host)) = segment.split_once('@').or_else(|| segment.split_once("%40")) else {
        return false;
    };
    !name.is_empty()
        && host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && !rest.is_empty())
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
            assert!(shape.len() <= super::MAX_ENDPOINT + '…'.len_utf8());
            // A shape is its own shape, so that it can be searched for as it is shown.
            if shape.len() < super::MAX_ENDPOINT {
                assert_eq!(endpoint(&shape), shape);
            }
        }
    }
}
