//! A bit set of session numbers.

/// A set of small numbers, one bit each.
#[derive(Debug, Clone, Default)]
pub(super) struct Bits(Vec<u64>);

impl Bits {
    /// Adds a number.
    pub(super) fn insert(&mut self, n: u32) {
        let at = n as usize / 64;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        if let Some(word) = self.0.get_mut(at) {
            *word |= 1 << (n % 64);
        }
    }

    /// Whether it has a number.
    pub(super) fn has(&self, n: u32) -> bool {
        self.0.get(n as usize / 64).is_some_and(|word| word & (1 << (n % 64)) != 0)
    }
}
