//! One worker's access to the links.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::Ordering;

use super::entry::{Link, LinkFlags};
use super::layout::{LinkSet, LinkWorker};
use super::{LinkKey, Links};
use crate::limits::SET_LOCK_WAIT;
use crate::metrics::add;
use crate::process::{LockWait, OwnerId};
use crate::robust_lock::Acquired;

/// A worker's handle of the links: one for its event loop, not shared between threads.
pub struct LinkHandle {
    links: Links,
    owner: OwnerId,
    _not_sync: PhantomData<Cell<()>>,
}

impl LinkHandle {
    pub(super) fn join(links: Links, slot: u16, pid: u32) -> Self {
        let worker = links.memory.worker(slot);
        let owner = worker.process.register(slot % crate::limits::MAX_PROCESSES, pid);
        let handle = Self { links, owner, _not_sync: PhantomData };
        // The slot's previous process is dead. It recorded the only set that it can have left locked.
        if let Some(set) = worker.set.load(Ordering::Relaxed).checked_sub(1)
            && let Some(set) = links.memory.set(set)
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

    /// The links.
    #[inline]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// Changes an entry under its lock, at `now_s` (seconds since 1970): `change` gets what is there, expired
    /// entries as none, and returns what shall be; `None` leaves all as it is. It must not panic. The result
    /// is what is there afterwards. `None` too where the lock was held for too long.
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

    /// Notes that a client has brought the value back. `Some` with the entry, if it is the first time.
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
        let number = self.links.number(key);
        let set = self.links.memory.set(number)?;
        // Before the lock: the next process in this slot must find the set whenever this one dies.
        self.worker().set.store(number + 1, Ordering::Release);
        if set.lock.try_acquire(self.owner.word()) { Some(set) } else { self.wait_for(set) }
    }

    #[cold]
    fn wait_for<'s>(&self, set: &'s LinkSet) -> Option<&'s LinkSet> {
        let slot_of = |owner: OwnerId| &self.links.memory.worker(owner.slot()).process;
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
    fn repair(&self, set: &LinkSet, acquired: Acquired) {
        if let Acquired::OwnerDied { multi_word } = acquired {
            let lost = set.repair(multi_word);
            add(&self.worker().counters.lost, u64::from(lost));
        }
    }

    #[inline]
    fn worker(&self) -> &LinkWorker {
        self.links.memory.worker(self.owner.slot())
    }
}
