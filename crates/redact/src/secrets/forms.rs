//! Decoded forms of a text, computed once for all searches.

use super::references;
use api_sessions_extract::percent;

/// Buffers for decoded texts, reused.
#[derive(Debug, Default)]
pub(super) struct Forms {
    once: Vec<u8>,
    twice: Vec<u8>,
    unescaped: Vec<u8>,
}

impl Forms {
    /// Whether `found` returns true for any form of the text: as it is, percent-decoded once or twice (if
    /// `plus`, also with `+` as a space), and each of these with JSON escapes or HTML references resolved.
    pub(super) fn any(
        &mut self,
        text: &[u8],
        plus: bool,
        mut found: impl FnMut(&[u8]) -> bool,
    ) -> bool {
        if found(text) {
            return true;
        }
        // There is rarely anything to decode.
        (memchr::memchr3(b'%', b'&', b'\\', text).is_some()
            || plus && memchr::memchr(b'+', text).is_some())
            && self.any_decoded(text, plus, &mut found)
    }

    #[cold]
    fn any_decoded(
        &mut self,
        text: &[u8],
        plus: bool,
        found: &mut dyn FnMut(&[u8]) -> bool,
    ) -> bool {
        let Self { once, twice, unescaped } = self;
        if found_unescaped(text, unescaped, found) {
            return true;
        }
        let is_encoded = |text: &[u8]| memchr::memchr(b'%', text).is_some();
        let has_plus = plus && memchr::memchr(b'+', text).is_some();
        [(false, is_encoded(text)), (true, has_plus)].into_iter().any(|(plus, differs)| {
            if !differs {
                return false;
            }
            let Some(once) = percent::decode_whole(text, plus, once) else { return false };
            if found(once) || found_unescaped(once, unescaped, found) {
                return true;
            }
            is_encoded(once)
                && percent::decode_whole(once, plus, twice)
                    .is_some_and(|twice| found(twice) || found_unescaped(twice, unescaped, found))
        })
    }

    /// The text without NUL bytes, as in UTF-16, and line breaks, as in base64. `None`: it has none.
    pub(super) fn joined(&mut self, text: &[u8]) -> Option<&[u8]> {
        let joined = &mut self.once;
        memchr::memchr3(0, b'\r', b'\n', text)?;
        joined.clear();
        joined.extend(text.iter().filter(|byte| !matches!(byte, 0 | b'\r' | b'\n')));
        Some(joined)
    }
}

fn found_unescaped(
    text: &[u8],
    buffer: &mut Vec<u8>,
    found: &mut dyn FnMut(&[u8]) -> bool,
) -> bool {
    let in_json = memchr::memchr(b'\\', text).is_some() && {
        unescape(text, buffer);
        found(buffer)
    };
    in_json
        || references::may_be_in(text) && {
            references::resolve(text, buffer);
            found(buffer)
        }
}

/// Resolves JSON escapes anywhere in a text.
fn unescape(text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (plain, escaped) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match escaped {
            [_, b'u', ..] => match character(escaped) {
                Some((character, behind)) => {
                    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                    behind
                }
                None => {
                    out.push(b'\\');
                    escaped.get(1..).unwrap_or_default()
                }
            },
            [_, escape, behind @ ..] => {
                out.push(match escape {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 0x08,
                    b'f' => 0x0c,
                    other => *other,
                });
                behind
            }
            other => {
                out.extend_from_slice(other);
                &[]
            }
        };
    }
    out.extend_from_slice(rest);
}

/// The character of `\uXXXX` or of a surrogate pair, and the rest of the text.
fn character(text: &[u8]) -> Option<(char, &[u8])> {
    references::surrogates(text, |text| {
        let (digits, behind) = text.strip_prefix(b"\\u")?.split_at_checked(4)?;
        let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
        let digits = std::str::from_utf8(digits).ok().filter(|_| is_hex)?;
        Some((u32::from_str_radix(digits, 16).ok()?, behind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved_as_json_has_them() {
        for (text, plain) in [
            (r"a\u0062c", "abc"),
            (r"\ud83d\ude00!", "😀!"),
            (r#"\"\/\\\n"#, "\"/\\\n"),
            (r"\ud83dx", r"\ud83dx"),
            (r"\u+0a1", r"\u+0a1"),
            (r"x\", r"x\"),
            ("plain", "plain"),
        ] {
            let mut out = Vec::new();
            unescape(text.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), plain, "{text}");
        }
    }
}
