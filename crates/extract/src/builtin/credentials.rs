//! Places in a request that contain a live credential, whether or not it identified the session and whether or not the
//! set is in use. None of these values leaves the node in clear text with the content of a malicious request. Names are
//! compared case-insensitively, some by substring: when in doubt, the value is hidden.

use super::cookies::without_prefix;
use super::table::{KNOWN_UNUSED, Rule, TABLE};
use crate::limits::{MAX_COOKIE_NAME_BYTES, MAX_CREDENTIAL_NAME_BYTES};
use crate::percent;

/// Headers that are credentials as a whole.
const HEADERS: &[&[u8]] = &[b"authorization", b"proxy-authorization", b"set-cookie", b"cookie2"];
/// Substrings of the names of headers that contain a credential.
const IN_HEADERS: &[&[u8]] = &[
    b"token",
    b"authorization",
    b"secret",
    b"session-id",
    b"api-key",
    b"apikey",
    b"password",
    b"jwt",
];
/// Substrings of the names of cookies that contain a credential.
const IN_COOKIES: &[&[u8]] =
    &[b"sess", b"token", b"auth", b"jwt", b"secret", b"remember", b"login"];
/// Arguments besides those of the set, which token endpoints issue along with `access_token`.
const ARGUMENTS: &[&[u8]] = &[b"id_token", b"refresh_token"];
/// Authentication schemes whose credentials may occur in any header (RFC 9110, 11.6).
const SCHEMES: &[&[u8]] = &[b"bearer ", b"basic ", b"digest ", b"negotiate ", b"token "];

/// Whether a header with this name contains a credential.
pub fn is_credential_header(name: &[u8]) -> bool {
    let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
    HEADERS.iter().any(|known| is(known))
        || TABLE
            .iter()
            .any(|entry| matches!(entry.rule, Rule::Header(known) if is(known.as_bytes())))
        || IN_HEADERS.iter().any(|part| holds(name, part))
}

/// Whether the value begins with the name of an authentication scheme.
pub fn is_credentials(value: &[u8]) -> bool {
    SCHEMES.iter().any(|scheme| {
        value.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme))
    })
}

/// Whether a cookie with this name contains a credential.
pub fn is_credential_cookie(name: &[u8]) -> bool {
    let lower = without_prefix(name).to_ascii_lowercase();
    let is = |known: &str| lower.eq_ignore_ascii_case(known.as_bytes());
    let is_known = TABLE.iter().any(|entry| match entry.rule {
        Rule::Cookie(known) | Rule::CookieExact(known) => is(known),
        Rule::CookieLike { is, .. } => is(&lower),
        Rule::CookiePair(one, two) => is(one) || is(two),
        _ => false,
    });
    is_known
        || KNOWN_UNUSED
            .iter()
            .any(|known| fits(without_chunk(&lower), known) || fits(&lower, known))
        || IN_COOKIES.iter().any(|part| holds(&lower, part))
        || lower.ends_with(b"sid")
}

/// Whether an argument with this name (undecoded) contains a credential.
pub fn is_credential_argument(name: &[u8]) -> bool {
    argument(|known| {
        name.eq_ignore_ascii_case(known)
            || (memchr::memchr(b'%', name).is_some() && {
                let mut buffer = Vec::new();
                percent::decode(name, true, &mut buffer)
                    .is_some_and(|name| name.eq_ignore_ascii_case(known))
            })
    })
}

/// Whether the predicate holds for a name of an argument or path parameter that contains a credential.
fn argument(is: impl Fn(&[u8]) -> bool) -> bool {
    let of_the_set = TABLE.iter().any(|entry| match entry.rule {
        Rule::Query(known) | Rule::PathParameter(known) => is(known.as_bytes()),
        _ => false,
    });
    of_the_set || ARGUMENTS.iter().any(|known| is(known))
}

