//! Characters that lax decoders convert to ASCII.

/// Folds overlong UTF-8, full-width forms, typographic quotes, and characters that become CR or LF when cut
/// to a byte.
pub(super) fn folded(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut at = 0;
    let mut changed = false;
    while let Some(byte) = text.get(at) {
        match fold(&text[at..]) {
            // Invisible characters.
            Some((0, length)) => {
                at += length;
                changed = true;
            }
            Some((plain, length)) => {
                out.push(plain);
                at += length;
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

fn fold(rest: &[u8]) -> Option<(u8, usize)> {
    Some(match *rest {
        // For decoders that drop the first byte.
        [0xC0, next @ (b'.' | b'/' | b'\\'), ..] => (next, 2),
        [0xC1, 0xAF, ..] => (b'/', 2),
        // Overlong: two bytes for seven bits, also with an invalid second byte.
        [lead @ 0xC0..=0xC1, next, ..] => ((lead & 1) << 6 | (next & 0x3F), 2),
        [0xE0, 0x80 | 0x81, next @ 0x80..=0xBF, ..] => ((rest[1] & 1) << 6 | (next & 0x3F), 3),
        [0xF0, 0x80, 0x80 | 0x81, next @ 0x80..=0xBF, ..] => {
            ((rest[2] & 1) << 6 | (next & 0x3F), 4)
        }
        [0xF8, 0x80, 0x80, 0x80, next @ 0x80..=0xBF, ..] => (next & 0x3F, 5),
        [0xFC, 0x80, 0x80, 0x80, 0x80, next @ 0x80..=0xBF, ..] => (next & 0x3F, 6),
        [0xEF, 0xBC, next @ 0x81..=0xBF, ..] => (next - 0x81 + b'!', 3),
        [0xEF, 0xBD, next @ 0x80..=0x9E, ..] => (next - 0x80 + b'`', 3),
        // Cut to a byte, U+560A and U+010A are LF, and U+560D and U+010D are CR.
        [0xE5, 0x98, 0x8A, ..] => (b'\n', 3),
        [0xE5, 0x98, 0x8D, ..] => (b'\r', 3),
        [0xE5, 0x98, 0xBC, ..] => (b'<', 3),
        [0xE5, 0x98, 0xBE, ..] => (b'>', 3),
        [0xC4, 0x8A, ..] => (b'\n', 2),
        [0xC4, 0x8D, ..] => (b'\r', 2),
        [0xCA, 0xB9 | 0xBA | 0xBC, ..] => (b'\'', 2),
        [0xE2, 0x80, 0x98 | 0x99, ..] => (b'\'', 3),
        [0xE2, 0x80, 0x9C | 0x9D, ..] => (b'"', 3),
        // Best-fit mappings of old Windows versions.
        [0xEF, 0x80, 0xA5, ..] | [0xEE, 0xBF, 0x88, ..] => (b'/', 3),
        [0xE2, 0x81, 0x84, ..] | [0xE2, 0x88, 0x95, ..] => (b'/', 3),
        [0xE2, 0x88, 0x96, ..] => (b'\\', 3),
        [0xE3, 0x80, 0x82, ..] => (b'.', 3),
        // Circled letters and digits.
        [0xE2, 0x93, next @ 0x90..=0xA9, ..] => (next - 0x90 + b'a', 3),
        [0xE2, 0x91, next @ 0xA0..=0xA8, ..] => (next - 0xA0 + b'1', 3),
        [0xE2, 0x93, 0xAA, ..] => (b'0', 3),
        [0xC2, 0xA0, ..] => (b' ', 2),
        // `<` and `>` once the eighth bit is cut off.
        [0xC2, 0xBC, ..] => (b'<', 2),
        [0xC2, 0xBE, ..] => (b'>', 2),
        // Zero-width characters and soft hyphens.
        [0xE2, 0x80, 0x8B..=0x8F | 0xAA..=0xAE, ..]
        | [0xE2, 0x81, 0xA0 | 0xA6..=0xA9, ..]
        | [0xEF, 0xBB, 0xBF, ..] => (0, 3),
        [0xC2, 0xAD, ..] => (0, 2),
        _ => return None,
    })
}

/// Clears the eighth bit of each byte, if the text is not UTF-8.
pub(super) fn seven_bits(text: &[u8], out: &mut Vec<u8>) -> bool {
    if memchr::memchr2(0xBC, 0xA2, text).is_none() || std::str::from_utf8(text).is_ok() {
        return false;
    }
    out.clear();
    out.extend(text.iter().map(|byte| byte & 0x7F));
    true
}

/// Removes NUL bytes: UTF-16 becomes ASCII, and `\0` hides nothing.
pub(super) fn without_nul(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    out.extend(text.iter().filter(|byte| **byte != 0));
    out.len() < text.len()
}

/// Decodes UTF-7 (RFC 2152) that hides ASCII.
pub(super) fn utf7(text: &[u8], out: &mut Vec<u8>) -> bool {
    if memchr::memmem::find(text, b"+AD").is_none() && memchr::memmem::find(text, b"+AC").is_none()
    {
        return false;
    }
    out.clear();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        if *byte != b'+' {
            out.push(*byte);
            continue;
        }
        let length = text[at..].iter().take_while(|byte| sextet(**byte).is_some()).count();
        shifted(&text[at..at + length], out);
        at += length;
        at += usize::from(text.get(at) == Some(&b'-'));
    }
    true
}

/// Decodes the ASCII characters in the UTF-16 of a shifted sequence; others become `?`.
fn shifted(sequence: &[u8], out: &mut Vec<u8>) {
    let (mut bits, mut count) = (0_u32, 0);
    for value in sequence.iter().filter_map(|byte| sextet(*byte)) {
        bits = (bits << 6 | value) & 0x3F_FFFF;
        count += 6;
        if count >= 16 {
            count -= 16;
            let unit = bits >> count & 0xFFFF;
            out.push(if unit < 0x80 { unit as u8 } else { b'?' });
        }
    }
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}
