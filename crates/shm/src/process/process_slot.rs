//! The process registered in a slot.

use std::sync::atomic::{AtomicU64, Ordering};

use super::owner_id::{EPOCH_MAX, OwnerId};
use super::process_exists;
use crate::limits::MAX_PROCESSES;

/// Epoch and process id in one word, so that they always match. 0: the slot was never used.
#[repr(transparent)]
pub(crate) struct ProcessSlot(AtomicU64);

impl ProcessSlot {
    /// Registers a new process in this slot, whose number is `slot`.
    pub(crate) fn register(&self, slot: u16, pid: u32) -> OwnerId {
        let epoch = match (self.0.load(Ordering::Acquire) >> 32) as u32 {
            EPOCH_MAX.. => 1,
            epoch => epoch + 1,
        };
        self.0.store(u64::from(epoch) << 32 | u64::from(pid), Ordering::Release);
        OwnerId::new(slot, epoch)
    }

    /// Whether the process registered last still runs.
    pub(crate) fn is_alive(&self) -> bool {
        let word = self.0.load(Ordering::Acquire);
        word != 0 && process_exists(word as u32)
    }

    /// Whether `owner`, a process of this slot, is known to be dead: the slot was reused or, with `ask_kernel` (a
    /// system call), its process id does not exist.
    pub(crate) fn is_dead(&self, owner: OwnerId, ask_kernel: bool) -> bool {
        let word = self.0.load(Ordering::Acquire);
        (word >> 32) as u32 != owner.epoch() || (ask_kernel && !process_exists(word as u32))
    }
}

/// One slot for each process that NGINX can run.
#[repr(transparent)]
pub(crate) struct ProcessSlots([ProcessSlot; MAX_PROCESSES as usize]);

impl ProcessSlots {
    /// Registers the process in slot `slot` (its `ngx_process_slot`).
    pub(crate) fn register(&self, slot: u16, pid: u32) -> OwnerId {
        let slot = slot % MAX_PROCESSES;
        self.0[usize::from(slot)].register(slot, pid)
    }

    /// The slot of `owner`.
    #[inline]
    pub(crate) fn of(&self, owner: OwnerId) -> &ProcessSlot {
        &self.0[usize::from(owner.slot())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_id_is_never_zero_and_contains_its_slot() {
        let slot = ProcessSlot(AtomicU64::new(0));
        assert_eq!(slot.register(0, 1).word(), u32::from(MAX_PROCESSES));
        slot.0.store(u64::from(EPOCH_MAX) << 32, Ordering::Relaxed);
        let owner = slot.register(MAX_PROCESSES - 1, 1);
        assert_ne!(owner.word(), 0);
        assert_eq!((owner.slot(), owner.epoch()), (MAX_PROCESSES - 1, 1));
        assert_eq!(OwnerId::from_word(owner.word()), Some(owner));
        assert_eq!(OwnerId::from_word(0), None);
    }

    #[test]
    fn the_next_process_in_a_slot_proves_the_death_of_the_last() {
        let slot = ProcessSlot(AtomicU64::new(0));
        let first = slot.register(3, std::process::id());
        assert!(!slot.is_dead(first, false));
        let second = slot.register(3, std::process::id());
        assert!(slot.is_dead(first, false));
        assert!(!slot.is_dead(second, false));
    }

    #[test]
    fn the_kernel_tells_the_living_from_the_dead() {
        let slot = ProcessSlot(AtomicU64::new(0));
        let owner = slot.register(3, std::process::id());
        assert!(!slot.is_dead(owner, true));
        let owner = slot.register(3, i32::MAX as u32);
        assert!(slot.is_dead(owner, true));
    }
}
