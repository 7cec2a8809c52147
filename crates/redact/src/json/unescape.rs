//! JSON strings of any length.

use crate::cuts::Encoding;

/// Resolves the escapes of the text between the quotes; invalid escapes stay unchanged.
pub(super) fn unescape<'v>(raw: &'v [u8], buffer: &'v mut Vec<u8>) -> &'v [u8] {
    let Some(first) = memchr::memchr(b'\\', raw) else { return raw };
    buffer.clear();
    buffer.extend_from_slice(raw.get(..first).unwrap_or_default());
    let mut rest = raw.get(first..).unwrap_or_default();
    while !rest.is_empty() {
        let (len, text) = unit(rest);
        match text {
            Text::Char(character) => {
                buffer.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes())
            }
            Text::Same => buffer.extend_from_slice(rest.get(..len).unwrap_or_default()),
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    buffer
}

/// The encoding of JSON strings.
pub(super) const STRING: Encoding = Encoding { unit: string_unit, encode: escape };

/// Escapes a replacement text.
fn escape(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out
}

/// Number of raw bytes of the unit at the start, and the number of bytes that it decodes to.
fn string_unit(rest: &[u8]) -> (usize, usize) {
    match unit(rest) {
        (len, Text::Char(character)) => (len, character.len_utf8()),
        (len, Text::Same) => (len, len),
    }
}

enum Text {
    Char(char),
    Same,
}

fn unit(rest: &[u8]) -> (usize, Text) {
    let escaped = |character: u8| (2, Text::Char(character.into()));
    match rest {
        [b'\\', b'n', ..] => escaped(b'\n'),
        [b'\\', b't', ..] => escaped(b'\t'),
        [b'\\', b'r', ..] => escaped(b'\r'),
        [b'\\', b'b', ..] => escaped(8),
        [b'\\', b'f', ..] => escaped(12),
        [b'\\', escape @ (b'"' | b'\\' | b'/'), ..] => escaped(*escape),
        [b'\\', b'u', behind @ ..] => match code_unit(behind) {
            Some(high) => match char::from_u32(high) {
                Some(character) => (6, Text::Char(character)),
                None => pair(high, rest)
                    .map_or((6, Text::Same), |character| (12, Text::Char(character))),
            },
            None => (1, Text::Same),
        },
        _ => (1, Text::Same),
    }
}

/// The character of a surrogate pair, if its second half follows.
fn pair(high: u32, rest: &[u8]) -> Option<char> {
    let low = code_unit(rest.get(6..)?.strip_prefix(b"\\u")?)?;
    char::decode_utf16([u16::try_from(high).ok()?, u16::try_from(low).ok()?]).next()?.ok()
}

fn code_unit(digits: &[u8]) -> Option<u32> {
    let digits = digits.get(..4)?;
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn strings_are_what_serde_reads(text in proptest::prelude::any::<String>(), ascii in proptest::bool::ANY) {
            let written = serde_json::to_string(&text).unwrap();
            let written = if ascii { text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect() } else { written[1..written.len() - 1].to_owned() };
            let mut buffer = Vec::new();
            assert_eq!(unescape(written.as_bytes(), &mut buffer), text.as_bytes());
            let (mut rest, mut len) = (written.as_bytes(), 0);
            while !rest.is_empty() {
                let (raw, stands_for) = string_unit(rest);
                (rest, len) = (&rest[raw..], len + stands_for);
            }
            assert_eq!(len, text.len());
        }
    }
}
