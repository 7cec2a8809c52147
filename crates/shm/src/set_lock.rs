//! The lock of one of many sets, as a worker takes it: session table, links and counts of rules alike.
//!
//! A worker notes which set it locks before it does, so that the next process in its slot finds the only set that
//! it can have left locked.

use std::sync::atomic::Ordering;

use crate::atomics::AtomicU32;
use crate::limits::{MAX_PROCESSES, SET_LOCK_WAIT};
use crate::process::{LockWait, OwnerId, ProcessSlot};
use crate::robust_lock::{Acquired, RobustLock};

/// Entries under one lock.
pub(crate) trait LockedSet {
    fn lock(&self) -> &RobustLock;
    /// After the death of an owner that noted `multi_word`: how many entries are lost.
    fn repair(&self, multi_word: u32) -> u64;
}

/// What a process slot has in such a structure.
pub(crate) trait SetWorker {
    fn process(&self) -> &ProcessSlot;
    /// Set whose lock the process owns, waits for or last owned, plus 1.
    fn locked_set(&self) -> &AtomicU32;
    /// A lock was held for too long.
    fn count_busy(&self);
    /// A set was repaired.
    fn count_repair(&self, lost: u64);
}

/// A structure that consists of such sets.
pub(crate) trait LockedSets {
    type Set: LockedSet;
    type Worker: SetWorker;
    fn set(&self, number: u32) -> Option<&Self::Set>;
    /// Of a slot below [`MAX_PROCESSES`].
    fn worker(&self, slot: u16) -> &Self::Worker;
}

/// A process takes its slot: repairs what the slot's previous process, which is dead, has left locked.
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

/// Acquires the lock of a set. `None`, and counted: it was held for too long.
#[inline]
pub(crate) fn acquire<S: LockedSets>(sets: &S, owner: OwnerId, number: u32) -> Option<&S::Set> {
    let set = sets.set(number)?;
    // Before the lock: the next process in this slot must find the set whenever this one dies.
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
