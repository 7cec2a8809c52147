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
}

impl Secrets {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub(super) fn add(&mut self, value: &[u8]) {
        if !value.is_empty() && !self.iter().any(|known| known == value) {
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

    /// Whether a text shows one of the values, as it is or percent-encoded.
    pub(super) fn shown_in(&self, text: &[u8]) -> bool {
        if self.ends.is_empty() {
            return false;
        }
        if self.found_in(text) {
            return true;
        }
        if memchr::memchr2(b'%', b'+', text).is_none() {
            return false;
        }
        let mut buffer = Vec::new();
        [false, true].into_iter().any(|plus| {
            percent::decode(text, plus, &mut buffer).is_some_and(|decoded| self.found_in(decoded))
        })
    }

    /// As [`Secrets::shown_in`], in all encodings that a request may carry: percent-encoding twice,
    /// base64 at any alignment and in both alphabets, JSON escapes.
    pub(super) fn hidden_in(&self, text: &[u8]) -> bool {
        if self.ends.is_empty() || text.is_empty() {
            return false;
        }
        if self.shown_in(text) {
            return true;
        }
        let mut buffer = Vec::new();
        if percent::decode(text, true, &mut buffer).is_some_and(|once| self.shown_in(once)) {
            return true;
        }
        if memchr::memchr(b'\\', text).is_some() && self.found_in(&unescaped(text)) {
            return true;
        }
        self.iter().filter(|value| value.len() >= MIN_SEARCHED_BYTES).any(|value| {
            base64_cores(value).iter().any(|core| memmem::find(text, core.as_bytes()).is_some())
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
    pub(super) fn hide<'t>(&self, text: Cow<'t, str>) -> Cow<'t, str> {
        if self.shown_in(text.as_bytes()) { Cow::Borrowed(HIDDEN) } else { text }
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
            let Some(decoded) = percent::decode(segment, false, &mut buffer) else { continue };
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
