//! Keeping what is to be hidden out of everything that is exported.
//!
//! A value that a key or parameter hashes, or that a mask hides, may stand elsewhere as well: in a path
//! segment, in another parameter, in the `User-Agent`. Where it is found, all of the text around it
//! goes: more is cut, never less.

use std::borrow::Cow;

use memchr::memmem;

use crate::point::percent;

/// What stands in place of something hidden.
pub(super) const HIDDEN: &str = "[hidden]";
/// Values shorter than this are not searched for in other texts: they would hit by chance. Where they
/// are a whole text or a whole path segment, they are hidden all the same.
const MIN_SEARCHED_BYTES: usize = 4;
/// Path parameters that carry session ids (built-in set, group "in the URL").
const ID_PARAMETERS: &[&[u8]] = &[b"jsessionid", b"phpsessid", b"sid", b"sessionid", b"session_id"];

/// The values of one request that nobody may see. Buffers are used again.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// Length of the shortest: no text that is shorter shows one, since every encoding makes longer.
    shortest: usize,
}

impl Secrets {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn add(&mut self, value: &[u8]) {
        if !value.is_empty() && !self.iter().any(|known| known == value) {
            self.shortest = match self.ends.is_empty() {
                true => value.len(),
                false => self.shortest.min(value.len()),
            };
            self.bytes.extend_from_slice(value);
            self.ends.push(self.bytes.len());
        }
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |end| {
            let value = &self.bytes[start..*end];
            start = *end;
            value
        })
    }

    /// Whether a text shows one of the values, in any form that a request may carry it in: as it is,
    /// percent-encoded once or twice, in base64 at any alignment and in both alphabets, with JSON escapes.
    pub(super) fn shown_in(&self, text: &[u8]) -> bool {
        if self.ends.is_empty() || text.len() < self.shortest {
            return false;
        }
        if self.shown_plainly(text) {
            return true;
        }
        if memchr::memchr2(b'%', b'+', text).is_none() {
            return false;
        }
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        [false, true].into_iter().any(|plus| {
            let Some(once) = percent::decode_whole(text, plus, &mut once) else { return false };
            if self.shown_plainly(once) {
                return true;
            }
            memchr::memchr(b'%', once).is_some()
                && percent::decode_whole(once, plus, &mut twice)
                    .is_some_and(|twice| self.shown_plainly(twice))
        })
    }

    /// As [`Secrets::shown_in`], but for percent-encoding.
    fn shown_plainly(&self, text: &[u8]) -> bool {
        self.found_in(text)
            || (memchr::memchr(b'\\', text).is_some() && self.found_in(&unescaped(text)))
            || self.found_in_base64(text)
    }

    fn found_in_base64(&self, text: &[u8]) -> bool {
        self.iter().filter(|value| value.len() >= MIN_SEARCHED_BYTES).any(|value| {
            // Hardly any text has as many characters of the alphabet in a row.
            has_base64_run(text, core_len(value.len()))
                && base64_cores(value)
                    .iter()
                    .any(|core| memmem::find(text, core.as_bytes()).is_some())
        })
    }

    fn found_in(&self, text: &[u8]) -> bool {
        self.iter().any(|value| {
            text == value
                || (value.len() >= MIN_SEARCHED_BYTES
                    && text.len() > value.len()
                    && memmem::find(text, value).is_some())
        })
    }

    /// The text, or a placeholder where it shows one of the values.
    pub(super) fn hide<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        if self.shown_in(text) { HIDDEN.as_bytes() } else { text }
    }

    /// The path without segments that show one of the values, and without ids in path parameters.
    pub(super) fn hide_in_path<'p>(&self, path: &'p [u8]) -> Cow<'p, [u8]> {
        let has_parameters = memchr::memchr2(b';', b'%', path).is_some();
        let shows = |path: &[u8]| {
            // Segment by segment, for short values count as whole segments; then a value may span some.
            path.split(|byte| *byte == b'/').any(|segment| self.shown_in(segment))
                || self.shown_in(path)
        };
        if !has_parameters && !shows(path) {
            return Cow::Borrowed(path);
        }
        let mut out = Vec::with_capacity(path.len());
        for (at, segment) in path.split(|byte| *byte == b'/').enumerate() {
            if at > 0 {
                out.push(b'/');
            }
            let mut buffer = Vec::new();
            // Encoded semicolons count: some servers decode before they look.
            let Some(decoded) = percent::decode_whole(segment, false, &mut buffer) else {
                continue;
            };
            let id = decoded.split(|byte| *byte == b';').skip(1).any(is_id_parameter);
            let name = segment.split(|byte| matches!(byte, b';' | b'%')).next().unwrap_or_default();
            if id && !self.shown_in(name) {
                out.extend_from_slice(name);
                out.push(b';');
                out.extend_from_slice(HIDDEN.as_bytes());
            } else if id || self.shown_in(segment) {
                out.extend_from_slice(HIDDEN.as_bytes());
            } else {
                out.extend_from_slice(segment);
            }
        }
        if self.shown_in(&out) {
            return Cow::Owned([b"/", HIDDEN.as_bytes()].concat());
        }
        Cow::Owned(out)
    }
}

