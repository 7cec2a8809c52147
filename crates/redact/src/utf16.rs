//! Texts in UTF-16 and UTF-32, in which searches for bytes find nothing.

use crate::limits::MIN_UTF16_CHARACTERS;

/// Whether bytes are or contain such a text: by a byte order mark or by zeros next to ASCII characters.
pub(crate) fn is_wide(bytes: &[u8]) -> bool {
    let is_marked = [&b"\xFF\xFE"[..], b"\xFE\xFF", b"\0\0\xFE\xFF"];
    is_marked.iter().any(|mark| bytes.starts_with(mark))
        || memchr::memchr(0, bytes).is_some() && (has_run(bytes, 2) || has_run(bytes, 4))
}

/// Whether enough ASCII characters are in a row, each as the first or the last byte of a unit of that size.
fn has_run(bytes: &[u8], unit: usize) -> bool {
    let is_text = |byte: u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
    (0..unit).any(|start| {
        let (mut first, mut last) = (0, 0);
        bytes.get(start..).unwrap_or_default().chunks_exact(unit).any(|unit| {
            let zeros = unit.iter().filter(|byte| **byte == 0).count();
            let is_one =
                |at: Option<&u8>| zeros + 1 == unit.len() && at.is_some_and(|byte| is_text(*byte));
            first = if is_one(unit.first()) { first + 1 } else { 0 };
            last = if is_one(unit.last()) { last + 1 } else { 0 };
            first.max(last) >= MIN_UTF16_CHARACTERS
        })
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The text in UTF-16 and UTF-32, each in both byte orders.
    pub(crate) fn encoded(text: &str) -> [Vec<u8>; 4] {
        [
            text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
            text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
        ]
    }

    #[test]
    fn it_is_known_by_its_mark_or_by_some_characters_of_ascii() {
        for text in ["pass", "\u{feff}p", "\u{4e2d}\u{6587} pin=1", "\r\n\t "] {
            for bytes in encoded(text) {
                assert!(is_wide(&bytes), "{bytes:?}");
                let behind = [b"\x01".as_slice(), &bytes, b"\0\x02"].concat();
                assert!(text.chars().count() < 4 || is_wide(&behind), "{behind:?}");
            }
        }
    }

    #[test]
    fn other_bytes_are_not() {
        for bytes in [
            &b""[..],
            b"password=x",
            b"\0",
            b"p\0a\0s\0",
            b"\0\0\0p\0\0\0a\0\0\0s",
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10",
            "p\u{e4}ss\u{4e2d}".as_bytes(),
            b"p\0\0a\0\0s\0\0s\0\0",
        ] {
            assert!(!is_wide(bytes), "{bytes:?}");
        }
    }
}
