//! A lock that survives its holder, with a version for readers that do not lock.
//!
//! The lock word is 0 or the holder's token ([`super::owner::Token`]). Whoever finds the holder dead
//! takes the word over with one compare-and-swap, so that one process repairs and nobody else sees
//! half of it. What is to be repaired is known: before a holder starts a change that only makes
//! sense as a whole, it notes what it changes ([`SetLock::begin_whole`]); everything else is written
//! so that each single store leaves a valid state.
//!
//! Readers take no lock: the version is odd during a change, and a reader that saw an odd or a
//! changed version reads again (a seqlock; all data are atomics, so a race is a retry, never
//! undefined behaviour).

use super::atomics::{AtomicU32, Ordering, fence, spin_loop};

/// Lock word, version, and a note of the change under way. All zero is a valid, free lock.
#[repr(C)]
pub(crate) struct SetLock {
    word: AtomicU32,
    version: AtomicU32,
    whole: AtomicU32,
}

/// How a waiter waits, and what it knows about the holder.
pub(crate) trait Patience {
    /// Waits a little. `false`: waited long enough.
    fn wait(&mut self) -> bool;
    /// Whether the process behind `token` is known to be dead.
    fn is_dead(&mut self, token: u32) -> bool;
}

/// How the lock was got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// It was free, or became so.
    Free,
    /// The holder died. Repair what the note names (0: nothing), then call [`SetLock::repaired`].
    FromDead {
        /// The value given to [`SetLock::begin_whole`] by the dead holder.
        whole: u32,
    },
}

impl SetLock {
    /// A free lock, for the model checker; in the zone it is made of zeros.
    #[cfg(test)]
    #[allow(dead_code)]
    pub(crate) fn new() -> Self {
        Self { word: AtomicU32::new(0), version: AtomicU32::new(0), whole: AtomicU32::new(0) }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(crate) fn try_acquire(&self, token: u32) -> bool {
        self.swap(0, token).is_ok()
    }

    /// Takes the lock, or gives up when `patience` ends.
    pub(crate) fn acquire(&self, token: u32, patience: &mut impl Patience) -> Option<Acquired> {
        loop {
            match self.swap(0, token) {
                Ok(_) => return Some(Acquired::Free),
                Err(holder) if patience.is_dead(holder) => {
                    if let Some(taken) = self.take_over(holder, token) {
                        return Some(taken);
                    }
                }
                Err(_) => {}
            }
            if !patience.wait() {
                return None;
            }
        }
    }

    /// Takes the lock from `dead`, which the caller has proof is dead. `None`: it does not hold it.
    pub(crate) fn take_over(&self, dead: u32, token: u32) -> Option<Acquired> {
        self.swap(dead, token)
            .ok()
            .map(|_| Acquired::FromDead { whole: self.whole.load(Ordering::Relaxed) })
    }

    /// Whoever sees a token must also see the life that its process began before: else a living
    /// holder passes for dead. So a token is released, and acquired by those who fail.
    #[inline]
    fn swap(&self, from: u32, to: u32) -> Result<u32, u32> {
        self.word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
    }

    /// The holder's token; 0 where the lock is free.
    pub(crate) fn holder(&self) -> u32 {
        self.word.load(Ordering::Acquire)
    }

    /// Ends a repair: readers see the repaired state.
    pub(crate) fn repaired(&self) {
        // A repair is itself a change: readers that started before it must read again.
        let version = self.version.load(Ordering::Relaxed);
        self.end_whole();
        self.version.store((version | 1).wrapping_add(1), Ordering::Release);
    }

    /// Tells readers that a change begins. Holder only.
    #[inline]
    pub(crate) fn begin_change(&self) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version | 1, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// Tells readers that the change is done. Holder only.
    #[inline]
    pub(crate) fn end_change(&self) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store((version | 1).wrapping_add(1), Ordering::Release);
    }

    /// Notes that the stores from here to [`SetLock::end_whole`] make sense only together. `what` is
    /// not 0. Holder only.
    #[inline]
    pub(crate) fn begin_whole(&self, what: u32) {
        self.whole.store(what, Ordering::Relaxed);
        // The note is written before the change it announces.
        fence(Ordering::Release);
    }

    /// The change is whole. Holder only.
    #[inline]
    pub(crate) fn end_whole(&self) {
        self.whole.store(0, Ordering::Release);
    }

    /// Gives the lock back. Holder only.
    #[inline]
    pub(crate) fn release(&self) {
        self.word.store(0, Ordering::Release);
    }

    /// Reads without the lock, at most `tries` times. `None`: a change was always under way.
    #[inline]
    pub(crate) fn read<T>(&self, tries: u32, mut read: impl FnMut() -> T) -> Option<T> {
        for _ in 0..tries {
            let before = self.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                let value = read();
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return Some(value);
                }
            }
            spin_loop();
        }
        None
    }
}
