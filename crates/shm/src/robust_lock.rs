//! A spin lock that survives the death of its owner (a robust mutex), with a sequence counter for readers that do not
//! lock.
//!
//! The lock word is 0 or the owner's id ([`crate::process::OwnerId`]). A process that finds the owner dead takes over
//! the lock with one compare-and-swap, so exactly one process repairs the data and nobody else sees the damage. The
//! repair knows what to do: before stores that are only valid together, the owner notes what it changes
//! ([`RobustLock::begin_multi_word`]); any other store leaves a valid state by itself.
//!
//! The sequence counter is odd during a change. A reader that sees an odd counter, or one that changed while it read,
//! reads again (a seqlock). All data are atomics, so a race costs a retry and is never undefined behaviour.

use super::atomics::{AtomicU32, Ordering, fence, spin_loop};

/// Owner, sequence counter, and a note of the change in progress. All zero is a free lock.
#[repr(C)]
pub(crate) struct RobustLock {
    owner: AtomicU32,
    sequence: AtomicU32,
    multi_word: AtomicU32,
}

/// How to wait for a lock, and how to recognise a dead owner.
pub(crate) trait WaitPolicy {
    /// Waits a little. `false`: give up.
    fn wait(&mut self) -> bool;
    /// Whether the process `owner` is known to be dead.
    fn is_dead(&mut self, owner: u32) -> bool;
}

/// How a lock was acquired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// The lock was free.
    Free,
    /// The owner was dead. The caller repairs what the note names, then calls [`RobustLock::make_consistent`].
    OwnerDied {
        /// Argument of [`RobustLock::begin_multi_word`]; 0: nothing needs repair.
        multi_word: u32,
    },
}

impl RobustLock {
    /// A free lock, for the model checker. In shared memory, zeros are a free lock.
    #[cfg(test)]
    #[allow(dead_code)]
    pub(crate) fn new() -> Self {
        Self {
            owner: AtomicU32::new(0),
            sequence: AtomicU32::new(0),
            multi_word: AtomicU32::new(0),
        }
    }

    /// Acquires the lock if it is free.
    #[inline]
    pub(crate) fn try_acquire(&self, owner: u32) -> bool {
        self.swap(0, owner).is_ok()
    }

    /// Acquires the lock. `None`: `policy` gave up.
    pub(crate) fn acquire(&self, owner: u32, policy: &mut impl WaitPolicy) -> Option<Acquired> {
        loop {
            match self.swap(0, owner) {
                Ok(_) => return Some(Acquired::Free),
                Err(holder) if policy.is_dead(holder) => {
                    if let Some(acquired) = self.take_over(holder, owner) {
                        return Some(acquired);
                    }
                }
                Err(_) => {}
            }
            if !policy.wait() {
                return None;
            }
        }
    }

    /// Acquires the lock from `dead`, whose death the caller has proved. `None`: `dead` does not own it.
    pub(crate) fn take_over(&self, dead: u32, owner: u32) -> Option<Acquired> {
        self.swap(dead, owner)
            .ok()
            .map(|_| Acquired::OwnerDied { multi_word: self.multi_word.load(Ordering::Relaxed) })
    }

    /// The exchange releases the new owner's id, and acquires even if it fails: a process registers before it locks,
    /// and whoever sees it as the owner must also see that registration. Otherwise a living owner could pass for dead.
    #[inline]
    fn swap(&self, from: u32, to: u32) -> Result<u32, u32> {
        self.owner.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// The owner; 0: the lock is free.
    pub(crate) fn owner(&self) -> u32 {
        self.owner.load(Ordering::Acquire)
    }

    /// Completes a repair and lets readers see the repaired state.
    pub(crate) fn make_consistent(&self) {
        // A repair is a change: readers that started before it must read again.
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.end_multi_word();
        self.sequence.store((sequence | 1).wrapping_add(1), Ordering::Release);
    }

    /// Makes readers retry until [`RobustLock::end_change`]. Owner only.
    #[inline]
    pub(crate) fn begin_change(&self) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store(sequence | 1, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// Publishes the change to readers. Owner only.
    #[inline]
    pub(crate) fn end_change(&self) {
        let sequence = self.sequence.load(Ordering::Relaxed);
        self.sequence.store((sequence | 1).wrapping_add(1), Ordering::Release);
    }

    /// Notes that the stores up to [`RobustLock::end_multi_word`] are valid only together. `what` is not 0.
    /// Owner only.
    #[inline]
    pub(crate) fn begin_multi_word(&self, what: u32) {
        self.multi_word.store(what, Ordering::Relaxed);
        // Orders the note before the stores: whoever takes over after any of them sees the note.
        fence(Ordering::Release);
    }

    /// Clears the note: the stores are complete. Owner only.
    #[inline]
    pub(crate) fn end_multi_word(&self) {
        self.multi_word.store(0, Ordering::Release);
    }

    /// Releases the lock. Owner only.
    #[inline]
    pub(crate) fn release(&self) {
        self.owner.store(0, Ordering::Release);
    }

    /// Reads without the lock, at most `attempts` times. `None`: the data changed during every attempt.
    #[inline]
    pub(crate) fn read<T>(&self, attempts: u32, mut read: impl FnMut() -> T) -> Option<T> {
        for _ in 0..attempts {
            let before = self.sequence.load(Ordering::Acquire);
            if before & 1 == 0 {
                let value = read();
                fence(Ordering::Acquire);
                if self.sequence.load(Ordering::Relaxed) == before {
                    return Some(value);
                }
            }
            spin_loop();
        }
        None
    }
}
