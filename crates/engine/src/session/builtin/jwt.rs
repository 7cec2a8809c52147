//! Claims of JWTs that name a session or a user. They are read, not verified.

use super::value::{identifies, is_placeholder};
use crate::point::json::{self, Step};
use crate::point::{Scratch, decode_base64, jwt_part, strip_scheme};

/// Looks like a JWT: three parts, of which the first begins as a JSON object in base64 does.
pub(super) fn is_shaped(token: &[u8]) -> bool {
    token.starts_with(b"eyJ") && memchr::memchr_iter(b'.', token).count() == 2
}

/// A whole JWT, with or without `Bearer ` before it.
pub(super) fn is_raw(value: &[u8]) -> bool {
    is_shaped(strip_scheme(value, b"bearer").unwrap_or(value))
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
