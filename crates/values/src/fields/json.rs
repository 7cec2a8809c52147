//! Strings of a JSON body, also of one that does not parse: an application may be less strict than a grammar.

/// Takes the name, whether the string is a name itself, and the string.
type Take<'t> = dyn FnMut(&[u8], bool, &[u8]) -> bool + 't;

/// Hands out every string with the name of the member it stands behind, unescaped; names as names. Of a body that
/// is cut, the beginning of its last string too. Whether `take` wants more.
pub(super) fn strings(
    document: &[u8],
    buffer: &mut Vec<u8>,
    name: &mut Vec<u8>,
    take: &mut Take<'_>,
) -> bool {
    name.clear();
    let mut at = 0;
    while let Some(found) = memchr::memchr(b'"', &document[at..]) {
        let start = at + found + 1;
        let end = end_of(document, start);
        let text = unescaped(&document[start..end], buffer);
        at = (end + 1).min(document.len());
        let blanks = document[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        at += blanks;
        let is_name = document.get(at) == Some(&b':');
        if !take(name, is_name, text) {
            return false;
        }
        if is_name {
            name.clear();
            name.extend_from_slice(&text[..text.len().min(crate::input::MAX_NAME_BYTES)]);
        }
    }
    true
}

/// Where the string that begins there ends: at its quote, or with the document.
fn end_of(document: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(found) = memchr::memchr2(b'"', b'\\', document.get(at..).unwrap_or_default()) {
        at += found;
        if document[at] == b'"' {
            return at;
        }
        at += 2;
    }
    document.len()
}

/// Without escapes; what is no escape stays as it is.
fn unescaped<'t>(text: &'t [u8], buffer: &'t mut Vec<u8>) -> &'t [u8] {
    let Some(first) = memchr::memchr(b'\\', text) else { return text };
    buffer.clear();
    buffer.extend_from_slice(&text[..first]);
    let mut at = first;
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
    buffer
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
