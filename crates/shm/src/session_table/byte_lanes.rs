//! One byte per way, in two words that are compared all at once.

use std::sync::atomic::{AtomicU64, Ordering};

/// A mask with a bit for each way whose byte is `byte`.
#[inline]
pub(super) fn equal(bytes: &[AtomicU64; 2], byte: u8) -> u32 {
    equal_in([bytes[0].load(Ordering::Relaxed), bytes[1].load(Ordering::Relaxed)], byte)
}

/// One SSE2 comparison and one mask extraction.
#[cfg(target_arch = "x86_64")]
#[inline]
fn equal_in(words: [u64; 2], byte: u8) -> u32 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set_epi64x, _mm_set1_epi8};
    // SAFETY: the intrinsics need SSE2, which is part of x86-64.
    unsafe {
        let lanes = _mm_set_epi64x(words[1] as i64, words[0] as i64);
        _mm_movemask_epi8(_mm_cmpeq_epi8(lanes, _mm_set1_epi8(byte as i8))) as u32
    }
}

/// Eight bytes at a time in general-purpose registers.
#[cfg(any(not(target_arch = "x86_64"), test))]
mod portable {
    const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const ONES: u64 = 0x0101_0101_0101_0101;

    pub(super) fn equal_in(words: [u64; 2], byte: u8) -> u32 {
        half(words[0], byte) | half(words[1], byte) << 8
    }

    fn half(word: u64, byte: u8) -> u32 {
        let differing = word ^ (ONES * u64::from(byte));
        // The high bit of each zero byte, and no other bit.
        let zero = !(((differing & LOW_BITS) + LOW_BITS) | differing | LOW_BITS);
        // Gathers the eight high bits into the top byte.
        ((zero >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
    }
}
#[cfg(not(target_arch = "x86_64"))]
use portable::equal_in;

/// Sets the byte of `way` (0 to 15). Only for the owner of the set's lock.
#[inline]
pub(super) fn put(bytes: &[AtomicU64; 2], way: u32, byte: u8) {
    let word = &bytes[usize::from(way & 8 != 0)];
    let shift = (way & 7) * 8;
    let old = word.load(Ordering::Relaxed);
    let new = old & !(0xff << shift) | u64::from(byte) << shift;
    if new != old {
        word.store(new, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::proptest_config())]

        #[test]
        fn exactly_the_equal_bytes_are_found(
            wanted in prop_oneof![Just(0u8), Just(1), Just(0x80), Just(0xff)],
            lanes in proptest::array::uniform16(prop_oneof![Just(0u8), Just(1), Just(0x7f), Just(0x80), Just(0x81), Just(0xff), any::<u8>()]),
        ) {
            let bytes = [AtomicU64::new(u64::MAX), AtomicU64::new(0)];
            for (way, byte) in lanes.iter().enumerate() {
                put(&bytes, way as u32, *byte);
            }
            let expected = lanes.iter().enumerate().filter(|(_, byte)| **byte == wanted).map(|(way, _)| 1u32 << way).sum::<u32>();
            prop_assert_eq!(equal(&bytes, wanted), expected);
            let words = bytes.map(|word| word.into_inner());
            prop_assert_eq!(portable::equal_in(words, wanted), expected);
        }
    }
}
