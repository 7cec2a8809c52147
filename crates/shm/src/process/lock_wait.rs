//! How a process waits for a lock.

use std::time::{Duration, Instant};

use super::{OwnerId, ProcessSlot};
use crate::limits::SPINS;
use crate::robust_lock::WaitPolicy;

/// Spins [`SPINS`] times, then yields the CPU until `limit` has passed.
pub(crate) struct LockWait<F> {
    spins: u32,
    deadline: Option<Instant>,
    limit: Duration,
    slot_of: F,
}

impl<'a, F: Fn(OwnerId) -> &'a ProcessSlot> LockWait<F> {
    /// `slot_of` returns the process slot of an owner.
    #[inline]
    pub(crate) fn new(limit: Duration, slot_of: F) -> Self {
        Self { spins: 0, deadline: None, limit, slot_of }
    }
}

impl<'a, F: Fn(OwnerId) -> &'a ProcessSlot> WaitPolicy for LockWait<F> {
    fn wait(&mut self) -> bool {
        if self.spins < SPINS {
            self.spins += 1;
            std::hint::spin_loop();
            return true;
        }
        std::thread::yield_now();
        let now = Instant::now();
        now < *self.deadline.get_or_insert(now + self.limit)
    }

    fn is_dead(&mut self, owner: u32) -> bool {
        // A system call costs more than most waits, so the kernel is only asked about a slow holder.
        let ask_kernel = self.spins >= SPINS;
        OwnerId::from_word(owner)
            .is_some_and(|owner| (self.slot_of)(owner).is_dead(owner, ask_kernel))
    }
}
