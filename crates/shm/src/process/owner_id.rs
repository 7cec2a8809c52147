//! Identity of a process, as stored in a lock word.

use crate::limits::MAX_PROCESSES;

const SLOT_BITS: u32 = MAX_PROCESSES.trailing_zeros();
/// Epochs count from 1 to this value, then start again at 1.
pub(super) const EPOCH_MAX: u32 = (1 << (32 - SLOT_BITS)) - 1;

/// Process slot and epoch in one word that is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OwnerId(u32);

impl OwnerId {
    pub(super) fn new(slot: u16, epoch: u32) -> Self {
        Self(epoch << SLOT_BITS | u32::from(slot % MAX_PROCESSES))
    }

    /// The owner in a lock word. `None`: no owner.
    #[inline]
    pub(crate) fn from_word(word: u32) -> Option<Self> {
        (word != 0).then_some(Self(word))
    }

    /// Inverse of [`OwnerId::from_word`].
    #[inline]
    pub(crate) fn word(self) -> u32 {
        self.0
    }

    /// The process slot, below [`MAX_PROCESSES`].
    #[inline]
    pub(crate) fn slot(self) -> u16 {
        (self.0 & (u32::from(MAX_PROCESSES) - 1)) as u16
    }

    pub(super) fn epoch(self) -> u32 {
        self.0 >> SLOT_BITS
    }
}
