//! The zone's memory; all zeros are an empty table.
//!
//! ```text
//! CountsHeader | CountWorker × 1024 | CountSet | CountSet | …
//! CountSet = one cache line (lock, tags, times) + 13 entries of one cache line = 896 bytes
//! ```

use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};

use super::CountWords;
use super::stats::{CountCounters, RuleCountsStats};
use crate::limits::MAX_PROCESSES;
use crate::prefetch::prefetch;
use crate::process::ProcessSlot;
use crate::region::{
    AttachError, Attached, Header, Memory, Region, RegionHeader, Shared, fill_random,
};
use crate::robust_lock::RobustLock;

/// Entries of a set.
pub(super) const WAYS: usize = 13;
/// Words of an entry: the key, then its content.
const WORDS: usize = 8;
const SETS_AT: usize = size_of::<CountsHeader>() + size_of::<CountWorkers>();
/// Smallest region of a table, bytes.
pub const MIN_RULE_COUNTS_BYTES: usize = SETS_AT + size_of::<CountSet>();
/// Unit of the times of last use, milliseconds: 16 bits span three days.
const USED_MS: u64 = 4096;

/// Start of the zone.
#[repr(C, align(64))]
pub(super) struct CountsHeader {
    region: RegionHeader,
    pub(super) hash_key: [AtomicU64; 2],
}

/// One process slot, written only by the process registered in it.
#[repr(C, align(64))]
pub(crate) struct CountWorker {
    pub(super) process: ProcessSlot,
    /// Set whose lock the process owns, waits for or last owned, plus 1.
    pub(super) set: AtomicU32,
    pub(super) counters: CountCounters,
}

type CountWorkers = [CountWorker; MAX_PROCESSES as usize];

/// Entries under one lock.
#[repr(C, align(64))]
pub(crate) struct CountSet {
    pub(super) lock: RobustLock,
    /// 16 bits of each key; 0: free. Lets a search read a single cache line.
    tags: [AtomicU16; WAYS],
    /// Time of last use of each entry, in units of [`USED_MS`], wrapping around.
    used: [AtomicU16; WAYS],
    entries: [[AtomicU64; WORDS]; WAYS],
}

const _: () = {
    assert!(size_of::<CountSet>() == 64 + WAYS * 64);
    assert!(size_of::<CountWorker>().is_multiple_of(64));
};

// SAFETY: atomics only, aligned to 64 bytes.
unsafe impl Shared for CountsHeader {}
// SAFETY: as above.
unsafe impl Shared for CountWorker {}
// SAFETY: as above.
unsafe impl Shared for CountSet {}

impl Header for CountsHeader {
    const MAGIC: u64 = u64::from_be_bytes(*b"apirule\x01");
    const VERSION: u16 = 1;
    const COUNTERS: u16 = CountCounters::LAYOUT;

    fn region(&self) -> &RegionHeader {
        &self.region
    }
}

#[inline]
fn tag(key: u64) -> u16 {
    (key as u16).max(1)
}

/// The first way to look for a key, and to store it in if free. Known before the tags are read, so both can be
/// prefetched.
#[inline]
fn home(key: u64) -> usize {
    ((key >> 16 & 0xffff) as usize * WAYS) >> 16
}

#[inline]
fn used(now_ms: u64) -> u16 {
    (now_ms / USED_MS) as u16
}

impl CountSet {
    /// Prefetches the cache lines that a lookup of `key` reads.
    #[inline]
    pub(super) fn prefetch(&self, key: u64) {
        prefetch(self);
        if let Some(entry) = self.entries.get(home(key)) {
            prefetch(entry);
        }
    }

    #[inline]
    pub(super) fn find(&self, key: u64) -> Option<usize> {
        let at_home = self.tags.get(home(key)).zip(self.entries.get(home(key)));
        if at_home.is_some_and(|(held, entry)| {
            held.load(Ordering::Relaxed) == tag(key) && entry[0].load(Ordering::Relaxed) == key
        }) {
            return Some(home(key));
        }
        let tags = self.tags.iter().enumerate();
        let mut same = tags.filter(|(_, held)| held.load(Ordering::Relaxed) == tag(key));
        same.find_map(|(way, _)| {
            let entry = self.entries.get(way)?;
            (entry[0].load(Ordering::Relaxed) == key).then_some(way)
        })
    }

