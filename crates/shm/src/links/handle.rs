//! One worker's access to the links.

use std::cell::Cell;
use std::marker::PhantomData;

use super::entry::{Link, LinkFlags};
use super::layout::{LinkSet, LinkWorker};
use super::{LinkKey, Links};
use crate::atomics::AtomicU32;
use crate::metrics::add;
use crate::process::{OwnerId, ProcessSlot};
use crate::robust_lock::RobustLock;
use crate::set_lock::{self, LockedSet, LockedSets, SetWorker};

/// A worker's handle of the links, for its event loop. Not shared between threads.
pub struct LinkHandle {
    links: Links,
    owner: OwnerId,
    _not_sync: PhantomData<Cell<()>>,
}

impl LinkHandle {
    pub(super) fn join(links: Links, slot: u16, pid: u32) -> Self {
        let owner = set_lock::join(&links, slot, pid);
        Self { links, owner, _not_sync: PhantomData }
    }

    /// The links.
    #[inline]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Changes an entry under its lock, at `now_s` (seconds since 1970). `change` gets the entry, or `None` if there is
    /// none or it is expired, and returns the new one; `None` leaves everything as it is. It must not panic. Returns
    /// the entry afterwards; `None` also if the lock was held for too long.
    pub fn update(
        &self,
        key: LinkKey,
        now_s: u32,
        change: impl FnOnce(Option<Link>) -> Option<Link>,
    ) -> Option<Link> {
        let set = self.lock(key)?;
        let inactive_s = self.links.memory.inactive_s();
        let way = set.find(key.0);
        let found = way.map(|way| set.link(way));
        let known = found.filter(|link| !link.is_expired(now_s, inactive_s));
        let changed = change(known);
        if let Some(link) = &changed {
            let counters = &self.worker().counters;
            let way = way.unwrap_or_else(|| {
                let (way, evicted) = set.room(now_s, inactive_s);
                add(&counters.created, 1);
                match evicted {
                    None => {}
                    Some(0 | 1) => add(&counters.evicted_idle, 1),
                    Some(2) => add(&counters.evicted_unused, 1),
                    Some(_) => add(&counters.evicted_live, 1),
                }
                way
            });
            let was_demoted = known.is_some_and(|link| link.is_demoted());
            add(&counters.demoted, u64::from(link.is_demoted() && !was_demoted));
            self.links.memory.mark_used();
            set.write(way, key.0, link);
        }
        set.lock.release();
        changed.or(known)
    }

    /// Records that a client has sent the value back. Returns the previous entry if this is the first time.
    pub fn returned(&self, key: LinkKey, now_s: u32) -> Option<Link> {
        let mut first = None;
        self.update(key, now_s, |link| {
            let link = link.filter(|link| !link.is_demoted())?;
            if !link.flags.has(LinkFlags::RETURNED) {
                first = Some(link);
            }
            let flags = link.flags.with(LinkFlags::RETURNED).without(LinkFlags::REPLACED);
            Some(Link { flags, used_s: now_s, ..link })
        });
        first
    }

    #[inline]
    fn lock(&self, key: LinkKey) -> Option<&LinkSet> {
        set_lock::acquire(&self.links, self.owner, self.links.number(key))
    }

    #[inline]
    fn worker(&self) -> &LinkWorker {
        self.links.memory.worker(self.owner.slot())
    }
}

impl LockedSet for LinkSet {
    #[inline]
    fn lock(&self) -> &RobustLock {
        &self.lock
    }

    fn repair(&self, multi_word: u32) -> u64 {
        self.repair(multi_word).into()
    }
}

impl SetWorker for LinkWorker {
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

impl LockedSets for Links {
    type Set = LinkSet;
    type Worker = LinkWorker;

    #[inline]
    fn set(&self, number: u32) -> Option<&LinkSet> {
        self.memory.set(number)
    }

    #[inline]
    fn worker(&self, slot: u16) -> &LinkWorker {
        self.memory.worker(slot)
    }
}
