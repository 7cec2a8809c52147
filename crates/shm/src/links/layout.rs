//! The zone's memory; all zeros are an empty table.
//!
//! ```text
//! LinksHeader | LinkWorker × 1024 | LinkSet | LinkSet | …     LinkSet = lock + 15 entries = 512 bytes
//! ```

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::entry::{Link, WORDS};
use super::stats::{LinkCounters, LinkStats};
use crate::limits::MAX_PROCESSES;
use crate::process::ProcessSlot;
use crate::region::{
    AttachError, Attached, Header, Memory, Region, RegionHeader, Shared, fill_random,
};
use crate::robust_lock::RobustLock;

/// An entry was written.
const USED: u32 = 1;
/// An entry was written, or will be soon, for a value that another node issued.
const REMOTE: u32 = 2;
/// Entries of a set.
pub(super) const WAYS: usize = 15;
const SETS_AT: usize =
    (size_of::<LinksHeader>() + size_of::<LinkWorkers>()).next_multiple_of(size_of::<LinkSet>());
/// Smallest region of a table, bytes.
pub const MIN_LINK_BYTES: usize = SETS_AT + size_of::<LinkSet>();

/// Start of the zone.
#[repr(C, align(64))]
pub(super) struct LinksHeader {
    region: RegionHeader,
    pub(super) hash_key: [AtomicU64; 2],
    inactive_s: AtomicU32,
    /// 0: no entry was ever written. Bits: [`USED`], [`REMOTE`].
    used: AtomicU32,
}

/// One process slot, written only by the process registered in it.
#[repr(C, align(64))]
pub(crate) struct LinkWorker {
    pub(super) process: ProcessSlot,
    /// Set whose lock the process owns, waits for or last owned, plus 1.
    pub(super) set: AtomicU32,
    pub(super) counters: LinkCounters,
}

type LinkWorkers = [LinkWorker; MAX_PROCESSES as usize];

/// Entries under one lock.
#[repr(C, align(64))]
pub(crate) struct LinkSet {
    pub(super) lock: RobustLock,
    _padding: [AtomicU32; 5],
    ways: [[AtomicU64; WORDS]; WAYS],
}

const _: () = {
    assert!(size_of::<LinkSet>() == 512);
    assert!(size_of::<LinkWorker>() == 128);
};

// SAFETY: atomics only, aligned to 64 bytes.
unsafe impl Shared for LinksHeader {}
// SAFETY: as above.
unsafe impl Shared for LinkWorker {}
// SAFETY: as above.
unsafe impl Shared for LinkSet {}

impl Header for LinksHeader {
    const MAGIC: u64 = u64::from_be_bytes(*b"apilink\x01");
    const VERSION: u16 = 1;
    const COUNTERS: u16 = LinkCounters::LAYOUT;

    fn region(&self) -> &RegionHeader {
        &self.region
    }
}

impl LinkSet {
    #[inline]
    pub(super) fn find(&self, key: u64) -> Option<usize> {
        self.ways.iter().position(|way| way[0].load(Ordering::Relaxed) == key)
    }

    #[inline]
    pub(super) fn link(&self, way: usize) -> Link {
        let Some(words) = self.ways.get(way) else { return Link::default() };
        Link::from_words(std::array::from_fn(|at| words[at + 1].load(Ordering::Relaxed)))
    }

    /// The way for a new entry, and the class ([`Link::rank`]) of the entry evicted for it, if any.
    pub(super) fn room(&self, now_s: u32, inactive_s: u32) -> (usize, Option<u8>) {
        if let Some(way) = self.find(0) {
            return (way, None);
        }
        let ranks = (0..WAYS).map(|way| (self.link(way).rank(now_s, inactive_s), way));
        let ((class, _), way) = ranks.min().unwrap_or_default();
        (way, Some(class))
    }

    /// Only for the owner of the lock.
    pub(super) fn write(&self, way: usize, key: u64, link: &Link) {
        let Some(words) = self.ways.get(way) else { return };
        self.lock.begin_change();
        self.lock.begin_multi_word(way as u32 + 1);
        for (word, value) in words.iter().skip(1).zip(link.words()) {
            word.store(value, Ordering::Relaxed);
        }
        words[0].store(key, Ordering::Relaxed);
        self.lock.end_multi_word();
        self.lock.end_change();
    }

    /// Repairs the set after the death of an owner that noted `multi_word`. Returns whether an entry is lost.
    pub(super) fn repair(&self, multi_word: u32) -> bool {
        let way = multi_word.checked_sub(1).and_then(|way| self.ways.get(way as usize));
        if let Some(words) = way {
            words[0].store(0, Ordering::Relaxed);
        }
        self.lock.make_consistent();
        way.is_some()
    }
}

/// Typed access to the parts of the zone.
#[derive(Clone, Copy)]
pub(super) struct LinksMemory {
    memory: Memory,
    sets: u32,
}

impl LinksMemory {
    pub(super) fn attach(region: Region, inactive_s: u32) -> Result<(Self, Attached), AttachError> {
        let len = region.len();
        let sets = len.saturating_sub(SETS_AT) / size_of::<LinkSet>();
        let sets = u32::try_from(sets).ok().filter(|sets| *sets < u32::MAX);
        let sets = sets.ok_or(AttachError::TooLarge(len))?;
        let (memory, attached) = region.attach(MIN_LINK_BYTES, |header: &LinksHeader| {
            fill_random(&header.hash_key)?;
            header.inactive_s.store(inactive_s, Ordering::Relaxed);
            Ok(())
        })?;
        Ok((Self { memory, sets }, attached))
    }

    #[inline]
    pub(super) fn header(&self) -> &LinksHeader {
        // SAFETY: the region holds `MIN_LINK_BYTES` and starts with the header.
        unsafe { self.memory.get(0) }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.header().used.load(Ordering::Relaxed) == 0
    }

    pub(super) fn mark_used(&self) {
        if self.is_empty() {
            self.header().used.fetch_or(USED, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn has_remote(&self) -> bool {
        self.header().used.load(Ordering::Relaxed) & REMOTE != 0
    }

    pub(super) fn mark_remote(&self) {
        if !self.has_remote() {
            self.header().used.fetch_or(USED | REMOTE, Ordering::Relaxed);
        }
    }

    #[inline]
    pub(super) fn inactive_s(&self) -> u32 {
        self.header().inactive_s.load(Ordering::Relaxed)
    }

    pub(super) fn set_inactive_s(&self, inactive_s: u32) {
        self.header().inactive_s.store(inactive_s, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn worker(&self, slot: u16) -> &LinkWorker {
        let slot = usize::from(slot % MAX_PROCESSES);
        // SAFETY: the slots follow the header, both aligned to 64 bytes, and end before `SETS_AT`.
        unsafe { self.memory.get(size_of::<LinksHeader>() + slot * size_of::<LinkWorker>()) }
    }

    #[inline]
    pub(super) fn sets(&self) -> u32 {
        self.sets
    }

    #[inline]
    pub(super) fn set(&self, number: u32) -> Option<&LinkSet> {
        let at = SETS_AT + number as usize * size_of::<LinkSet>();
        // SAFETY: `number` is below the sets that fit between `SETS_AT` and the end of the region.
        (number < self.sets).then(|| unsafe { self.memory.get(at) })
    }

    pub(super) fn stats(&self) -> LinkStats {
        let workers = (0..MAX_PROCESSES).map(|slot| &self.worker(slot).counters);
        LinkStats::sum(u64::from(self.sets) * WAYS as u64, workers)
    }
}
