//! Passwords in URLs: `https://user:password@host` (RFC 3986, 3.2.1), also if characters in them make the URL
//! invalid.

use std::ops::Range;

use super::plain;
use crate::limits::MAX_AUTHORITY_BYTES;

/// Calls `found` with the ranges of passwords, and of users that are tokens themselves, in order.
pub(crate) fn each(text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| memchr::memmem::find(rest, b"//")) {
        let start = from + at + 2;
        from = start;
        let rest = text.get(start..).unwrap_or_default();
        let rest = rest.get(..MAX_AUTHORITY_BYTES).unwrap_or(rest);
        let end = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        if let Some(secret) = secret_of(line, rest.len() == text.len() - start) {
            from = start + secret.end;
            found(start + secret.start..from);
        }
    }
}

/// Secret range of the text after `//`. `is_all`: no text follows `line`.
fn secret_of(line: &[u8], is_all: bool) -> Option<Range<usize>> {
    let authority = line.iter().position(|byte| is_end(*byte)).unwrap_or(line.len());
    let whole = line.get(..authority)?;
    if let Some(at) = memchr::memrchr(b'@', whole) {
        let user = memchr::memchr(b':', whole.get(..at)?);
        return match user {
            Some(colon) if colon + 1 < at && !is_token_user(whole.get(colon + 1..at)?) => {
                Some(colon + 1..at)
            }
            // `https://token@host`, `https://token:x-oauth-basic@host`.
            user => {
                let end = user.unwrap_or(at);
                (!plain::is_plain(whole.get(..end)?)).then_some(0..end)
            }
        };
    }
    // A host, with or without a port: an `@` after it does not belong to this URL.
    let next = line.get(authority).copied();
    let is_broken = !matches!(next, None | Some(b'/' | b'?' | b'#'));
    let colon = memchr::memchr(b':', whole);
    let port = colon.and_then(|colon| whole.get(colon + 1..)).unwrap_or_default();
    let is_port = port.iter().all(u8::is_ascii_digit)
        && !(colon.is_some() && port.is_empty() && is_broken)
        || whole.starts_with(b"[");
    if is_port && !is_broken {
        return None;
    }
    // The characters that break the URL are in the user or the password.
    let end = match memchr::memchr(b'@', line) {
        Some(at) if is_port => {
            let between = line.get(authority..at)?;
            if between.iter().any(|byte| matches!(byte, b'/' | b'?' | b'#')) {
                return None;
            }
            at
        }
        Some(at) => at,
        None if is_all && !is_port && authority == line.len() => line.len(),
        None => return None,
    };
    let colon = memchr::memchr(b':', line.get(..end)?)?;
    (colon + 1 < end).then_some(colon + 1..end)
}

/// Placeholder passwords, used if the user is a token.
fn is_token_user(password: &[u8]) -> bool {
    password.eq_ignore_ascii_case(b"x-oauth-basic")
        || password.eq_ignore_ascii_case(b"x-oauth-token")
}

/// Whether a byte ends an authority or cannot occur in one.
fn is_end(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"/?#\\\"'`<>".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_found_in_urls_and_in_what_was_one() {
        for (text, secrets) in [
            ("https://bob:hunter2@host/x", vec!["hunter2"]),
            ("see https://host/a@b and bob@example.com", vec![]),
            ("http://localhost:8080/x?mail=bob@example.com", vec![]),
            ("[\"http://h:80\",\"https://a:b@c\"] x@y", vec!["b"]),
            ("http://[::1]:80/ x@y", vec![]),
            ("https://u:hunter2' OR '1'='1@h/", vec!["hunter2' OR '1'='1"]),
            ("https://u:1234' OR '1'='1@h/", vec!["1234' OR '1'='1"]),
            ("https://u' OR 1=1:hunter2@h/", vec!["hunter2"]),
            ("https://u:hun/ter2@h/", vec!["hun/ter2"]),
            ("https://u:hun?ter2@h/", vec!["hun?ter2"]),
            ("https://u:hun ter2@h/", vec!["hun ter2"]),
            ("https://u:<hun>ter2@h/", vec!["<hun>ter2"]),
            ("<a>http://h:80</a> x@y", vec![]),
            ("https://u:p@ss@h/", vec!["p@ss"]),
            ("mongodb://app:hunter2", vec!["hunter2"]),
            ("https://k7Qx29fLm3@h/", vec!["k7Qx29fLm3"]),
            ("https://k7Qx29fLm3:x-oauth-basic@h/", vec!["k7Qx29fLm3"]),
            ("ssh://git@github.com/a/b", vec![]),
            ("a // b: c", vec![]),
            ("//a:b@c and //d:e@f", vec!["b", "e"]),
        ] {
            let mut all = Vec::new();
            each(text.as_bytes(), &mut |range| all.push(text.get(range).unwrap()));
            assert_eq!(all, secrets, "{text}");
        }
    }
}
