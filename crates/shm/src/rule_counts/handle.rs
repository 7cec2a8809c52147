//! One worker's access to the counts.

use std::cell::Cell;
use std::marker::PhantomData;

use super::layout::{CountSet, CountWorker};
use super::{CountWords, RuleCounts};
use crate::atomics::AtomicU32;
use crate::metrics::add;
use crate::process::{OwnerId, ProcessSlot};
use crate::robust_lock::RobustLock;
use crate::set_lock::{self, LockedSet, LockedSets, SetWorker};

/// A worker's handle of the counts, for its event loop. Not shared between threads.
pub struct RuleCountsHandle {
    counts: RuleCounts,
    owner: OwnerId,
    _not_sync: PhantomData<Cell<()>>,
}

impl RuleCountsHandle {
    pub(super) fn join(counts: RuleCounts, slot: u16, pid: u32) -> Self {
        let owner = set_lock::join(&counts, slot, pid);
        Self { counts, owner, _not_sync: PhantomData }
    }

    /// The counts.
    #[inline]
    pub fn counts(&self) -> &RuleCounts {
        &self.counts
    }

    /// Changes an entry under its lock, at `now_ms` (milliseconds since 1970); a missing entry starts with zeros.
    /// `change` must not panic. `None`: the lock was held for too long.
    pub fn update<R>(
        &self,
        key: u64,
        now_ms: u64,
        change: impl FnOnce(&mut CountWords) -> R,
    ) -> Option<R> {
        // 0 marks a free entry.
        let key = key.max(1);
        let set = self.lock(key)?;
        let found = set.find(key);
        let mut words = found.map_or_else(CountWords::default, |way| set.words(way));
        let result = change(&mut words);
        let way = found.unwrap_or_else(|| {
            let (way, evicts) = set.room(key, now_ms);
            let counters = &self.worker().counters;
            add(&counters.created, 1);
            add(&counters.evicted, u64::from(evicts));
            way
        });
        set.write(way, key, &words, now_ms);
        set.lock.release();
        Some(result)
    }

    /// Counts a denial that was not persisted at once.
    pub fn count_unwritten(&self) {
        add(&self.worker().counters.unwritten, 1);
    }

    #[inline]
    fn lock(&self, key: u64) -> Option<&CountSet> {
        let number = self.counts.number(key);
        self.counts.memory.set(number)?.prefetch(key);
        set_lock::acquire(&self.counts, self.owner, number)
    }

    #[inline]
    fn worker(&self) -> &CountWorker {
        self.counts.memory.worker(self.owner.slot())
    }
}

impl LockedSet for CountSet {
    #[inline]
    fn lock(&self) -> &RobustLock {
        &self.lock
    }

    fn repair(&self, multi_word: u32) -> u64 {
        self.repair(multi_word).into()
    }
}

impl SetWorker for CountWorker {
    #[inline]
    fn process(&self) -> &ProcessSlot {
        &self.process
    }

    #[inline]
    fn locked_set(&self) -> &AtomicU32 {
        &self.set
    }

    fn count_busy(&self) {
        add(&self.counters.lock_busy, 1);
    }

    fn count_repair(&self, lost: u64) {
        add(&self.counters.lost, lost);
    }
}

impl LockedSets for RuleCounts {
    type Set = CountSet;
    type Worker = CountWorker;

    #[inline]
    fn set(&self, number: u32) -> Option<&CountSet> {
        self.memory.set(number)
    }

    #[inline]
    fn worker(&self, slot: u16) -> &CountWorker {
        self.memory.worker(slot)
    }
}
