//! One worker's access to the counts.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;

use super::layout::{CountSet, CountWorker};
use super::{CountWords, RuleCounts};
use crate::limits::SET_LOCK_WAIT;
use crate::metrics::add;
use crate::process::{LockWait, OwnerId};
use crate::robust_lock::Acquired;

/// A worker's handle of the counts: one for its event loop, not shared between threads.
pub struct RuleCountsHandle {
    counts: RuleCounts,
    owner: OwnerId,
    _not_sync: PhantomData<Cell<()>>,
}

impl RuleCountsHandle {
    pub(super) fn join(counts: RuleCounts, slot: u16, pid: u32) -> Self {
        let worker = counts.memory.worker(slot);
        let owner = worker.process.register(slot % crate::limits::MAX_PROCESSES, pid);
        let handle = Self { counts, owner, _not_sync: PhantomData };
        // The slot's previous process is dead. It recorded the only set that it can have left locked.
        if let Some(set) = worker.set.load(Ordering::Relaxed).checked_sub(1)
            && let Some(set) = counts.memory.set(set)
            && let Some(dead) = OwnerId::from_word(set.lock.owner())
            && dead.slot() == owner.slot()
            && dead != owner
            && let Some(acquired) = set.lock.take_over(dead.word(), owner.word())
        {
            handle.repair(set, acquired);
            set.lock.release();
        }
        handle
    }

    /// The counts.
    #[inline]
    pub fn counts(&self) -> &RuleCounts {
        &self.counts
    }

    /// Changes an entry under its lock, at `now_ms` (milliseconds since 1970); where there is none, one of zeros.
    /// `change` must not panic. `None`: the lock was held for too long.
    pub fn update<R>(
        &self,
        key: u64,
        now_ms: u64,
        change: impl FnOnce(&mut CountWords) -> R,
    ) -> Option<R> {
        // A key of 0 stands for none.
        let key = key.max(1);
        let set = self.lock(key)?;
        let found = set.find(key);
        let mut words = found.map_or_else(CountWords::default, |way| set.words(way));
        let result = change(&mut words);
        let way = found.unwrap_or_else(|| {
            let (way, evicts) = set.room(now_ms);
            let counters = &self.worker().counters;
            add(&counters.created, 1);
            add(&counters.evicted, u64::from(evicts));
            way
        });
        set.write(way, key, &words, now_ms);
        set.lock.release();
        Some(result)
    }

    /// Counts a denial that was not written down at once.
    pub fn count_unwritten(&self) {
        add(&self.worker().counters.unwritten, 1);
    }

    #[inline]
    fn lock(&self, key: u64) -> Option<&CountSet> {
        let number = self.counts.number(key);
        let set = self.counts.memory.set(number)?;
        // Before the lock: the next process in this slot must find the set whenever this one dies.
        self.worker().set.store(number + 1, Ordering::Release);
        if set.lock.try_acquire(self.owner.word()) { Some(set) } else { self.wait_for(set) }
    }

    #[cold]
    fn wait_for<'s>(&self, set: &'s CountSet) -> Option<&'s CountSet> {
        let slot_of = |owner: OwnerId| &self.counts.memory.worker(owner.slot()).process;
        let mut policy = LockWait::new(SET_LOCK_WAIT, slot_of);
        match set.lock.acquire(self.owner.word(), &mut policy) {
            Some(acquired) => self.repair(set, acquired),
            None => {
                add(&self.worker().counters.lock_busy, 1);
                return None;
            }
        }
        Some(set)
    }

    #[cold]
    fn repair(&self, set: &CountSet, acquired: Acquired) {
        if let Acquired::OwnerDied { multi_word } = acquired {
            let lost = set.repair(multi_word);
            add(&self.worker().counters.lost, u64::from(lost));
        }
    }

    #[inline]
    fn worker(&self) -> &CountWorker {
        self.counts.memory.worker(self.owner.slot())
    }
}
