//! The table's counters.

use std::sync::atomic::{AtomicU64, Ordering};

use super::layout::Counters;

/// The table's state, summed over all workers since the zone was made. A worker's death may leave
/// each counter one off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableStats {
    /// Sessions there is room for.
    pub capacity: u64,
    /// Entries that hold a session; those that have been idle for too long stay until their place is
    /// needed.
    pub in_use: u64,
    /// Updates that found the session.
    pub hits: u64,
    /// Sessions begun.
    pub inserts: u64,
    /// Sessions that went because they had been idle for longer than `inactive`.
    pub evicted_idle: u64,
    /// Confirmed sessions that went before their time: the zone is too small.
    pub evicted_live: u64,
    /// Sessions of one request that went before their time.
    pub evicted_provisional: u64,
    /// Sessions whose only request turned out to belong to another.
    pub taken_back: u64,
    /// Requests not counted since a set stayed locked.
    pub lock_busy: u64,
    /// Sets whose lock was held by a dead worker.
    pub sets_recovered: u64,
    /// Sessions that such a worker left half written, and that were dropped.
    pub sessions_lost: u64,
    /// Requests that were malicious, whoever said so.
    pub malicious: u64,
    /// Of those, such that the module's own detectors marked.
    pub detected: u64,
    /// Requests of denied sessions.
    pub denied: u64,
    /// Requests whose session was found by a cookie that was there more than once.
    pub duplicate_cookies: u64,
}

/// Adds to a counter of the calling worker's own.
#[inline]
pub(crate) fn add(counter: &AtomicU64, by: u64) {
    // One writer: no locked instruction is needed.
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

impl TableStats {
    pub(crate) fn sum<'a>(capacity: u64, slots: impl Iterator<Item = &'a Counters>) -> Self {
        let mut sum = Self { capacity, ..Self::default() };
        for slot in slots {
            let take = |to: &mut u64, from: &AtomicU64| *to += from.load(Ordering::Relaxed);
            take(&mut sum.hits, &slot.hits);
            take(&mut sum.inserts, &slot.inserts);
            take(&mut sum.evicted_idle, &slot.evicted_idle);
            take(&mut sum.evicted_live, &slot.evicted_live);
            take(&mut sum.evicted_provisional, &slot.evicted_provisional);
            take(&mut sum.taken_back, &slot.taken_back);
            take(&mut sum.lock_busy, &slot.lock_busy);
            take(&mut sum.sets_recovered, &slot.sets_recovered);
            take(&mut sum.sessions_lost, &slot.sessions_lost);
            take(&mut sum.malicious, &slot.malicious);
            take(&mut sum.detected, &slot.detected);
            take(&mut sum.denied, &slot.denied);
            take(&mut sum.duplicate_cookies, &slot.duplicate_cookies);
        }
        let gone = sum.evicted_idle
            + sum.evicted_live
            + sum.evicted_provisional
            + sum.taken_back
            + sum.sessions_lost;
        sum.in_use = sum.inserts.saturating_sub(gone).min(capacity);
        sum
    }
}
