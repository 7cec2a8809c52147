//! How a worker takes the lock of one set among many; shared by session table, links and rule counts.
//!
//! A worker notes which set it is about to lock. The next process in its slot thereby finds the only set that it can
//! have left locked.

use std::sync::atomic::Ordering;

use crate::atomics::AtomicU32;
use crate::limits::{MAX_PROCESSES, SET_LOCK_WAIT};
use crate::process::{LockWait, OwnerId, ProcessSlot};
use crate::robust_lock::{Acquired, RobustLock};

/// Entries under one lock.
pub(crate) trait LockedSet {
    fn lock(&self) -> &RobustLock;
    /// Repairs the set after the death of an owner that noted `multi_word`. Returns the number of entries lost.
    fn repair(&self, multi_word: u32) -> u64;
}

/// What such a structure keeps for each process slot.
pub(crate) trait SetWorker {
    fn process(&self) -> &ProcessSlot;
    /// Set whose lock the process owns, waits for or last owned, plus 1.
    fn locked_set(&self) -> &AtomicU32;
    /// Counts a lock that was held for too long.
    fn count_busy(&self);
    /// Counts a repaired set, and the entries lost in it.
    fn count_repair(&self, lost: u64);
}

/// A structure that consists of such sets.
pub(crate) trait LockedSets {
    type Set: LockedSet;
    type Worker: SetWorker;
    fn set(&self, number: u32) -> Option<&Self::Set>;
    /// The worker in a slot below [`MAX_PROCESSES`].
    fn worker(&self, slot: u16) -> &Self::Worker;
}

/// Registers a process in its slot and repairs the set that the slot's previous process, which is dead, left locked.
pub(crate) fn join<S: LockedSets>(sets: &S, slot: u16, pid: u32) -> OwnerId {
    let slot = slot % MAX_PROCESSES;
    let worker = sets.worker(slot);
    let owner = worker.process().register(slot, pid);
    if let Some(number) = worker.locked_set().load(Ordering::Relaxed).checked_sub(1)
        && let Some(set) = sets.set(number)
        && let Some(dead) = OwnerId::from_word(set.lock().owner())
        && dead.slot() == slot
        && dead != owner
        && let Some(acquired) = set.lock().take_over(dead.word(), owner.word())
    {
        repair(worker, set, acquired);
        set.lock().release();
    }
    owner
}

/// Acquires the lock of a set. `None`: there is no such set, or the lock was held for too long, which is counted.
#[inline]
pub(crate) fn acquire<S: LockedSets>(sets: &S, owner: OwnerId, number: u32) -> Option<&S::Set> {
    let set = sets.set(number)?;
    // Stored before the lock is taken: wherever this process dies, the next one in its slot must find the set.
    sets.worker(owner.slot()).locked_set().store(number + 1, Ordering::Release);
    if set.lock().try_acquire(owner.word()) { Some(set) } else { wait_for(sets, owner, set) }
}

#[cold]
fn wait_for<'s, S: LockedSets>(sets: &'s S, owner: OwnerId, set: &'s S::Set) -> Option<&'s S::Set> {
    let slot_of = |owner: OwnerId| sets.worker(owner.slot()).process();
    let mut policy = LockWait::new(SET_LOCK_WAIT, slot_of);
    let worker = sets.worker(owner.slot());
    match set.lock().acquire(owner.word(), &mut policy) {
        Some(acquired) => repair(worker, set, acquired),
        None => {
            worker.count_busy();
            return None;
        }
    }
    Some(set)
}

#[cold]
fn repair(worker: &impl SetWorker, set: &impl LockedSet, acquired: Acquired) {
    if let Acquired::OwnerDied { multi_word } = acquired {
        worker.count_repair(set.repair(multi_word));
    }
}
