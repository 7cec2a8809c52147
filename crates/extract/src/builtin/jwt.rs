//! Claims of JWTs that name a session or a user. They are read, not verified.

use std::ops::Range;

use super::value::{identifies, is_placeholder};
use crate::json::{self, Step};
use crate::{Scratch, decode_base64, jwt_part, strip_scheme};

/// Looks like a JWT: three parts, of which the first begins as a JSON object in base64 does.
pub(super) fn is_shaped(token: &[u8]) -> bool {
    token.starts_with(b"eyJ") && memchr::memchr_iter(b'.', token).count() == 2
}

/// A whole JWT, with or without `Bearer ` before it.
pub(super) fn is_raw(value: &[u8]) -> bool {
    is_shaped(strip_scheme(value, b"bearer").unwrap_or(value))
}

/// No token is shorter: a header with an algorithm, a payload and two dots.
const MIN_TOKEN_BYTES: usize = 20;

/// Where the first signed or encrypted token (RFC 7519) begins and ends in a text. Linear: of usual texts it
/// looks at capital Js alone.
pub fn find_token(text: &[u8]) -> Option<Range<usize>> {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
    // Behind the characters of a part that begins there.
    let part_end = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.iter().take_while(is_part).count()
    };
    let dot_at = |at: usize| text.get(at) == Some(&b'.');
    if text.len() < MIN_TOKEN_BYTES {
        return None;
    }
    let mut from = 0;
    loop {
        let at = from + memchr::memchr(b'J', text.get(from..)?)?;
        from = at + 1;
        let Some(start) = at.checked_sub(2) else { continue };
        if text.get(start..at) != Some(b"ey") {
            continue;
        }
        let first = part_end(start);
        if !dot_at(first) {
            // Another that begins within the same characters ends with them too.
            from = first.max(from);
            continue;
        }
        let mut end = part_end(first + 1);
        if !dot_at(end) {
            from = end.max(from);
            continue;
        }
        while dot_at(end) {
            end = part_end(end + 1);
        }
        return Some(start..end);
    }
}

/// Writes `iss`, newline and `sid` to `found`.
pub(super) fn sid(token: &[u8], scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
    claims(token, &[&["iss"], &["sid"]], scratch, found)
}

/// Writes `iss`, `azp` or `client_id`, and `sub` to `found`, a newline between each.
pub(super) fn sub(token: &[u8], scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
    claims(token, &[&["iss"], &["azp", "client_id"], &["sub"]], scratch, found)
}

/// Of each group of names, the first claim that is there and no placeholder; all groups must yield one.
/// The lengths that a value may have are those of all of them together: the `sub` of a user can be short.
fn claims(token: &[u8], groups: &[&[&str]], scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
    found.clear();
    let Scratch { output, document, .. } = scratch;
    let Some(payload) = jwt_part(token, 1).and_then(|part| decode_base64(part, document)) else {
        return false;
    };
    for names in groups {
        let before = found.len();
        for name in *names {
            let path = [Step::Member(name.as_bytes().into())];
            let claim = json::find(payload, &path, output).map(<[u8]>::trim_ascii);
            if let Some(claim) = claim.filter(|claim| !is_placeholder(claim)) {
                if before > 0 {
                    found.push(b'\n');
                }
                found.extend_from_slice(claim);
                break;
            }
        }
        if found.len() == before {
            found.clear();
            return false;
        }
    }
    identifies(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_wherever_they_stand() {
        for (text, token) in [
            ("eyJh.eyJzdWIiOiIxIn0.s", Some("eyJh.eyJzdWIiOiIxIn0.s")),
            ("Bearer eyJh.eyJz.sig-_=, x", Some("eyJh.eyJz.sig-_=")),
            ("J eyJ eyJh.x eyJh.eyJz.sig", Some("eyJh.eyJz.sig")),
            ("eyJh.eyJhIjoiYiJ9.eyJz", Some("eyJh.eyJhIjoiYiJ9.eyJz")),
            ("?a=eyJhead.eyJzIjoxfQ.", Some("eyJhead.eyJzIjoxfQ.")),
            ("encrypted: eyJh..iv.text.tag;", Some("eyJh..iv.text.tag")),
            ("eyJ.a and nothing else", None),
            ("JeyJ, which is no token", None),
            ("", None),
            ("Jeans.by.Josef.of.the.street", None),
        ] {
            let found = find_token(text.as_bytes()).and_then(|found| text.get(found));
            assert_eq!(found, token, "{text}");
        }
    }
}
