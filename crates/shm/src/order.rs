//! The exact order of use of up to 16 ways, in one word: a permutation of nibbles, most recent lowest.

/// Way 0 most, way 15 least recently used.
const IDENTITY: u64 = 0xfedc_ba98_7654_3210;
const NIBBLES: u64 = 0x1111_1111_1111_1111;

/// A valid permutation in any state, since it is stored as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order(u64);

impl Order {
    /// As it lies in the set, where zero is the identity.
    #[inline]
    pub(crate) fn from_word(word: u64) -> Self {
        Self(word ^ IDENTITY)
    }

    /// The reverse of [`Order::from_word`].
    #[inline]
    pub(crate) fn word(self) -> u64 {
        self.0 ^ IDENTITY
    }

    /// `way` (0 to 15) is now the most recently used.
    #[inline]
    pub(crate) fn touch(self, way: u32) -> Self {
        let way = u64::from(way & 15);
        let differing = self.0 ^ way.wrapping_mul(NIBBLES);
        // The lowest flag marks the one nibble that is zero (flags above it may be borrows).
        let zero = differing.wrapping_sub(NIBBLES) & !differing & (NIBBLES << 3);
        let shift = zero.trailing_zeros() & 0x3c;
        let before = (1u64 << shift) - 1;
        let up_to = before << 4 | 0xf;
        Self(self.0 & !up_to | (self.0 & before) << 4 | way)
    }

    /// The least recently used of `among` (a bit a way); the least recently used of all for 0.
    #[inline]
    pub(crate) fn oldest(self, among: u32) -> u32 {
        (0..16)
            .rev()
            .map(|place| (self.0 >> (4 * place) & 15) as u32)
            .find(|way| among >> way & 1 == 1)
            .unwrap_or((self.0 >> 60) as u32)
    }

    /// Whether each way is in it once. For tests: nothing else can be stored.
    #[cfg(test)]
    pub(crate) fn is_permutation(self) -> bool {
        (0..16).map(|place| 1u32 << (self.0 >> (4 * place) & 15)).sum::<u32>() == 0xffff
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_list_with_move_to_front(touches in proptest::collection::vec(0..16u32, 0..200)) {
            let mut order = Order::from_word(0);
            let mut list: Vec<u32> = (0..16).collect();
            for way in touches {
                order = order.touch(way);
                list.retain(|other| *other != way);
                list.insert(0, way);
                prop_assert!(order.is_permutation());
                prop_assert_eq!(order.oldest(0), list[15]);
                prop_assert_eq!(order.oldest(0x5a5a), *list.iter().rfind(|way| 0x5a5a >> *way & 1 == 1).unwrap());
                prop_assert_eq!(Order::from_word(order.word()), order);
            }
        }
    }
}
