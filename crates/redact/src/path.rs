//! Redaction of the path.

use std::borrow::Cow;

use crate::limits::{MAX_PATH_SEGMENTS, MIN_SECRET_SEGMENT_BYTES};
use crate::secrets::{HIDDEN, Secrets};
use crate::{names, token_patterns};
use api_sessions_extract::builtin;
use api_sessions_extract::percent;

/// Segments before the digest of a public object.
const OF_DIGESTS: &[&[u8]] = &[
    b"commit",
    b"commits",
    b"tree",
    b"blob",
    b"blobs",
    b"raw",
    b"archive",
    b"sha",
    b"compare",
    b"objects",
    b"manifests",
    b"digests",
    b"hashes",
    b"tx",
    b"block",
    b"ipfs",
];

/// The path without segments that hidden points read, segments that contain a hidden value or a secret, and
/// session ids in path parameters.
///
/// `hidden` and `shown` are indexes of segments, from 0 after the first slash. Shown segments are not judged
/// by their looks.
pub fn hide<'p>(
    path: &'p [u8],
    hidden: &[u32],
    shown: &[u32],
    secrets: &mut Secrets,
) -> Cow<'p, [u8]> {
    // These occur in path parameters, also with encoded semicolons, which some servers decode first.
    let is_plain = memchr::memchr3(b';', b'%', b'(', path).is_none();
    if is_plain
        && hidden.is_empty()
        && !secrets.shown_in(path)
        && builtin::find_token(path).is_none()
        && !has_long_secret(path)
        && !(secrets.has_short() && split(path).any(|segment| secrets.equal_any(segment)))
    {
        return Cow::Borrowed(path);
    }
    hide_segments(path, hidden, shown, secrets)
}

/// Whether a segment looks like a secret. In usual paths, few segments are long enough to be judged.
#[inline]
fn has_long_secret(path: &[u8]) -> bool {
    path.len() >= MIN_SECRET_SEGMENT_BYTES
        && split(path).any(|segment| {
            segment.len() >= MIN_SECRET_SEGMENT_BYTES && token_patterns::is_secret_segment(segment)
        })
}

#[cold]
fn hide_segments<'p>(
    path: &'p [u8],
    hidden: &[u32],
    shown: &[u32],
    secrets: &mut Secrets,
) -> Cow<'p, [u8]> {
    let nothing = || Cow::Borrowed(&b"/[hidden]"[..]);
    // Only segments are judged by looks.
    let shows = secrets.credential_in(path) || has_long_secret(path);
    let is_long = split(path).nth(MAX_PATH_SEGMENTS).is_some();
    if is_long && shows {
        return nothing();
    }
    // A value may span several segments, so that it is in the whole path but in no segment.
    let mut found = !shows;
    let mut out = Vec::with_capacity(path.len());
    let mut buffers = [Vec::new(), Vec::new()];
    let mut before = &b""[..];
    for (at, segment) in split(path).enumerate() {
        if at > 0 {
            out.push(b'/');
        }
        let is_read = is_at(hidden, at);
        let rest = match parameters(segment, &mut buffers) {
            _ if is_read => None,
            false if is_secret(segment, before, &mut buffers) && !is_at(shown, at) => None,
            // If the whole path contains nothing, only values that are a whole segment are checked.
            false if shows && secrets.credential_in(segment) => None,
            false if secrets.has_short() && secrets.equal_any(segment) => None,
            false => Some(segment),
            true => {
                let name = segment.split(|byte| matches!(byte, b';' | b'%' | b'(')).next();
                let name = name.filter(|name| !secrets.credential_in(name));
                out.extend_from_slice(name.unwrap_or_default());
                if name.is_some_and(|name| !name.is_empty()) {
                    out.push(b';');
                }
                None
            }
        };
        before = segment;
        found |= rest.is_none();
        out.extend_from_slice(rest.unwrap_or(HIDDEN.as_bytes()));
    }
    if !found || secrets.credential_in(&out) { nothing() } else { Cow::Owned(out) }
}

/// Whether a segment is at one of the places; `at` also counts the empty text before the first slash.
fn is_at(places: &[u32], at: usize) -> bool {
    at.checked_sub(1).is_some_and(|at| places.iter().any(|nth| *nth as usize == at))
}