/// Whether a text that is not a list of arguments nevertheless contains one with a credential: the URL in a `Referer`,
/// a path parameter, a member of a JSON document, the header section of a multipart field.
pub fn credential_argument_in(text: &[u8]) -> bool {
    let is_credential = |name: &[u8]| argument(|known| name.eq_ignore_ascii_case(known));
    memchr::memchr2_iter(b'=', b':', text).any(|at| {
        let (before, behind) = text.split_at(at);
        // `name="sid"` of a field, as opposed to an empty argument.
        if let [b'=', b'"', quoted @ ..] = behind
            && ends_with(before, b"name")
        {
            let end =
                memchr::memchr(b'"', quoted.get(..=MAX_CREDENTIAL_NAME_BYTES).unwrap_or(quoted));
            return end.and_then(|end| quoted.get(..end)).is_some_and(is_credential);
        }
        let before = before.trim_ascii_end();
        let (name, quoted) = match before.strip_suffix(b"\"") {
            Some(name) => (name, true),
            None => (before, false),
        };
        if !quoted && !behind.starts_with(b"=") {
            return false;
        }
        let is_name =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        // One byte more than the longest name, so that a longer name never matches.
        let most = name.len().saturating_sub(MAX_CREDENTIAL_NAME_BYTES + 1);
        let tail = name.get(most..).unwrap_or_default();
        let start = tail.iter().rposition(|byte| !is_name(byte)).map_or(0, |at| at + 1);
        tail.get(start..).is_some_and(is_credential)
    })
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    let tail = text.len().checked_sub(end.len()).and_then(|start| text.get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

fn holds(name: &[u8], part: &[u8]) -> bool {
    name.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Whether a cookie with this name is known to hold state, in whole or in part.
pub(super) fn holds_state_by_name(name: &[u8]) -> bool {
    let mut buffer = [0; MAX_COOKIE_NAME_BYTES];
    let bare = without_prefix(name);
    let Some(lower) = buffer.get_mut(..bare.len()) else { return false };
    lower.copy_from_slice(bare);
    lower.make_ascii_lowercase();
    KNOWN_UNUSED.iter().any(|known| fits(without_chunk(lower), known) || fits(lower, known))
}

/// Whether a lower-case name matches a name or a pattern with one `*`.
fn fits(name: &[u8], pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name.eq_ignore_ascii_case(pattern.as_bytes()),
        Some((head, tail)) => {
            name.len() >= head.len() + tail.len()
                && name.starts_with(head.as_bytes())
                && name.ends_with(tail.as_bytes())
        }
    }
}

/// Removes the suffix of a part. Large state is split over several cookies: `name.0`, `name_1`, and `nameC2` in
/// ASP.NET.
fn without_chunk(lower: &[u8]) -> &[u8] {
    let digits = lower.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    match lower.get(..lower.len() - digits) {
        Some([name @ .., b'.' | b'_' | b'c']) if digits > 0 => name,
        _ => lower,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_the_set_names_is_a_credential() {
        for entry in TABLE {
            match entry.rule {
                Rule::Header(name) => assert!(is_credential_header(name.as_bytes()), "{name}"),
                Rule::Cookie(name) | Rule::CookieExact(name) => {
                    assert!(is_credential_cookie(name.as_bytes()), "{name}");
                    assert!(is_credential_cookie(format!("__Host-{name}").as_bytes()), "{name}");
                }
                Rule::CookiePair(one, two) => {
                    assert!(
                        is_credential_cookie(one.as_bytes())
                            && is_credential_cookie(two.as_bytes())
                    );
                }
                Rule::PathParameter(name) | Rule::Query(name) => {
                    assert!(is_credential_argument(name.as_bytes()), "{name}");
                    assert!(name.len() <= MAX_CREDENTIAL_NAME_BYTES);
                }
                _ => {}
            }
        }
        for name in
            ["SSESS0123456789abcdef0123456789abcdef", "wordpress_logged_in_1", "wikidb_session"]
        {
            assert!(is_credential_cookie(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn state_in_cookies_is_a_credential_in_pieces_too() {
        for known in KNOWN_UNUSED {
            let name = known.replace('*', "x");
            for name in
                [name.clone(), format!("{name}.0"), format!("{name}_1"), format!("{name}C2")]
            {
                assert!(is_credential_cookie(name.as_bytes()), "{name}");
            }
        }
    }

    #[test]
    fn what_is_none_stays_readable() {
        for name in ["theme", "lang", "_ga", "cart", "a", ""] {
            assert!(!is_credential_cookie(name.as_bytes()), "{name}");
        }
        for name in ["User-Agent", "Host", "Referer", "X-Forwarded-For", "Content-Type", "X-User"] {
            assert!(!is_credential_header(name.as_bytes()), "{name}");
        }
        for name in ["q", "page", "id", "sidebar", "token"] {
            assert!(!is_credential_argument(name.as_bytes()), "{name}");
        }
        for text in
            ["a=b", "sid", "inside=1", "https://example.com/?q=1&sort=sid", "\"sid\"", "x:sid:y"]
        {
            assert!(!credential_argument_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn arguments_are_found_in_urls_json_and_heads_of_fields() {
        for text in [
            "https://example.com/?a=1&access_token=abc",
            "https://example.com/#access_token=abc",
            "/shop;JSESSIONID=abc",
            "{\"access_token\" : \"abc\"}",
            "Content-Disposition: form-data; name=\"sid\"\r\n\r\nabc",
            "sid=abc",
            "PhpSessId=abc",
        ] {
            assert!(credential_argument_in(text.as_bytes()), "{text}");
        }
    }
}
