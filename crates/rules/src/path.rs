//! Normalization of request paths.

/// Normalizes a path like NGINX (`ngx_http_parse_complex_uri`): percent-decoded, without `.` and `..`
/// segments, and with slashes merged. Borrows the input if there is nothing to change. `raw` is the text
/// before the `?`.
pub fn normalize<'p>(raw: &'p [u8], buffer: &'p mut Vec<u8>) -> &'p [u8] {
    let strange = |pair: &[u8]| matches!(pair, [b'/', b'/' | b'.']);
    if !raw.contains(&b'%') && !raw.contains(&b'#') && !raw.windows(2).any(strange) {
        return raw;
    }
    buffer.clear();
    let (mut rest, mut segment) = (raw, 0);
    while let Some((first, after)) = rest.split_first() {
        let mut byte = *first;
        rest = after;
        if byte == b'#' {
            break;
        }
        if byte == b'%'
            && let [high, low, after @ ..] = rest
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            byte = high << 4 | low;
            rest = after;
        }
        if byte == b'/' {
            end_segment(buffer, segment);
            if buffer.last() != Some(&b'/') {
                buffer.push(b'/');
            }
            segment = buffer.len();
        } else {
            buffer.push(byte);
        }
    }
    end_segment(buffer, segment);
    buffer
}

/// Ends the segment that begins at `begin`: removes `.`, and `..` with its parent.
fn end_segment(path: &mut Vec<u8>, begin: usize) {
    match path.get(begin..) {
        Some(b".") => path.truncate(begin),
        Some(b"..") => {
            path.truncate(begin.saturating_sub(1));
            let parent = path.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
            path.truncate(parent);
            if path.is_empty() {
                path.push(b'/');
            }
        }
        _ => {}
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_are_what_nginx_makes_of_them() {
        for (raw, path) in [
            ("/", "/"),
            ("/login", "/login"),
            ("/l%6Fgin", "/login"),
            ("//a///b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/b/../", "/a/"),
            ("/a/.", "/a/"),
            ("/../x", "/x"),
            ("/a%2Fb", "/a/b"),
            ("/a%2F..%2Fb", "/b"),
            ("/%2e%2e/x", "/x"),
            ("/100%", "/100%"),
            ("/a.b/..c", "/a.b/..c"),
            ("/a#b", "/a"),
        ] {
            let mut buffer = Vec::new();
            let found = super::normalize(raw.as_bytes(), &mut buffer);
            assert_eq!(std::str::from_utf8(found).unwrap(), path, "{raw}");
        }
    }
}