/// Whether a segment looks like a secret, as it is or decoded. Digests of commits or files after a matching
/// segment do not.
fn is_secret(segment: &[u8], before: &[u8], [once, _]: &mut [Vec<u8>; 2]) -> bool {
    if segment.len() < MIN_SECRET_SEGMENT_BYTES {
        return false;
    }
    let is_digest = segment.iter().all(u8::is_ascii_hexdigit);
    if is_digest && OF_DIGESTS.contains(&before) {
        return false;
    }
    token_patterns::is_secret_segment(segment)
        || memchr::memchr(b'%', segment).is_some()
            && percent::decode_whole(segment, false, once)
                .is_some_and(token_patterns::is_secret_segment)
}

fn split(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/')
}

/// Whether a segment contains a session id in a parameter (`;jsessionid=`), in a query whose `?` is encoded,
/// or in the parentheses of ASP.NET (`(S(id))`), encoded up to two times.
fn parameters(segment: &[u8], [once, twice]: &mut [Vec<u8>; 2]) -> bool {
    let has_id = |text: &[u8]| {
        let in_parentheses = text.starts_with(b"(")
            && [b"S(", b"F(", b"s(", b"f("]
                .iter()
                .any(|open| memchr::memmem::find(text, *open).is_some());
        in_parentheses
            || text.split(|byte| matches!(byte, b';' | b'?' | b'&' | b'#')).skip(1).any(|piece| {
                let name = piece.split(|byte| *byte == b'=').next().unwrap_or_default();
                let name = name.trim_ascii();
                builtin::is_credential_argument(name) || names::class(name) == names::Class::Secret
            })
    };
    if has_id(segment) {
        return true;
    }
    if memchr::memchr(b'%', segment).is_none() {
        return false;
    }
    let Some(once) = percent::decode_whole(segment, false, once) else { return true };
    has_id(once) || percent::decode_whole(once, false, twice).is_none_or(has_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(path: &str, segments: &[u32], values: &[&str]) -> String {
        let mut secrets = Secrets::default();
        secrets.clear();
        values.iter().for_each(|value| secrets.add(value.as_bytes()));
        String::from_utf8_lossy(&hide(path.as_bytes(), segments, &[], &mut secrets)).into_owned()
    }

    #[test]
    fn paths_lose_the_segments_that_show_it_and_ids_in_parameters() {
        for (path, shown) in [
            ("/a/b", "/a/b"),
            ("/a/tok-1234/b", "/a/[hidden]/b"),
            ("/a/tok%2D1234/b", "/a/[hidden]/b"),
            ("/users/7/x7", "/users/[hidden]/x7"),
            ("/shop;jsessionid=ABC;v=1/x", "/shop;[hidden]/x"),
            ("/shop%3BjSessionId=ABC", "/shop;[hidden]"),
            ("/shop%253BjSessionId=ABC", "/shop;[hidden]"),
            ("/shop;color=red", "/shop;color=red"),
            ("/a%20b/c", "/a%20b/c"),
            ("/x%3Faccess_token=abc", "/x;[hidden]"),
            ("/(S(lit3py55t21z5v55vlm25s55))/page.aspx", "/[hidden]/page.aspx"),
            ("/f(x)/(draft)", "/f(x)/(draft)"),
            ("/verify/eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln/x", "/verify/[hidden]/x"),
        ] {
            assert_eq!(hidden(path, &[], &["tok-1234", "7"]), shown);
        }
        assert_eq!(hidden("/a/tok/1234/b", &[], &["tok/1234"]), "/[hidden]");
    }

    #[test]
    fn a_segment_that_a_hidden_point_reads_goes_however_it_is_written() {
        assert_eq!(hidden("/u/%207%20/x", &[1], &["7"]), "/u/[hidden]/x");
    }

    #[test]
    fn a_path_of_very_many_segments_is_hidden_as_a_whole() {
        let path = "/abcx".repeat(MAX_PATH_SEGMENTS + 1);
        assert_eq!(hidden(&path, &[], &["abcx"]), "/[hidden]");
        assert_eq!(hidden(&path, &[], &["abcy"]), path);
    }
}