    #[inline]
    pub(super) fn words(&self, way: usize) -> CountWords {
        let Some([_, words @ ..]) = self.entries.get(way) else { return CountWords::default() };
        std::array::from_fn(|at| words[at].load(Ordering::Relaxed))
    }

    /// The way for a new entry, and whether another entry is evicted for it.
    pub(super) fn room(&self, key: u64, now_ms: u64) -> (usize, bool) {
        let is_free = |tag: &AtomicU16| tag.load(Ordering::Relaxed) == 0;
        if self.tags.get(home(key)).is_some_and(is_free) {
            return (home(key), false);
        }
        if let Some(way) = self.tags.iter().position(is_free) {
            return (way, false);
        }
        let ages = self.used.iter().map(|at| used(now_ms).wrapping_sub(at.load(Ordering::Relaxed)));
        let oldest = ages.enumerate().max_by_key(|(_, age)| *age);
        (oldest.map_or(0, |(way, _)| way), true)
    }

    /// Only for the owner of the lock.
    pub(super) fn write(&self, way: usize, key: u64, words: &CountWords, now_ms: u64) {
        let (Some(entry), Some(held), Some(at)) =
            (self.entries.get(way), self.tags.get(way), self.used.get(way))
        else {
            return;
        };
        self.lock.begin_change();
        self.lock.begin_multi_word(way as u32 + 1);
        for (word, value) in entry.iter().skip(1).zip(words) {
            word.store(*value, Ordering::Relaxed);
        }
        entry[0].store(key, Ordering::Relaxed);
        held.store(tag(key), Ordering::Relaxed);
        at.store(used(now_ms), Ordering::Relaxed);
        self.lock.end_multi_word();
        self.lock.end_change();
    }

    /// Repairs the set after the death of an owner that noted `multi_word`. Returns whether an entry is lost.
    pub(super) fn repair(&self, multi_word: u32) -> bool {
        let way = multi_word.checked_sub(1).map(|way| way as usize);
        let parts = way.and_then(|way| Some((self.entries.get(way)?, self.tags.get(way)?)));
        if let Some((entry, tag)) = parts {
            tag.store(0, Ordering::Relaxed);
            entry[0].store(0, Ordering::Relaxed);
        }
        self.lock.make_consistent();
        parts.is_some()
    }
}

/// Typed access to the parts of the zone.
#[derive(Clone, Copy)]
pub(super) struct CountsMemory {
    memory: Memory,
    sets: u32,
}

impl CountsMemory {
    pub(super) fn attach(region: Region) -> Result<(Self, Attached), AttachError> {
        let len = region.len();
        let sets = len.saturating_sub(SETS_AT) / size_of::<CountSet>();
        let sets = u32::try_from(sets).ok().filter(|sets| *sets < u32::MAX);
        let sets = sets.ok_or(AttachError::TooLarge(len))?;
        let (memory, attached) = region
            .attach(MIN_RULE_COUNTS_BYTES, |header: &CountsHeader| fill_random(&header.hash_key))?;
        Ok((Self { memory, sets }, attached))
    }

    #[inline]
    pub(super) fn header(&self) -> &CountsHeader {
        // SAFETY: the region holds `MIN_RULE_COUNTS_BYTES` and starts with the header.
        unsafe { self.memory.get(0) }
    }

    #[inline]
    pub(super) fn worker(&self, slot: u16) -> &CountWorker {
        let slot = usize::from(slot % MAX_PROCESSES);
        // SAFETY: the slots follow the header, both aligned to 64 bytes, and end before `SETS_AT`.
        unsafe { self.memory.get(size_of::<CountsHeader>() + slot * size_of::<CountWorker>()) }
    }

    #[inline]
    pub(super) fn sets(&self) -> u32 {
        self.sets
    }

    #[inline]
    pub(super) fn set(&self, number: u32) -> Option<&CountSet> {
        let at = SETS_AT + number as usize * size_of::<CountSet>();
        // SAFETY: `number` is below the sets that fit between `SETS_AT` and the end of the region.
        (number < self.sets).then(|| unsafe { self.memory.get(at) })
    }

    pub(super) fn stats(&self) -> RuleCountsStats {
        let workers = (0..MAX_PROCESSES).map(|slot| &self.worker(slot).counters);
        RuleCountsStats::sum(u64::from(self.sets) * WAYS as u64, workers)
    }
}
