//! Bitmaps of taken cells and text units. Only the owner of the lock writes them.

use std::sync::atomic::{AtomicU64, Ordering};

const WORD: usize = u64::BITS as usize;

/// Number of bits set.
pub(super) fn count(bits: &[AtomicU64]) -> u64 {
    bits.iter().map(|word| u64::from(word.load(Ordering::Relaxed).count_ones())).sum()
}

pub(super) fn is_set(bits: &[AtomicU64], bit: usize) -> bool {
    let word = bits.get(bit / WORD).map_or(0, |word| word.load(Ordering::Relaxed));
    word >> (bit % WORD) & 1 == 1
}

/// Sets or clears the `count` bits from `first`.
pub(super) fn set(bits: &[AtomicU64], first: usize, count: usize, to: bool) {
    for bit in first..first.saturating_add(count) {
        let Some(word) = bits.get(bit / WORD) else { return };
        let old = word.load(Ordering::Relaxed);
        let mask = 1 << (bit % WORD);
        word.store(if to { old | mask } else { old & !mask }, Ordering::Relaxed);
    }
}

/// First of `count` consecutive clear bits, searched from `from` to the end, then from the start.
pub(super) fn find_clear(bits: &[AtomicU64], count: usize, from: usize) -> Option<usize> {
    let end = bits.len() * WORD;
    let from = if from < end { from } else { 0 };
    find_between(bits, count, from, end).or_else(|| find_between(bits, count, 0, end))
}

fn find_between(bits: &[AtomicU64], count: usize, from: usize, end: usize) -> Option<usize> {
    let (mut bit, mut run) = (from, 0);
    while bit < end {
        let word = bits.get(bit / WORD)?.load(Ordering::Relaxed);
        let rest = word >> (bit % WORD);
        if rest == 0 {
            // Clear to the end of the word.
            run += WORD - bit % WORD;
            bit += WORD - bit % WORD;
        } else {
            let clear = rest.trailing_zeros() as usize;
            run += clear;
            bit += clear;
            if run < count {
                bit += (rest >> clear).trailing_ones() as usize;
                run = 0;
                continue;
            }
        }
        if run >= count {
            return Some(bit - run);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::proptest_config())]

        #[test]
        fn a_run_of_clear_bits_is_found_if_there_is_one(
            words in proptest::collection::vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], 1..4),
            count in 1usize..70,
            from in 0usize..300,
        ) {
            let bits: Vec<_> = words.into_iter().map(AtomicU64::new).collect();
            let clear: Vec<bool> = (0..bits.len() * WORD).map(|bit| !is_set(&bits, bit)).collect();
            let fits = |first: usize| clear.get(first..first + count).is_some_and(|run| run.iter().all(|is| *is));
            match find_clear(&bits, count, from) {
                Some(first) => {
                    prop_assert!(fits(first));
                    let taken = super::count(&bits);
                    set(&bits, first, count, true);
                    prop_assert_eq!(super::count(&bits), taken + count as u64);
                }
                None => prop_assert!(!(0..clear.len()).any(fits)),
            }
        }
    }
}
