//! The search for a byte that is usually near, such as the end of a cookie.

const WORD: usize = 8;
/// Bytes that are searched word by word; `memchr`, whose call costs more, only pays off further on.
const NEAR: usize = 4 * WORD;

/// Position of the first such byte.
#[inline]
pub(crate) fn find_near(byte: u8, text: &[u8]) -> Option<usize> {
    let Some(last) = text.last_chunk() else {
        return text.iter().position(|it| *it == byte);
    };
    let mut at = 0;
    while let Some(word) = text.get(at..).and_then(<[u8]>::first_chunk) {
        if at >= NEAR {
            return Some(at + memchr::memchr(byte, text.get(at..)?)?);
        }
        if let Some(within) = find_in(word, byte) {
            return Some(at + within);
        }
        at += WORD;
    }
    // What overlaps the word before does not contain the byte.
    Some(text.len() - WORD + find_in(last, byte)?)
}

/// The well-known trick: the subtraction sets the top bit of a byte that is zero. A borrow may also set that of a later
/// byte, never of an earlier one.
#[inline]
fn find_in(word: &[u8; WORD], byte: u8) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; WORD]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; WORD]);
    let differences = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
    let zeros = differences.wrapping_sub(ONES) & !differences & TOPS;
    (zeros != 0).then(|| zeros.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_byte_is_found_where_memchr_finds_it(
            byte in prop_oneof![Just(0), Just(1), Just(0x7f), Just(0x80), Just(0xff), Just(b';')],
            text in proptest::collection::vec(prop_oneof![0u8..3, 0x7eu8..0x82, 0xfeu8..=0xff, b':'..b'=', any::<u8>()], 0..80),
            from in 0usize..80,
        ) {
            let text = text.get(from..).unwrap_or(&text);
            prop_assert_eq!(find_near(byte, text), memchr::memchr(byte, text));
        }

        #[test]
        fn a_byte_that_is_there_once_is_found_at_any_place(before in 0usize..100, behind in 0usize..100) {
            let text = [vec![b'a'; before], vec![b';'], vec![b'a'; behind]].concat();
            prop_assert_eq!(find_near(b';', &text), Some(before));
            prop_assert_eq!(find_near(b'=', &text), None);
        }
    }
}