/// Length of the shortest of a value's [`base64_cores`], or less.
fn core_len(value_len: usize) -> usize {
    (value_len * 8 / 6).saturating_sub(2)
}

/// Whether so many characters of base64, of either alphabet, stand in a row. Looks at the last of so many
/// first, and goes on behind the one that is none: of usual texts at few of them.
fn has_base64_run(text: &[u8], len: usize) -> bool {
    let is_base64 =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let mut rest = text;
    while let Some(run) = rest.get(..len) {
        match run.iter().rposition(|byte| !is_base64(byte)) {
            Some(at) => rest = &rest[at + 1..],
            None => return true,
        }
    }
    false
}

/// What a value looks like inside base64, wherever in it the value begins: for each of the three
/// alignments and both alphabets, the characters that depend on the value alone.
fn base64_cores(value: &[u8]) -> Vec<String> {
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let mut cores = Vec::new();
    for before in 0..3 {
        let padded = [&[0; 2][..before], value].concat();
        // Characters that share bits with what stands before or behind are left out.
        let first = [0, 2, 3][before];
        let last = padded.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = engine.encode(&padded);
            if let Some(core) = encoded.get(first..last) {
                cores.push(core.to_owned());
            }
        }
    }
    cores
}

/// Text with the escapes of JSON strings resolved wherever they stand.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, behind) {
            (b'\\', [b'u', a, b, c, d, tail @ ..]) => {
                let digits = [*a, *b, *c, *d];
                let unit =
                    std::str::from_utf8(&digits).ok().and_then(|t| u32::from_str_radix(t, 16).ok());
                if let Some(character) = unit.and_then(char::from_u32) {
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    rest = tail;
                } else {
                    out.push(b'\\');
                }
            }
            (b'\\', [escape, tail @ ..]) => {
                out.push(match escape {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    other => *other,
                });
                rest = tail;
            }
            _ => out.push(*byte),
        }
    }
    out
}

fn is_id_parameter(parameter: &[u8]) -> bool {
    let name = parameter.split(|byte| *byte == b'=').next().unwrap_or_default();
    ID_PARAMETERS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        values.iter().for_each(|value| secrets.add(value.as_bytes()));
        secrets
    }

    #[test]
    fn a_hidden_value_is_found_as_it_is_and_encoded() {
        let secrets = secrets(&["s3cret/value", "42"]);
        for text in
            ["s3cret/value", "x s3cret/value y", "s3cret%2Fvalue", "s3cret%2fvalue", "42", "%342"]
        {
            assert!(secrets.shown_in(text.as_bytes()), "{text}");
        }
        for text in ["", "s3cret", "142", "value"] {
            assert!(!secrets.shown_in(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn a_value_is_found_however_far_into_a_text_it_stands() {
        let secrets = secrets(&["s3cret/value"]);
        let text = format!("{}%20s3cret%2Fvalue%20{}", "x".repeat(10_000), "y".repeat(10));
        assert!(secrets.shown_in(text.as_bytes()));
    }

    proptest::proptest! {
        #[test]
        fn a_run_is_found_where_there_is_one(text in "[a-c+/. -]{0,40}", len in 1usize..12) {
            let runs = text.split(['.', ' ']);
            let expected = runs.map(str::len).any(|run| run >= len);
            assert_eq!(has_base64_run(text.as_bytes(), len), expected);
        }
    }

    #[test]
    fn no_core_is_shorter_than_what_is_looked_for() {
        for len in MIN_SEARCHED_BYTES..60 {
            let cores = base64_cores(&vec![b'k'; len]);
            assert!(cores.iter().all(|core| core.len() >= core_len(len)), "{len}");
        }
    }

    #[test]
    fn paths_lose_the_segments_that_show_it_and_ids_in_parameters() {
        let secrets = secrets(&["tok-1234", "7"]);
        for (path, shown) in [
            ("/a/b", "/a/b"),
            ("/a/tok-1234/b", "/a/[hidden]/b"),
            ("/a/tok%2D1234/b", "/a/[hidden]/b"),
            ("/users/7/x7", "/users/[hidden]/x7"),
            ("/shop;jsessionid=ABC;v=1/x", "/shop;[hidden]/x"),
            ("/shop%3BjSessionId=ABC", "/shop;[hidden]"),
            ("/shop;color=red", "/shop;color=red"),
        ] {
            assert_eq!(String::from_utf8_lossy(&secrets.hide_in_path(path.as_bytes())), shown);
        }
    }
}
