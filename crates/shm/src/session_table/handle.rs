//! One worker's access to the table.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;

use api_sessions_protocol::SessionId;

use super::SessionTable;
use super::layout::{Set, WorkerSlot};
use super::request::{Change, RequestEnd, RequestStart};
use super::set::{EvictionKind, SlotRef};
use super::snapshot::SessionCounters;
use super::stats::OpenCounts;
use crate::atomics::AtomicU32;
use crate::limits::MAX_PROCESSES;
use crate::metrics::add;
use crate::process::{OwnerId, ProcessSlot};
use crate::robust_lock::RobustLock;
use crate::set_lock::{self, LockedSet, LockedSets, SetWorker};

/// A worker's handle of the table, for its event loop. Not shared between threads.
pub struct TableHandle {
    table: SessionTable,
    owner: OwnerId,
    _not_sync: PhantomData<Cell<()>>,
}

impl TableHandle {
    pub(super) fn join(table: SessionTable, slot: u16, pid: u32) -> Self {
        let slot = slot % MAX_PROCESSES;
        let worker = table.worker(slot);
        worker.open.store(0, Ordering::Relaxed);
        let owner = set_lock::join(&table, slot, pid);
        Self { table, owner, _not_sync: PhantomData }
    }

    /// Publishes how many requests of this process have been open for a while.
    pub fn set_open(&self, counts: &OpenCounts) {
        self.worker().open.store(counts.to_word(), Ordering::Relaxed);
    }

    /// Counts a request that was cut because its session was denied.
    pub fn count_cut(&self) {
        add(&self.worker().counters.cut, 1);
    }

    /// The table.
    pub fn table(&self) -> SessionTable {
        self.table
    }

    /// Counts a request that arrived at `now_ms` (milliseconds since 1970). If there is no session, or it has been idle
    /// for too long, it starts with this request. Returns the session's counters including the request. `None`: the set
    /// stayed locked for [`crate::SET_LOCK_WAIT`], and the request is not counted.
    pub fn count(
        &self,
        id: SessionId,
        now_ms: u64,
        start: &RequestStart,
    ) -> Option<SessionCounters> {
        self.update(id, now_ms, &Change { start, end: None })
    }

    /// Adds the outcome of a request that ended at `now_ms` (milliseconds since 1970). Returns the same as
    /// [`TableHandle::count`].
    pub fn record_outcome(
        &self,
        id: SessionId,
        now_ms: u64,
        end: &RequestEnd<'_>,
    ) -> Option<SessionCounters> {
        let counters = &self.worker().counters;
        if end.attacks > 0 {
            add(&counters.malicious, 1);
            add(&counters.detected, u64::from(end.detected));
        }
        if end.denied {
            add(&counters.denied, 1);
        }
        self.update(id, now_ms, &Change { start: &end.arrival, end: Some(end) })
    }

    /// Counts a request whose session was found by a cookie that it sent more than once.
    pub fn count_duplicate_cookie(&self) {
        add(&self.worker().counters.duplicate_cookies, 1);
    }

    /// Counts a value that was requested while it was being computed.
    pub fn count_reentry(&self) {
        add(&self.worker().counters.reentries, 1);
    }

    /// Counts a body that a key or parameter did not read because of its media type.
    pub fn count_unread_type(&self) {
        add(&self.worker().counters.unread_type, 1);
    }

    /// Counts a body that a key or parameter did not read because of its content encoding.
    pub fn count_unread_encoding(&self) {
        add(&self.worker().counters.unread_encoding, 1);
    }

    /// Counts a body that a key or parameter did not read because of its size.
    pub fn count_unread_size(&self) {
        add(&self.worker().counters.unread_size, 1);
    }

