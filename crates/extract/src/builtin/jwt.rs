//! JWT claims that identify a session or a user. Tokens are not verified.

use std::ops::Range;

use super::placeholder::is_placeholder;
use crate::limits::{MAX_BUILTIN_VALUE_BYTES, MIN_JWT_BYTES};
use crate::{Scratch, decode_base64, json, jwt_part, strip_scheme};

/// Whether a value looks like a JWT: three parts, the first of which begins like a JSON object in base64.
pub(super) fn is_shaped(token: &[u8]) -> bool {
    token.starts_with(b"eyJ") && memchr::memchr_iter(b'.', token).count() == 2
}

/// Whether a value is a complete JWT, with or without a leading `Bearer `.
pub(super) fn is_raw(value: &[u8]) -> bool {
    is_shaped(strip_scheme(value, b"bearer").unwrap_or(value))
}

/// Range of the first signed or encrypted token (RFC 7519) in a text. Takes linear time; ordinary text is only searched
/// for capital Js.
pub fn find_token(text: &[u8]) -> Option<Range<usize>> {
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
    // End of the part that begins at `from`.
    let part_end = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.iter().take_while(is_part).count()
    };
    let dot_at = |at: usize| text.get(at) == Some(&b'.');
    if text.len() < MIN_JWT_BYTES {
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
            // Any other part that begins within these characters ends with them, too.
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

/// Claims that name a session, best first: one login on one device.
const SESSION: &[&str] = &["sid", "session_id", "sessionHandle", "session_state", "origin_jti"];
/// Claims that name a user, best first.
const USER: &[&str] = &["sub", "oid", "user_id", "uid", "id", "email"];
/// Claims that name the client a token was issued to, best first.
const CLIENT: &[&str] = &["azp", "client_id", "cid", "appid", "aud"];
/// All claims that are read.
const CLAIMS: &[&str] = &[
    "iss",
    "auth_time",
    "sid",
    "session_id",
    "sessionHandle",
    "session_state",
    "origin_jti",
    "sub",
    "oid",
    "user_id",
    "uid",
    "id",
    "email",
    "azp",
    "client_id",
    "cid",
    "appid",
    "aud",
];

/// The claims of one token.
struct Claims {
    bytes: Vec<u8>,
    places: [Range<usize>; CLAIMS.len()],
}

impl Claims {
    fn read(token: &[u8], scratch: &mut Scratch) -> Option<Self> {
        let Scratch { output, document, .. } = scratch;
        let payload = decode_base64(jwt_part(token, 1)?, document)?;
        let mut claims = Self { bytes: Vec::new(), places: [const { 0..0 }; CLAIMS.len()] };
        json::members(payload, CLAIMS, output, &mut |at, value| {
            let value = value.trim_ascii();
            if let Some(place) = claims.places.get_mut(at) {
                // Of duplicate members, the last one counts.
                let start = claims.bytes.len();
                claims.bytes.extend_from_slice(value);
                *place = start..claims.bytes.len();
            }
        });
        Some(claims)
    }

    /// The claim, unless it is missing or a placeholder.
    fn get(&self, name: &str) -> Option<&[u8]> {
        let at = CLAIMS.iter().position(|known| *known == name)?;
        let value = self.bytes.get(self.places.get(at)?.clone())?;
        (!is_placeholder(value)).then_some(value)
    }

    fn first(&self, names: &[&str]) -> Option<&[u8]> {
        names.iter().find_map(|name| self.get(name))
    }
}

/// Writes the issuer, a newline and the token's session, which is a session claim or else `sub`, a newline and
/// `auth_time`. The latter requires an issuer; otherwise the issuer's line may be empty.
pub(super) fn sid(token: &[u8], scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
    let Some(claims) = Claims::read(token, scratch) else { return false };
    let issuer = claims.get("iss");
    let login = || Some([issuer?, claims.get("sub")?, claims.get("auth_time")?]);
    match (claims.first(SESSION), login()) {
        (Some(session), _) => write(&[issuer.unwrap_or_default(), session], found),
        (None, Some(login)) => write(&login, found),
        (None, None) => false,
    }
}

/// Writes issuer, client and user, separated by newlines. The lines of a missing issuer or client are empty, so that
/// the value cannot equal that of another key.
pub(super) fn sub(token: &[u8], scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
    let Some(claims) = Claims::read(token, scratch) else { return false };
    let Some(user) = claims.first(USER) else { return false };
    let issuer = claims.get("iss").unwrap_or_default();
    let client = claims.first(CLIENT).unwrap_or_default();
    // No minimum length: a numeric user id may be short.
    write(&[issuer, client, user], found)
}

/// Writes the issuer, a newline and the user. Does not depend on the client to which the token was issued, since all
/// tokens of one login belong to one user.
pub(super) fn user(token: &[u8], scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
    let Some(claims) = Claims::read(token, scratch) else { return false };
    let Some(user) = claims.first(USER) else { return false };
    write(&[claims.get("iss").unwrap_or_default(), user], found)
}

fn write(lines: &[&[u8]], found: &mut Vec<u8>) -> bool {
    found.clear();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            found.push(b'\n');
        }
        found.extend_from_slice(line);
    }
    found.len() <= MAX_BUILTIN_VALUE_BYTES
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
