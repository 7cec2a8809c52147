//! How JSON begins, and in which encoding: RFC 8259 (8.1) requires UTF-8, but many servers also accept UTF-16 and
//! UTF-32.

/// Byte order mark in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Size of a code unit, bytes, and its byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Units {
    bytes: usize,
    is_big_endian: bool,
}

const UTF16_BE: Units = Units { bytes: 2, is_big_endian: true };
const UTF16_LE: Units = Units { bytes: 2, is_big_endian: false };
const UTF32_BE: Units = Units { bytes: 4, is_big_endian: true };
const UTF32_LE: Units = Units { bytes: 4, is_big_endian: false };

/// Converts an object or array in one of these encodings to UTF-8, without byte order mark; `None` for anything else.
/// Invalid characters become U+FFFD; half a character at the end is dropped.
pub(super) fn to_utf8(bytes: &[u8]) -> Option<Vec<u8>> {
    begins_in_units(bytes).then_some(())?;
    let (units, text) = units(bytes)?;
    let values = text.chunks_exact(units.bytes).map(|unit| value(unit, units.is_big_endian));
    let utf8: String = if units.bytes == 2 {
        let is_half =
            values.clone().next_back().is_some_and(|last| (0xD800..0xDC00).contains(&last));
        let whole = values.len() - usize::from(is_half);
        let values = values.take(whole).map(|value| value as u16);
        char::decode_utf16(values).map(|it| it.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    } else {
        let character = |value| char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
        values.map(character).collect()
    };
    Some(utf8.into_bytes())
}

/// Whether the first character after a byte order mark and blanks (RFC 8259, 2) begins an object or an array.
pub fn begins_as_json(bytes: &[u8]) -> bool {
    begins_in_utf8(bytes) || begins_in_units(bytes)
}

/// Whether a byte may precede a JSON text or one in a sequence (RFC 7464: record separator).
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x1E)
}

fn begins_in_utf8(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    matches!(bytes.iter().find(|byte| !is_blank(**byte)), Some(b'{' | b'['))
}

fn begins_in_units(bytes: &[u8]) -> bool {
    let Some((units, text)) = units(bytes) else { return false };
    let mut values = text.chunks_exact(units.bytes).map(|unit| value(unit, units.is_big_endian));
    let is_blank = |value: &u32| u8::try_from(*value).is_ok_and(is_blank);
    let first = values.find(|value| !is_blank(value));
    matches!(first.and_then(char::from_u32), Some('{' | '['))
}

/// Detects the encoding by the byte order mark, or by the zero bytes around the first character, which is ASCII.
fn units(bytes: &[u8]) -> Option<(Units, &[u8])> {
    let marked = [
        (UTF32_BE, &[0, 0, 0xFE, 0xFF][..]),
        (UTF32_LE, &[0xFF, 0xFE, 0, 0]),
        (UTF16_BE, &[0xFE, 0xFF]),
        (UTF16_LE, &[0xFF, 0xFE]),
    ];
    let marked = marked.iter().find_map(|(units, mark)| Some((*units, bytes.strip_prefix(*mark)?)));
    marked.or(match bytes {
        [0, 0, 0, 1..=u8::MAX, ..] => Some((UTF32_BE, bytes)),
        [1..=u8::MAX, 0, 0, 0, ..] => Some((UTF32_LE, bytes)),
        [0, 1..=u8::MAX, ..] => Some((UTF16_BE, bytes)),
        [1..=u8::MAX, 0, ..] => Some((UTF16_LE, bytes)),
        _ => None,
    })
}

fn value(unit: &[u8], is_big_endian: bool) -> u32 {
    let add = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
    if is_big_endian { unit.iter().fold(0, add) } else { unit.iter().rev().fold(0, add) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// In all four encodings, with and without a byte order mark.
    fn encoded(text: &str) -> Vec<Vec<u8>> {
        let marked = format!("\u{feff}{text}");
        [text, &marked]
            .iter()
            .flat_map(|text| {
                [
                    text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
                    text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                    text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
                    text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<u8>>(),
                ]
            })
            .collect()
    }

    #[test]
    fn what_is_no_object_or_array_is_left_as_it_is() {
        for text in ["\"a\"", "1", "null", "é{", " ", "<a>", "a{"] {
            for bytes in encoded(text) {
                assert_eq!(to_utf8(&bytes), None, "{text} {bytes:?}");
                assert!(!begins_in_units(&bytes), "{text} {bytes:?}");
            }
        }
        for bytes in [&b"{}"[..], b"", b"{", b"\0", b"\0\0\0"] {
            assert_eq!(to_utf8(bytes), None, "{bytes:?}");
        }
        for bytes in [&b"{}"[..], b"", b"{", b"\0", b"\0\0\0", b"\xff\xfe", b"\0\0\xfe\xff"] {
            assert!(!begins_in_units(bytes), "{bytes:?}");
        }
    }

    #[test]
    fn a_broken_character_hid_the_rest() {
        assert_eq!(to_utf8(b"{\0\0\xd8[\0"), Some("{\u{fffd}[".into()));
        assert_eq!(to_utf8(b"{\0\0\xdc"), Some("{\u{fffd}".into()));
        assert_eq!(to_utf8(b"{\0\0\xd8"), Some("{".into()));
        assert_eq!(to_utf8(b"{\0\0\0\0\xd8\0\0"), Some("{\u{fffd}".into()));
    }

    proptest! {
        #[test]
        fn it_is_the_same_text(blanks in "[ \\t\\r\\n]{0,3}", rest in "\\PC{0,30}", array in any::<bool>()) {
            let text = format!("{blanks}{}{rest}", if array { '[' } else { '{' });
            for bytes in encoded(&text) {
                prop_assert!(begins_in_units(&bytes));
                prop_assert_eq!(to_utf8(&bytes), Some(text.clone().into_bytes()));
            }
        }

        #[test]
        fn of_a_cut_text_the_beginning_is_read(rest in "[a-zé\u{1F600}]{1,20}", cut in 8..60_usize) {
            let text = format!("{{\"{rest}");
            for bytes in encoded(&text) {
                let part = &bytes[..cut.min(bytes.len())];
                let read = to_utf8(part);
                if let Some(read) = read {
                    prop_assert!(text.as_bytes().starts_with(&read));
                }
            }
        }

        #[test]
        fn any_bytes_are_looked_at(bytes in prop::collection::vec(0..4_u8, 0..40)) {
            to_utf8(&bytes);
            begins_in_units(&bytes);
        }
    }
}