    /// Counts a body that a key or parameter did not read because of its syntax.
    pub fn count_unread_syntax(&self) {
        self.table.memory.header().unread_syntax.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a body of which the detectors did not see the end.
    pub fn count_undetected_size(&self) {
        add(&self.worker().counters.undetected_size, 1);
    }

    /// Counts a body that the detectors could not read because of its content encoding.
    pub fn count_undetected_encoding(&self) {
        add(&self.worker().counters.undetected_encoding, 1);
    }

    /// Counts a request with more or longer values than the detectors look at.
    pub fn count_undetected_values(&self) {
        add(&self.worker().counters.undetected_values, 1);
    }

    /// Counts a request with a value that a detector gave up on.
    pub fn count_undetected_steps(&self) {
        add(&self.worker().counters.undetected_steps, 1);
    }

    /// Prefetches a session that will be needed soon.
    #[inline]
    pub fn prefetch(&self, id: SessionId) {
        let slot = self.table.slot(&id);
        if let Some(set) = self.table.set(slot.set) {
            set.prefetch(&slot);
        }
    }

    /// Reverses [`TableHandle::count`] for a request that turns out to belong to another session. A session left
    /// without requests is removed.
    pub fn undo_count(&self, id: SessionId) {
        let slot = self.table.slot(&id);
        let Some(set) = self.lock(&slot) else { return };
        let removed = set.undo(&slot);
        set.head.lock.release();
        add(&self.worker().counters.undone, u64::from(removed));
    }

    /// Inlined so that the code of [`TableHandle::count`] contains nothing about outcomes.
    #[inline(always)]
    fn update(&self, id: SessionId, now_ms: u64, change: &Change<'_>) -> Option<SessionCounters> {
        let slot = self.table.slot(&id);
        self.table.set(slot.set)?.prefetch(&slot);
        let client = || self.table.client(&change.start.ip);
        let inactive_ms = self.table.inactive_ms();
        let set = self.lock(&slot)?;
        let counters = match set.hit(&slot, now_ms, inactive_ms, client, change) {
            Ok(counters) => {
                set.head.lock.release();
                counters
            }
            Err(idle) => self.begin(set, idle, &slot, now_ms, change),
        };
        Some(counters)
    }

    /// Starts a session in a locked set and releases the lock.
    #[cold]
    fn begin(
        &self,
        set: &Set,
        idle: Option<u32>,
        slot: &SlotRef,
        now_ms: u64,
        change: &Change<'_>,
    ) -> SessionCounters {
        let client = self.table.client(&change.start.ip);
        let inactive_ms = self.table.inactive_ms();
        let (evicted, session) = set.miss(idle, slot, now_ms, inactive_ms, client, change);
        set.head.lock.release();
        let counters = &self.worker().counters;
        add(&counters.created, 1);
        match evicted {
            None => {}
            Some(EvictionKind::Idle) => add(&counters.evicted_idle, 1),
            Some(EvictionKind::Provisional) => add(&counters.evicted_provisional, 1),
            Some(EvictionKind::Live) => add(&counters.evicted_live, 1),
        }
        session
    }

    #[inline]
    fn lock(&self, slot: &SlotRef) -> Option<&Set> {
        set_lock::acquire(&self.table, self.owner, slot.set)
    }

    #[inline]
    fn worker(&self) -> &WorkerSlot {
        self.table.worker(self.owner.slot())
    }
}

impl LockedSet for Set {
    #[inline]
    fn lock(&self) -> &RobustLock {
        &self.head.lock
    }

    fn repair(&self, multi_word: u32) -> u64 {
        self.repair(multi_word).into()
    }
}

impl SetWorker for WorkerSlot {
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
        add(&self.counters.lock_recoveries, 1);
        add(&self.counters.lost, lost);
    }
}

impl LockedSets for SessionTable {
    type Set = Set;
    type Worker = WorkerSlot;

    #[inline]
    fn set(&self, number: u32) -> Option<&Set> {
        self.memory.set(number)
    }

    #[inline]
    fn worker(&self, slot: u16) -> &WorkerSlot {
        self.memory.worker(slot)
    }
}
