//! What happens inside one set, under its lock.
//!
//! No allocation, no logging, no callback, nothing that can panic: a holder that stops for any
//! reason but death would keep fifteen sessions from being counted.

use std::sync::atomic::{Ordering, fence};

use super::bytes;
use super::entry::{Change, Words};
use super::layout::{Entry, Set, SetHead, WAYS, WORDS};
use super::order::Order;
use super::snapshot::{SessionCounters, Snapshot};

const ALL: u32 = (1 << WAYS) - 1;
/// Bits of a half of [`SetHead::ways`].
const HALF: u32 = 16;

/// Provisional sessions of one client in a set from which on a new one of the same client takes the
/// place of its own, however many others are provisional.
const CLIENT_PROVISIONAL: u32 = 2;
/// Sessions of one client in a set of confirmed ones from which on a new one takes the place of its
/// own.
const CLIENT_SHARE: u32 = 2;

/// Where a session may be: what its hash says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) set: u32,
    pub(crate) tag: u8,
    /// The way it gets if that is free.
    pub(crate) way: u8,
    /// The way it gets if that is free and the first is not. It is one of the two so often that both are
    /// fetched before the head has said which.
    pub(crate) second: u8,
    pub(crate) id: [u64; 2],
}

/// Whose a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Client {
    /// [`super::entry::network`].
    pub(crate) network: u64,
    /// A byte of its hash.
    pub(crate) byte: u8,
}

/// What became of the session whose place was needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// There was room.
    Free,
    /// A session that had been idle for longer than `inactive`.
    Idle,
    /// A provisional session.
    Provisional,
    /// A live session: the zone is too small.
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
    pub(crate) fn order(&self) -> Order {
        Order::from_word(self.order.load(Ordering::Relaxed))
    }

    #[inline]
    fn touch(&self, way: u32) {
        self.order.store(self.order().touch(way).word(), Ordering::Relaxed);
    }

    /// Makes `way` free. One store: it is free or it is not.
    #[inline]
    fn free(&self, way: u32) {
        self.set_ways(self.used() & !(1 << way), self.confirmed() & !(1 << way));
        // What is written into it next comes after that, whenever the writer dies.
        fence(Ordering::Release);
    }
}

impl Set {
    #[inline]
    fn entry(&self, way: u32) -> &Entry {
        // The bound is for the compiler: ways come from bits of `ALL`.
        &self.entries[(way as usize).min(WAYS - 1)]
    }

    /// Has the processor fetch what an operation on `place` will need: the head, and the entries where
    /// the session most likely is (nine in ten, in a zone filled to 60 %). The two waits for memory,
    /// which are most of the cost with many sessions, become one.
    #[inline]
    pub(crate) fn prefetch(&self, place: &Place) {
        prefetch(&raw const self.head);
        for way in [place.way, place.second] {
            let entry = self.entry(u32::from(way));
            prefetch(&raw const entry.0[0]);
            prefetch(&raw const entry.0[WORDS / 2]);
        }
    }

    /// The way of the session at `place`.
    #[inline]
    pub(crate) fn find(&self, place: &Place) -> Option<u32> {
        let mut candidates = bytes::equal(&self.head.tags, place.tag) & self.head.used();
        while candidates != 0 {
            let way = candidates.trailing_zeros();
            if self.entry(way).is(place.id) {
                return Some(way);
            }
            candidates &= candidates - 1;
        }
        None
    }

    /// Applies `change` to the session at `place`. `Err`: there is none, or (its way) one that has been
    /// idle for longer than `inactive_ms`.
    #[inline(always)]
    pub(crate) fn hit(
        &self,
        place: &Place,
        now_ms: u64,
        inactive_ms: u64,
        client: impl Fn() -> Client,
        change: &Change<'_>,
    ) -> Result<SessionCounters, Option<u32>> {
        let way = self.find(place).ok_or(None)?;
        let entry = self.entry(way);
        if is_idle(entry, now_ms, inactive_ms) {
            return Err(Some(way));
        }
        self.head.lock.begin_change();
        let (standing, is_confirmed) = entry.add(now_ms, change);
        if let Some((old, new)) = entry.identified(change) {
            self.head.lock.begin_whole(way + 1);
            entry.store_changed(&old, &new);
            bytes::put(&self.head.clients, way, client().byte);
            self.head.lock.end_whole();
        }
        let confirmed = u32::from(is_confirmed) << way;
        if self.head.confirmed() & confirmed != confirmed {
            self.head.set_ways(self.head.used(), self.head.confirmed() | confirmed);
        }
        self.head.touch(way);
        self.head.lock.end_change();
        Ok(standing)
    }

