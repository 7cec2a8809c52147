//! The exact order of use of 16 ways in one word: a permutation of nibbles, most recently used lowest.

/// Way 0 most, way 15 least recently used.
const IDENTITY: u64 = 0xfedc_ba98_7654_3210;
const NIBBLES: u64 = 0x1111_1111_1111_1111;

/// A single word, so that neither a reader nor a process that takes over the lock finds an invalid permutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LruOrder(u64);

impl LruOrder {
    /// From the word in a set, where zero stands for the identity.
    #[inline]
    pub(super) fn from_word(word: u64) -> Self {
        Self(word ^ IDENTITY)
    }

    /// Inverse of [`LruOrder::from_word`].
    #[inline]
    pub(super) fn word(self) -> u64 {
        self.0 ^ IDENTITY
    }

    /// Makes `way` (0 to 15) the most recently used.
    #[inline]
    pub(super) fn touch(self, way: u32) -> Self {
        let way = u64::from(way & 15);
        let differing = self.0 ^ way.wrapping_mul(NIBBLES);
        // The lowest flag marks the only zero nibble; flags above it may be borrows.
        let zero = differing.wrapping_sub(NIBBLES) & !differing & (NIBBLES << 3);
        let shift = zero.trailing_zeros() & 0x3c;
        let before = (1u64 << shift) - 1;
        let up_to = before << 4 | 0xf;
        Self(self.0 & !up_to | (self.0 & before) << 4 | way)
    }

    /// The least recently used way in the bit mask `among`; 0: of all ways.
    #[inline]
    pub(super) fn oldest(self, among: u32) -> u32 {
        (0..16)
            .rev()
            .map(|nibble| (self.0 >> (4 * nibble) & 15) as u32)
            .find(|way| among >> way & 1 == 1)
            .unwrap_or((self.0 >> 60) as u32)
    }

    /// Whether it contains each way exactly once.
    #[cfg(test)]
    pub(crate) fn is_permutation(self) -> bool {
        (0..16).map(|nibble| 1u32 << (self.0 >> (4 * nibble) & 15)).sum::<u32>() == 0xffff
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(crate::testing::proptest_config())]

        #[test]
        fn it_is_a_list_with_move_to_front(touches in proptest::collection::vec(0..16u32, 0..if cfg!(miri) { 20 } else { 200 })) {
            let mut order = LruOrder::from_word(0);
            let mut list: Vec<u32> = (0..16).collect();
            for way in touches {
                order = order.touch(way);
                list.retain(|other| *other != way);
                list.insert(0, way);
                prop_assert!(order.is_permutation());
                prop_assert_eq!(order.oldest(0), list[15]);
                prop_assert_eq!(order.oldest(0x5a5a), *list.iter().rfind(|way| 0x5a5a >> *way & 1 == 1).unwrap());
                prop_assert_eq!(LruOrder::from_word(order.word()), order);
            }
        }
    }
}
