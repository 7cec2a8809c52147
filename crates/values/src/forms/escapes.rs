//! Escapes of URLs, HTML and programming languages. All decoders are lax: invalid escapes stay unchanged.

/// Decodes percent-encoding, also `%uXXXX`.
pub(super) fn url(text: &[u8], plus: bool, out: &mut Vec<u8>) {
    out.clear();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'%' => match escape(&text[at + 1..]) {
                Some((code, length)) => {
                    push(code, length == 5, out);
                    at += 1 + length;
                    continue;
                }
                None => out.push(b'%'),
            },
            b'+' if plus => out.push(b' '),
            byte => out.push(*byte),
        }
        at += 1;
    }
}

pub(super) fn percent(text: &[u8], out: &mut Vec<u8>) -> bool {
    url(text, false, out);
    true
}

/// Code and length of an escape after its `%`: `XX`, `uXXXX`, or `%32%%65`, which encodes both digits of
/// `%2e`.
fn escape(rest: &[u8]) -> Option<(u32, usize)> {
    match rest.first()? {
        b'%' => {
            let [b'%', one, two, b'%', b'%', three, four] = *rest.first_chunk::<7>()? else {
                return None;
            };
            let digits = [hex(&[one, two])? as u8, hex(&[three, four])? as u8];
            Some((hex(&digits)?, 7))
        }
        b'u' | b'U' => Some((hex(rest.get(1..5)?)?, 5)),
        _ => Some((hex(rest.get(..2)?)?, 2)),
    }
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0_u32, |value, digit| Some(value << 4 | (*digit as char).to_digit(16)?))
}

/// Appends a byte, or a character in UTF-8.
fn push(code: u32, is_character: bool, out: &mut Vec<u8>) {
    match (is_character, char::from_u32(code)) {
        (true, Some(character)) => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        _ => out.push(code as u8),
    }
}

const NAMED: &[(&[u8], u8)] = &[
    (b"amp", b'&'),
    (b"apos", b'\''),
    (b"bsol", b'\\'),
    (b"colon", b':'),
    (b"dollar", b'$'),
    (b"equals", b'='),
    (b"grave", b'`'),
    (b"gt", b'>'),
    (b"lbrace", b'{'),
    (b"lcub", b'{'),
    (b"lpar", b'('),
    (b"lt", b'<'),
    (b"newline", b'\n'),
    (b"quot", b'"'),
    (b"rbrace", b'}'),
    (b"rcub", b'}'),
    (b"rpar", b')'),
    (b"semi", b';'),
    (b"sol", b'/'),
    (b"tab", b'\t'),
];

/// Decodes character references of HTML, with or without a semicolon.
pub(super) fn entities(text: &[u8], out: &mut Vec<u8>) -> bool {
    if memchr::memchr(b'&', text).is_none() {
        return false;
    }
    out.clear();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if *byte == b'&'
            && let Some((code, length)) = reference(&text[at + 1..])
        {
            push(code, code > 0x7F, out);
            at += 1 + length;
            at += usize::from(text.get(at) == Some(&b';'));
            continue;
        }
        out.push(*byte);
        at += 1;
    }
    true
}

/// Code point and length of a reference after its `&`, without the semicolon.
fn reference(rest: &[u8]) -> Option<(u32, usize)> {
    if let [b'#', digits @ ..] = rest {
        let (radix, skip) =
            if matches!(digits.first(), Some(b'x' | b'X')) { (16, 1) } else { (10, 0) };
        let digits = &digits[skip..];
        let count =
            digits.iter().take(12).take_while(|byte| (**byte as char).is_digit(radix)).count();
        if count == 0 {
            return None;
        }
        let code = digits[..count].iter().try_fold(0_u32, |value, digit| {
            value.checked_mul(radix)?.checked_add((*digit as char).to_digit(radix)?)
        })?;
        return Some((code, 1 + skip + count));
    }
    NAMED.iter().find_map(|(name, byte)| {
        let found = rest.get(..name.len())?.eq_ignore_ascii_case(name);
        found.then_some((u32::from(*byte), name.len()))
    })
}

