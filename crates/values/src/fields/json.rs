//! Strings of a JSON body, valid or not: an application may be less strict than the grammar.

use crate::class::Mask;
use crate::limits::MAX_NAME_BYTES;

/// Callback that takes the name, whether the string is a name itself, the string and its byte classes.
/// Returns whether it wants more.
type Take<'t> = dyn FnMut(&[u8], bool, &[u8], Mask) -> bool + 't;

/// Calls `take` with each string, unescaped, and the name of its member; also with each name. If the body is
/// cut, the start of its last string is included. Returns whether `take` wants more.
pub(super) fn strings(
    document: &[u8],
    buffer: &mut Vec<u8>,
    name_buffer: &mut Vec<u8>,
    take: &mut Take<'_>,
) -> bool {
    let mut at = 0;
    let mut name: &[u8] = b"";
    let mut is_buffered = false;
    while let Some(found) = document[at..].iter().position(|byte| *byte == b'"') {
        let start = at + found + 1;
        let (end, mask) = end_of(document, start);
        let raw = &document[start..end];
        at = (end + 1).min(document.len());
        while document.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        let is_name = document.get(at) == Some(&b':');
        let is_escaped = mask.has(Mask::BACKSLASH);
        let (text, mask) = match is_escaped {
            true => {
                unescape(raw, buffer);
                (buffer.as_slice(), Mask::of(buffer))
            }
            false => (raw, mask),
        };
        if !take(if is_buffered { name_buffer } else { name }, is_name, text, mask) {
            return false;
        }
        if is_name {
            (name, is_buffered) = (raw, is_escaped);
            if is_escaped {
                name_buffer.clear();
                name_buffer.extend_from_slice(&text[..text.len().min(MAX_NAME_BYTES)]);
            }
        }
    }
    true
}

/// End of the string that begins at `start`, at its quote or at the end of the document, and its byte
/// classes.
fn end_of(document: &[u8], start: usize) -> (usize, Mask) {
    const STOPS: Mask = Mask::QUOTE.and(Mask::BACKSLASH);
    let mut mask = Mask::NONE;
    let mut bytes = document.get(start..).unwrap_or_default().iter();
    while let Some(byte) = bytes.next() {
        let class = Mask::NONE.with(*byte);
        if class.has(STOPS) {
            match byte {
                b'"' => return (document.len() - bytes.len() - 1, mask),
                b'\\' => _ = bytes.next(),
                _ => {}
            }
        }
        mask = mask.and(class);
    }
    (document.len(), mask)
}

/// Resolves escapes; invalid ones stay unchanged.
fn unescape(text: &[u8], buffer: &mut Vec<u8>) {
    buffer.clear();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        if *byte != b'\\' {
            buffer.push(*byte);
            continue;
        }
        let escape = text.get(at).copied().unwrap_or(b'\\');
        at += 1;
        match escape {
            b'"' | b'\\' | b'/' => buffer.push(escape),
            b'b' => buffer.push(8),
            b'f' => buffer.push(12),
            b'n' => buffer.push(b'\n'),
            b'r' => buffer.push(b'\r'),
            b't' => buffer.push(b'\t'),
            b'u' => match unit(text, at) {
                Some(high @ 0xD800..0xDC00) => {
                    let low = (text.get(at + 4..at + 6) == Some(b"\\u"))
                        .then(|| unit(text, at + 6))
                        .flatten();
                    match low {
                        Some(low @ 0xDC00..0xE000) => {
                            push(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), buffer);
                            at += 10;
                        }
                        _ => at += 4,
                    }
                }
                Some(code) => {
                    push(code, buffer);
                    at += 4;
                }
                None => buffer.extend_from_slice(b"\\u"),
            },
            other => buffer.extend_from_slice(&[b'\\', other]),
        }
    }
}

fn unit(text: &[u8], at: usize) -> Option<u32> {
    text.get(at..at + 4)?
        .iter()
        .try_fold(0, |value, digit| Some(value << 4 | (*digit as char).to_digit(16)?))
}

fn push(code: u32, buffer: &mut Vec<u8>) {
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    buffer.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}
