//! Operations on one set, under its lock.
//!
//! Nothing here allocates, logs, calls back or panics: while an owner stalls, fifteen sessions go uncounted.

use std::sync::atomic::{Ordering, fence};

use super::byte_lanes;
use super::entry::Words;
use super::layout::{Entry, Set, SetHead, WAYS, WORDS};
use super::lru_order::LruOrder;
use super::request::Change;
use super::snapshot::{SessionCounters, Snapshot};
use crate::prefetch::prefetch;

const ALL: u32 = (1 << WAYS) - 1;
/// Bits of each half of [`SetHead::ways`].
const HALF: u32 = 16;

/// Provisional sessions that one client may have in a set. From this number on, a new session of the client replaces
/// one of these, even if other clients have provisional sessions.
const CLIENT_PROVISIONAL: u32 = 2;
/// Sessions that one client may have in a set where all are confirmed. From this number on, a new session of the client
/// replaces one of its own.
const CLIENT_SHARE: u32 = 2;

/// A session id, with everything derived from its hash.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotRef {
    pub(crate) set: u32,
    pub(super) tag: u8,
    /// Preferred way of a new session.
    pub(super) way: u8,
    /// The way of a new session if `way` is taken. Most sessions are in one of these two, so both are prefetched before
    /// the head is read.
    pub(super) second_way: u8,
    pub(super) id: [u64; 2],
}

/// The client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Client {
    /// [`super::entry::network`].
    pub(super) network: u64,
    /// A byte of the network's hash.
    pub(super) byte: u8,
}

/// Kind of session that was evicted to make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EvictionKind {
    /// Idle for longer than `inactive`.
    Idle,
    /// Provisional.
    Provisional,
    /// Live: the zone is too small.
    Live,
}

impl SetHead {
    #[inline]
    pub(crate) fn used(&self) -> u32 {
        self.ways.load(Ordering::Relaxed) & ALL
    }

    #[inline]
    pub(crate) fn confirmed(&self) -> u32 {
        self.ways.load(Ordering::Relaxed) >> HALF
    }

    #[inline]
    fn set_ways(&self, used: u32, confirmed: u32) {
        self.ways.store(used & ALL | confirmed << HALF, Ordering::Release);
    }

    #[inline]
    pub(crate) fn order(&self) -> LruOrder {
        LruOrder::from_word(self.order.load(Ordering::Relaxed))
    }

    #[inline]
    fn touch(&self, way: u32) {
        self.order.store(self.order().touch(way).word(), Ordering::Relaxed);
    }

    /// Frees `way` with a single store.
    #[inline]
    fn free(&self, way: u32) {
        self.set_ways(self.used() & !(1 << way), self.confirmed() & !(1 << way));
        // Orders the store before any overwriting of the entry, so that no death of the writer leaves an overwritten
        // entry in use.
        fence(Ordering::Release);
    }
}

impl Set {
    #[inline]
    fn entry(&self, way: u32) -> &Entry {
        // Ways are bits of `ALL`; this bound makes the compiler's check unnecessary.
        &self.entries[(way as usize).min(WAYS - 1)]
    }

    /// Prefetches what an operation on `slot` needs: the head, and the two entries that most likely hold the session
    /// (nine times in ten in a zone filled to 60 %). The memory latencies of head and entry, which dominate the cost
    /// when there are many sessions, then overlap.
    #[inline]
    pub(super) fn prefetch(&self, slot: &SlotRef) {
        prefetch(&raw const self.head);
        for way in [slot.way, slot.second_way] {
            let entry = self.entry(u32::from(way));
            prefetch(&raw const entry.0[0]);
            prefetch(&raw const entry.0[WORDS / 2]);
        }
    }

    /// The way of the session, if it is in the set.
    #[inline]
    pub(crate) fn find(&self, slot: &SlotRef) -> Option<u32> {
        let mut candidates = byte_lanes::equal(&self.head.tags, slot.tag) & self.head.used();
        while candidates != 0 {
            let way = candidates.trailing_zeros();
            if self.entry(way).is(slot.id) {
                return Some(way);
            }
            candidates &= candidates - 1;
        }
        None
    }

    /// Applies `change` to the session. `Err(None)`: it is not in the set. `Err(way)`: it is, but has been idle for
    /// longer than `inactive_ms`.
    #[inline(always)]
    pub(super) fn hit(
        &self,
        slot: &SlotRef,
        now_ms: u64,
        inactive_ms: u64,
        client: impl Fn() -> Client,
        change: &Change<'_>,
    ) -> Result<SessionCounters, Option<u32>> {
        let way = self.find(slot).ok_or(None)?;
        let entry = self.entry(way);
        if is_idle(entry, now_ms, inactive_ms) {
            return Err(Some(way));
        }
        self.head.lock.begin_change();
        let (counters, is_confirmed) = entry.add(now_ms, change);
        if let Some((old, new)) = entry.identified(change) {
            self.head.lock.begin_multi_word(way + 1);
            entry.store_changed(&old, &new);
            byte_lanes::put(&self.head.clients, way, client().byte);
            self.head.lock.end_multi_word();
        }
        let confirmed = u32::from(is_confirmed) << way;
        if self.head.confirmed() & confirmed != confirmed {
            self.head.set_ways(self.head.used(), self.head.confirmed() | confirmed);
        }
        self.head.touch(way);
        self.head.lock.end_change();
        Ok(counters)
    }