/// Decodes `\u003c`, `\x3c`, `\74` and the escapes of a path separator.
pub(super) fn backslashes(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut at = 0;
    let mut changed = false;
    while let Some(byte) = text.get(at) {
        let rest = &text[at + 1..];
        let found = (*byte == b'\\')
            .then(|| match rest.first()? {
                b'u' | b'U' => match rest.get(1)? {
                    b'{' => {
                        let end = rest.iter().take(10).position(|byte| *byte == b'}')?;
                        Some((hex(&rest[2..end])?, end + 1))
                    }
                    _ => Some((hex(rest.get(1..5)?)?, 5)),
                },
                b'x' | b'X' => Some((hex(rest.get(1..3)?)?, 3)),
                b'0'..=b'3' => {
                    let digits =
                        rest.iter().take(3).take_while(|byte| (b'0'..b'8').contains(byte)).count();
                    let value = rest[..digits]
                        .iter()
                        .fold(0, |value, digit| value << 3 | u32::from(digit - b'0'));
                    (digits > 1 && value < 0x80).then_some((value, digits))
                }
                b'n' => Some((u32::from(b'\n'), 1)),
                b'r' => Some((u32::from(b'\r'), 1)),
                b't' => Some((u32::from(b'\t'), 1)),
                b'"' => Some((u32::from(b'"'), 1)),
                // `\.` and `\/`, which hide a path from a filter.
                dot @ (b'.' | b'/') => Some((u32::from(*dot), 1)),
                _ => None,
            })
            .flatten();
        match found {
            Some((code, length)) => {
                push(code, code > 0x7F, out);
                at += 1 + length;
                changed = true;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    changed
}

/// Removes backslashes if the value looks like shell or template code: `c\a\t`, `$\{`.
pub(super) fn unslashed(text: &[u8], out: &mut Vec<u8>) -> bool {
    if memchr::memchr3(b'$', b';', b'|', text).is_none() {
        return false;
    }
    out.clear();
    out.extend(text.iter().filter(|byte| **byte != b'\\'));
    out.len() < text.len()
}

/// Joins concatenated string literals: `"Ex"&"e"`, `'al'+'ert'`, `'a'.'b'`, `'c''at'` become one word.
pub(super) fn joined(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut at = 0;
    let mut changed = false;
    while let Some(byte) = text.get(at) {
        if matches!(byte, b'\'' | b'"') && at > 0 && text[at - 1].is_ascii_alphanumeric() {
            let mut next = at + 1;
            while text.get(next) == Some(&b' ') && next < at + 4 {
                next += 1;
            }
            if matches!(text.get(next), Some(b'+' | b'&' | b'.' | b',')) {
                next += 1;
            }
            while text.get(next) == Some(&b' ') && next < at + 8 {
                next += 1;
            }
            let goes_on = text.get(next + 1).is_some_and(u8::is_ascii_alphanumeric);
            if text.get(next) == Some(byte) && goes_on {
                at = next + 1;
                changed = true;
                continue;
            }
        }
        out.push(*byte);
        at += 1;
    }
    changed
}

/// Reads `+` as a space if the value has hardly any spaces: `1'+or+'1'='1`.
pub(super) fn plus(text: &[u8], out: &mut Vec<u8>) -> bool {
    let count = |byte| memchr::memchr_iter(byte, text).count();
    if count(b'+') < 2 || count(b' ') * 2 > count(b'+') {
        return false;
    }
    out.clear();
    out.extend(text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }));
    true
}

/// Removes percent signs before each letter, which some servers drop: `%s%e%l%e%c%t`.
pub(super) fn dropped(text: &[u8], out: &mut Vec<u8>) -> bool {
    const LEAST: usize = 6;
    let count = memchr::memchr_iter(b'%', text).count();
    if count < LEAST || count * 4 < text.len() {
        return false;
    }
    out.clear();
    out.extend(text.iter().filter(|byte| **byte != b'%'));
    true
}

/// Removes comments within words: `un/**/ion sel/*x*/ect`.
pub(super) fn uncommented(text: &[u8], out: &mut Vec<u8>) -> bool {
    const MOST: usize = 24;
    let (mut from, mut changed) = (0, false);
    for at in memchr::memmem::find_iter(text, b"/*") {
        let before = at.checked_sub(1).and_then(|before| text.get(before));
        let Some(length) = memchr::memmem::find(&text[at..text.len().min(at + MOST)], b"*/") else {
            continue;
        };
        let end = at + length + 2;
        if at < from
            || !before.is_some_and(u8::is_ascii_alphabetic)
            || !text.get(end).is_some_and(u8::is_ascii_alphabetic)
        {
            continue;
        }
        if !changed {
            out.clear();
        }
        out.extend_from_slice(&text[from..at]);
        (from, changed) = (end, true);
    }
    if changed {
        out.extend_from_slice(&text[from..]);
    }
    changed
}

/// Removes what a shell expands to nothing: `c$()at`, `ca``t`, `et${u}c`.
pub(super) fn unexpanded(text: &[u8], out: &mut Vec<u8>) -> bool {
    const MOST: usize = 12;
    out.clear();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let rest = &text[at..];
        let length = match rest {
            [b'$', b'(', b')', ..] => 3,
            // A program that does not exist, within a word.
            [b'$', b'(', name @ ..] => {
                let count =
                    name.iter().take(4).take_while(|byte| byte.is_ascii_lowercase()).count();
                let is_within =
                    out.last().is_some_and(|last| last.is_ascii_alphabetic() || *last == b':')
                        && name
                            .get(count + 1)
                            .is_some_and(|next| next.is_ascii_alphabetic() || *next == b'/');
                if is_within && (1..4).contains(&count) && name.get(count) == Some(&b')') {
                    count + 3
                } else {
                    0
                }
            }
            [b'`', b'`', next, ..]
                if next.is_ascii_alphabetic()
                    && out.last().is_some_and(u8::is_ascii_alphabetic) =>
            {
                2
            }
            [b'$', b'{', ..] => {
                let end = rest.iter().take(MOST).position(|byte| *byte == b'}').unwrap_or(0);
                let is_name = end > 2 && rest[2..end].iter().all(u8::is_ascii_lowercase);
                if is_name { end + 1 } else { 0 }
            }
            _ => 0,
        };
        if length == 0 {
            out.push(*byte);
        }
        at += length.max(1);
    }
    out.len() < text.len()
}