    /// Where [`Set::hit`] found none that lives, a session begins at `now_ms`: in the way of the `idle` one,
    /// else where there is room.
    pub(crate) fn miss(
        &self,
        idle: Option<u32>,
        place: &Place,
        now_ms: u64,
        inactive_ms: u64,
        client: Client,
        change: &Change<'_>,
    ) -> (Room, SessionCounters) {
        self.head.lock.begin_change();
        let (way, room) = match idle {
            Some(way) => {
                self.head.free(way);
                (way, Room::Idle)
            }
            None => self.room(place, now_ms, inactive_ms, client),
        };
        let standing = self.insert(way, place, now_ms, client, change);
        self.head.lock.end_change();
        (room, standing)
    }

    /// Writes a new session into a free way. The way is in use only once all of it is there.
    fn insert(
        &self,
        way: u32,
        place: &Place,
        now_ms: u64,
        client: Client,
        change: &Change<'_>,
    ) -> SessionCounters {
        let entry = self.entry(way);
        entry.begin(place.id, now_ms);
        let (standing, is_confirmed) = entry.add(now_ms, change);
        if let Some((old, new)) = entry.identified(change) {
            entry.store_changed(&old, &new);
        }
        bytes::put(&self.head.tags, way, place.tag);
        bytes::put(&self.head.clients, way, client.byte);
        self.head.touch(way);
        let confirmed = u32::from(is_confirmed) << way;
        self.head.set_ways(self.head.used() | 1 << way, self.head.confirmed() | confirmed);
        standing
    }

    /// A free way, made free if need be.
    fn room(&self, place: &Place, now_ms: u64, inactive_ms: u64, client: Client) -> (u32, Room) {
        let used = self.head.used();
        if used != ALL {
            let ways = [place.way, place.second].map(u32::from);
            let wanted = ways.into_iter().find(|way| used >> way & 1 == 0);
            return (wanted.unwrap_or((!used).trailing_zeros()), Room::Free);
        }
        let (way, room) = self.victim(now_ms, inactive_ms, client);
        self.head.free(way);
        (way, room)
    }

    /// Who has to go from a full set: what is idle; then what no second request has confirmed; and
    /// of those, as of all others, first the same client's own, if it has more than its share. Of
    /// equals the least recently used.
    fn victim(&self, now_ms: u64, inactive_ms: u64, client: Client) -> (u32, Room) {
        let order = self.head.order();
        let oldest = order.oldest(ALL);
        if is_idle(self.entry(oldest), now_ms, inactive_ms) {
            return (oldest, Room::Idle);
        }
        let provisional = ALL & !self.head.confirmed();
        let own = self.own(client);
        if (own & provisional).count_ones() >= CLIENT_PROVISIONAL {
            (order.oldest(own & provisional), Room::Provisional)
        } else if provisional != 0 {
            (order.oldest(provisional), Room::Provisional)
        } else if own.count_ones() >= CLIENT_SHARE {
            (order.oldest(own), Room::Live)
        } else {
            (oldest, Room::Live)
        }
    }

    /// The ways of a client, in a full set.
    fn own(&self, client: Client) -> u32 {
        let mut ways = bytes::equal(&self.head.clients, client.byte) & ALL;
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

    /// Takes one request back from the session at `place`; one without any is gone. The session as
    /// it was left, and whether it is gone.
    pub(crate) fn take_back(&self, place: &Place) -> Option<(Snapshot, bool)> {
        let way = self.find(place)?;
        let entry = self.entry(way);
        let old = entry.load();
        let mut session = old.snapshot();
        session.requests = session.requests.saturating_sub(1);
        self.head.lock.begin_change();
        if session.requests == 0 {
            self.head.free(way);
        } else {
            entry.store_changed(&old, &Words::new(place.id, &session));
        }
        self.head.lock.end_change();
        Some((session, session.requests == 0))
    }

    /// The session at `place`, for a reader without the lock, who must check the version.
    pub(crate) fn peek(&self, place: &Place, now_ms: u64, inactive_ms: u64) -> Option<Snapshot> {
        let entry = self.entry(self.find(place)?);
        (!is_idle(entry, now_ms, inactive_ms)).then(|| entry.load().snapshot())
    }

    /// Repairs the set after the death of a holder that noted `whole`. Returns the sessions lost.
    pub(crate) fn repair(&self, whole: u32) -> u32 {
        let used = self.head.used();
        if let Some(way) = whole.checked_sub(1).filter(|way| *way < WAYS as u32) {
            self.head.free(way);
        }
        self.head.lock.repaired();
        (used & !self.head.used()).count_ones()
    }
}

#[inline]
fn is_idle(entry: &Entry, now_ms: u64, inactive_ms: u64) -> bool {
    now_ms.saturating_sub(entry.last_seen_ms()) > inactive_ms
}

#[inline]
fn prefetch<T>(what: *const T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a hint; it reads nothing and faults on no address. SSE is part of x86-64.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(what.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = what;
}