    /// Starts a session after [`Set::hit`] failed: in the way of the idle session, else in a free way, else in that of
    /// an evicted session.
    pub(super) fn miss(
        &self,
        idle: Option<u32>,
        slot: &SlotRef,
        now_ms: u64,
        inactive_ms: u64,
        client: Client,
        change: &Change<'_>,
    ) -> (Option<EvictionKind>, SessionCounters) {
        self.head.lock.begin_change();
        let (way, evicted) = match idle {
            Some(way) => {
                self.head.free(way);
                (way, Some(EvictionKind::Idle))
            }
            None => self.make_room(slot, now_ms, inactive_ms, client),
        };
        let counters = self.insert(way, slot, now_ms, client, change);
        self.head.lock.end_change();
        (evicted, counters)
    }

    /// Writes a new session into a free way. The last store marks the way as used.
    fn insert(
        &self,
        way: u32,
        slot: &SlotRef,
        now_ms: u64,
        client: Client,
        change: &Change<'_>,
    ) -> SessionCounters {
        let entry = self.entry(way);
        entry.begin(slot.id, now_ms);
        let (counters, is_confirmed) = entry.add(now_ms, change);
        if let Some((old, new)) = entry.identified(change) {
            entry.store_changed(&old, &new);
        }
        byte_lanes::put(&self.head.tags, way, slot.tag);
        byte_lanes::put(&self.head.clients, way, client.byte);
        self.head.touch(way);
        let confirmed = u32::from(is_confirmed) << way;
        self.head.set_ways(self.head.used() | 1 << way, self.head.confirmed() | confirmed);
        counters
    }

    /// A free way, and the kind of session that was evicted for it, if any.
    fn make_room(
        &self,
        slot: &SlotRef,
        now_ms: u64,
        inactive_ms: u64,
        client: Client,
    ) -> (u32, Option<EvictionKind>) {
        let used = self.head.used();
        if used != ALL {
            let ways = [slot.way, slot.second_way].map(u32::from);
            let wanted = ways.into_iter().find(|way| used >> way & 1 == 0);
            return (wanted.unwrap_or((!used).trailing_zeros()), None);
        }
        let (way, kind) = self.victim(now_ms, inactive_ms, client);
        self.head.free(way);
        (way, Some(kind))
    }

    /// Chooses the session to evict from a full set: the least recently used if it is idle, else a provisional one,
    /// else any. Among provisional ones, and among confirmed ones, the client's own go first if it holds its share.
    /// Ties go to the least recently used.
    fn victim(&self, now_ms: u64, inactive_ms: u64, client: Client) -> (u32, EvictionKind) {
        let order = self.head.order();
        let oldest = order.oldest(ALL);
        if is_idle(self.entry(oldest), now_ms, inactive_ms) {
            return (oldest, EvictionKind::Idle);
        }
        let provisional = ALL & !self.head.confirmed();
        let own = self.ways_of(client);
        if (own & provisional).count_ones() >= CLIENT_PROVISIONAL {
            (order.oldest(own & provisional), EvictionKind::Provisional)
        } else if provisional != 0 {
            (order.oldest(provisional), EvictionKind::Provisional)
        } else if own.count_ones() >= CLIENT_SHARE {
            (order.oldest(own), EvictionKind::Live)
        } else {
            (oldest, EvictionKind::Live)
        }
    }

    /// The ways of a client's sessions in a full set.
    fn ways_of(&self, client: Client) -> u32 {
        let mut ways = byte_lanes::equal(&self.head.clients, client.byte) & ALL;
        let mut left = ways;
        while left != 0 {
            let way = left.trailing_zeros();
            left &= left - 1;
            if self.entry(way).network() != client.network {
                ways &= !(1 << way);
            }
        }
        ways
    }

    /// Subtracts one request from the session and frees its way if none is left. Returns whether it did.
    pub(super) fn undo(&self, slot: &SlotRef) -> bool {
        let Some(way) = self.find(slot) else { return false };
        let entry = self.entry(way);
        let old = entry.load();
        let mut session = old.snapshot();
        session.requests = session.requests.saturating_sub(1);
        self.head.lock.begin_change();
        if session.requests == 0 {
            self.head.free(way);
        } else {
            entry.store_changed(&old, &Words::new(slot.id, &session));
        }
        self.head.lock.end_change();
        session.requests == 0
    }

    /// The session, for a lock-free reader, which must validate the sequence counter.
    pub(super) fn peek(&self, slot: &SlotRef, now_ms: u64, inactive_ms: u64) -> Option<Snapshot> {
        let entry = self.entry(self.find(slot)?);
        (!is_idle(entry, now_ms, inactive_ms)).then(|| entry.load().snapshot())
    }

    /// Repairs the set after the death of an owner that noted `multi_word`. Returns the number of sessions lost.
    pub(super) fn repair(&self, multi_word: u32) -> u32 {
        let used = self.head.used();
        if let Some(way) = multi_word.checked_sub(1).filter(|way| *way < WAYS as u32) {
            self.head.free(way);
        }
        self.head.lock.make_consistent();
        (used & !self.head.used()).count_ones()
    }
}

#[inline]
fn is_idle(entry: &Entry, now_ms: u64, inactive_ms: u64) -> bool {
    now_ms.saturating_sub(entry.last_seen_ms()) > inactive_ms
}