/// Decodes `0x2e`, `0x2f` and `0x5c` in a path, and `2f` and `5c` between dots, where the `%` was lost.
pub(super) fn hexadecimal(text: &[u8], out: &mut Vec<u8>) -> bool {
    let has = |part: &[u8]| memchr::memmem::find(text, part).is_some();
    let is_lost = has(b"..2f..") || has(b"..5c..");
    if !is_lost && !has(b"0x") {
        return false;
    }
    out.clear();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let (plain, length) = match text.get(at..at + 4) {
            Some(b"0x2e" | b"0x2E") => (b'.', 4),
            Some(b"0x2f" | b"0x2F") => (b'/', 4),
            Some(b"0x5c" | b"0x5C") => (b'\\', 4),
            _ if is_lost && text[at..].starts_with(b"2f") => (b'/', 2),
            _ if is_lost && text[at..].starts_with(b"5c") => (b'\\', 2),
            _ => (*byte, 1),
        };
        out.push(plain);
        at += length;
    }
    true
}

/// Removes tags within words, as a filter does: `o<x>nfocus`.
pub(super) fn untagged(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut at = 0;
    let mut changed = false;
    while let Some(byte) = text.get(at) {
        if *byte == b'<' && at > 0 && text[at - 1].is_ascii_alphabetic() {
            let end = text[at..].iter().take(10).position(|byte| *byte == b'>');
            if let Some(end) = end
                && end > 1
                && text
                    .get(at + end + 1)
                    .is_some_and(|next| next.is_ascii_alphabetic() || *next == b'(')
                && text[at + 1].is_ascii_alphabetic()
            {
                at += end + 1;
                changed = true;
                continue;
            }
        }
        out.push(*byte);
        at += 1;
    }
    changed
}
