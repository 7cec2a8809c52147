//! One worker's hand on the table.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::SessionTable;
use super::entry::Change;
use super::layout::{Owner, Set};
use super::lock::Acquired;
use super::owner::{Token, Waiter};
use super::set::{Place, Room};
use super::snapshot::{RequestEnd, RequestStart, SessionCounters};
use super::stats::add;
use api_sessions_protocol::SessionId;

/// Longest wait for a set's lock; then the request goes uncounted. A holder needs 100 ns unless it
/// is preempted or dead.
pub const LOCK_WAIT: Duration = Duration::from_micros(200);

/// A worker process's hand on the table: one for its event loop, not to be shared between threads.
pub struct TableHandle {
    table: SessionTable,
    token: Token,
    one_thread: PhantomData<Cell<()>>,
}

impl TableHandle {
    pub(super) fn join(table: SessionTable, slot: u16, pid: u32) -> Self {
        let slot = slot % super::owner::MAX_SLOTS;
        let owner = table.owner(slot);
        let token = owner.life.begin(slot, pid);
        let worker = Self { table, token, one_thread: PhantomData };
        // Whoever had the slot before is dead, and told where to look. Had it been many sets, each
        // would be found by who next needs it; it is at most one.
        if let Some(set) = owner.set.load(Ordering::Relaxed).checked_sub(1)
            && let Some(set) = table.set(set)
        {
            let holder = Token(set.head.lock.holder());
            if holder.0 != 0 && holder.slot() == slot && holder != token {
                worker.repair(set, set.head.lock.take_over(holder.0, token.0));
            }
        }
        worker
    }

    /// The table.
    pub fn table(&self) -> SessionTable {
        self.table
    }

    /// Counts a request that arrived at `now_ms` (milliseconds since 1970). The session, this
    /// request included; it begins with this request if there is none, or none within `inactive`.
    /// `None`: its set stayed locked for [`LOCK_WAIT`], and the request is not counted.
    pub fn count(
        &self,
        id: SessionId,
        now_ms: u64,
        arrival: &RequestStart,
    ) -> Option<SessionCounters> {
        self.update(id, now_ms, &Change { arrival, outcome: None })
    }

    /// Adds what became of a request at `now_ms` (milliseconds since 1970). The session with it.
    /// `None` as for [`TableHandle::count`].
    pub fn settle(
        &self,
        id: SessionId,
        now_ms: u64,
        outcome: &RequestEnd<'_>,
    ) -> Option<SessionCounters> {
        let counters = &self.owner().counters;
        if outcome.attacks > 0 {
            add(&counters.malicious, 1);
            add(&counters.detected, u64::from(outcome.detected));
        }
        if outcome.denied {
            add(&counters.denied, 1);
        }
        self.update(id, now_ms, &Change { arrival: &outcome.arrival, outcome: Some(outcome) })
    }

    /// A request's session was found by a cookie that was there more than once.
    pub fn note_duplicate_cookie(&self) {
        add(&self.owner().counters.duplicate_cookies, 1);
    }

    /// The session will be needed soon: has the processor fetch it meanwhile.
    #[inline]
    pub fn prefetch(&self, id: SessionId) {
        let place = self.table.place(&id);
        if let Some(set) = self.table.set(place.set) {
            set.prefetch(&place);
        }
    }

    /// Takes back what [`TableHandle::count`] added, for a request that turned out to belong to another
    /// session. A session whose only request it was is gone.
    pub fn uncount(&self, id: SessionId) {
        let place = self.table.place(&id);
        let Some(set) = self.lock(&place) else { return };
        let gone = set.take_back(&place).is_some_and(|(_, gone)| gone);
        set.head.lock.release();
        add(&self.owner().counters.taken_back, u64::from(gone));
    }

    /// Always inline: what an arrival cannot change is not in its code.
    #[inline(always)]
    fn update(&self, id: SessionId, now_ms: u64, change: &Change<'_>) -> Option<SessionCounters> {
        let place = self.table.place(&id);
        self.table.set(place.set)?.prefetch(&place);
        let client = || self.table.client(&change.arrival.ip);
        let inactive_ms = self.table.inactive_ms();
        let set = self.lock(&place)?;
        let standing = match set.hit(&place, now_ms, inactive_ms, client, change) {
            Ok(standing) => {
                set.head.lock.release();
                add(&self.owner().counters.hits, 1);
                standing
            }
            Err(idle) => self.begin(set, idle, &place, now_ms, change),
        };
        Some(standing)
    }

    /// A session begins in a set, whose lock is held and given back.
    #[cold]
    fn begin(
        &self,
        set: &Set,
        idle: Option<u32>,
        place: &Place,
        now_ms: u64,
        change: &Change<'_>,
    ) -> SessionCounters {
        let client = self.table.client(&change.arrival.ip);
        let inactive_ms = self.table.inactive_ms();
        let (room, standing) = set.miss(idle, place, now_ms, inactive_ms, client, change);
        set.head.lock.release();
        let counters = &self.owner().counters;
        add(&counters.inserts, 1);
        match room {
            Room::Free => {}
            Room::Idle => add(&counters.evicted_idle, 1),
            Room::Provisional => add(&counters.evicted_provisional, 1),
            Room::Live => add(&counters.evicted_live, 1),
        }
        standing
    }

    #[inline]
    fn lock(&self, place: &Place) -> Option<&Set> {
        let set = self.table.set(place.set)?;
        let owner = self.owner();
        // Before the lock: a successor must know where to look whenever this process dies.
        owner.set.store(place.set + 1, Ordering::Release);
        if set.head.lock.try_acquire(self.token.0) { Some(set) } else { self.wait_for(set) }
    }

    #[cold]
    fn wait_for<'s>(&self, set: &'s Set) -> Option<&'s Set> {
        let mut patience = Waiter::new(LOCK_WAIT, |slot| Some(&self.table.owner(slot).life));
        match set.head.lock.acquire(self.token.0, &mut patience) {
            Some(Acquired::Free) => {}
            Some(dead) => self.mend(set, dead),
            None => {
                add(&self.owner().counters.lock_busy, 1);
                return None;
            }
        }
        Some(set)
    }

    /// Repairs and unlocks.
    fn repair(&self, set: &Set, acquired: Option<Acquired>) {
        if let Some(dead) = acquired {
            self.mend(set, dead);
            set.head.lock.release();
        }
    }

    #[cold]
    fn mend(&self, set: &Set, acquired: Acquired) {
        if let Acquired::FromDead { whole } = acquired {
            let lost = set.repair(whole);
            let counters = &self.owner().counters;
            add(&counters.sets_recovered, 1);
            add(&counters.sessions_lost, u64::from(lost));
        }
    }

    #[inline]
    fn owner(&self) -> &Owner {
        self.table.owner(self.token.slot())
    }
}
