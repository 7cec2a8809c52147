//! The zone's memory. All-zero sets are valid empty sets, so the memory of a new zone is not touched until it is used.
//!
//! ```text
//! TableHeader | WorkerSlot × 1024 | Set | Set | …            Set = SetHead + Entry × 15
//! ```

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::stats::TableCounters;
use crate::limits::MAX_PROCESSES;
use crate::process::ProcessSlot;
use crate::region::{
    ALIGN, AttachError, Attached, Header, Memory, Region, RegionHeader, Shared, fill_random,
};
use crate::robust_lock::RobustLock;

/// Sessions in a set.
pub(crate) const WAYS: usize = 15;
/// Words of an entry.
pub(crate) const WORDS: usize = 16;
/// Offset of the first set.
pub(crate) const SETS_AT: usize =
    (size_of::<TableHeader>() + size_of::<WorkerSlots>()).next_multiple_of(size_of::<Set>());
/// Smallest region of a table, bytes.
pub const MIN_BYTES: usize = SETS_AT + size_of::<Set>();

/// Start of the zone. All of it except `inactive_ms` and `unread_syntax` is written once, before workers exist.
#[repr(C, align(64))]
pub(super) struct TableHeader {
    region: RegionHeader,
    pub(super) inactive_ms: AtomicU64,
    pub(super) hash_key: [AtomicU64; 2],
    pub(super) secret: [AtomicU64; 4],
    /// Shared by all workers, since it counts rarely.
    pub(super) unread_syntax: AtomicU64,
}

/// One process slot, written only by the process registered in it.
#[repr(C, align(64))]
pub(crate) struct WorkerSlot {
    pub(super) process: ProcessSlot,
    /// Set whose lock the process owns, waits for or last owned, plus 1. The next process in the slot repairs that set.
    pub(super) set: AtomicU32,
    pub(super) counters: TableCounters,
    /// [`super::stats::OpenCounts`].
    pub(super) open: AtomicU64,
}

type WorkerSlots = [WorkerSlot; MAX_PROCESSES as usize];

/// Two cache lines with everything about a set except the sessions themselves.
#[repr(C, align(64))]
pub(crate) struct SetHead {
    pub(crate) lock: RobustLock,
    /// Low 16 bits: ways in use; high 16 bits: ways with a confirmed session.
    pub(super) ways: AtomicU32,
    /// [`super::lru_order::LruOrder`].
    pub(super) order: AtomicU64,
    /// One hash byte per session.
    pub(super) tags: [AtomicU64; 2],
    /// One hash byte per session's last client.
    pub(super) clients: [AtomicU64; 2],
    /// Processors fetch cache lines in pairs; this padding aligns each entry with a pair.
    _padding: [AtomicU64; 9],
}

/// One session; see [`super::entry`].
#[repr(C, align(64))]
pub(crate) struct Entry(pub(super) [AtomicU64; WORDS]);

/// Sessions that share a lock, an order of use and eviction. Half a page, so that an operation causes at most one TLB
/// miss, which dominates its cost when there are many sessions.
#[repr(C, align(64))]
pub(crate) struct Set {
    pub(crate) head: SetHead,
    pub(crate) entries: [Entry; WAYS],
}

const _: () = {
    assert!(size_of::<TableHeader>() == 128);
    // Counters that do not fit take another cache line of each slot: then raise this, for 64 KB more of a zone.
    assert!(size_of::<WorkerSlot>() <= 192);
    assert!(size_of::<SetHead>() == 128);
    assert!(size_of::<Entry>() == 128);
    // 7,680 sessions per megabyte.
    assert!(size_of::<Set>() == 2048);
    assert!(SETS_AT.is_multiple_of(ALIGN));
};

// SAFETY: atomics only, aligned to 64 bytes.
unsafe impl Shared for TableHeader {}
// SAFETY: as above.
unsafe impl Shared for WorkerSlot {}
// SAFETY: as above.
unsafe impl Shared for Set {}

impl Header for TableHeader {
    const MAGIC: u64 = u64::from_be_bytes(*b"apisess\x01");
    const VERSION: u16 = 7;
    const COUNTERS: u16 = TableCounters::LAYOUT;

    fn region(&self) -> &RegionHeader {
        &self.region
    }
}

/// Typed access to the parts of the zone.
#[derive(Clone, Copy)]
pub(super) struct TableMemory {
    memory: Memory,
    sets: u32,
}

impl TableMemory {
    pub(super) fn attach(
        region: Region,
        inactive_ms: u64,
    ) -> Result<(Self, Attached), AttachError> {
        let len = region.len();
        let sets = len.saturating_sub(SETS_AT) / size_of::<Set>();
        let sets = u32::try_from(sets).ok().filter(|sets| *sets < u32::MAX);
        let sets = sets.ok_or(AttachError::TooLarge(len))?;
        let (memory, attached) = region.attach(MIN_BYTES, |header: &TableHeader| {
            fill_random(&header.secret)?;
            fill_random(&header.hash_key)
        })?;
        let table = Self { memory, sets };
        table.header().inactive_ms.store(inactive_ms, Ordering::Relaxed);
        Ok((table, attached))
    }

    #[inline]
    pub(super) fn header(&self) -> &TableHeader {
        // SAFETY: the region holds `MIN_BYTES` and starts with the header.
        unsafe { self.memory.get(0) }
    }

    pub(super) fn workers(&self) -> &[WorkerSlot] {
        // SAFETY: the slots follow the header, both aligned to 64 bytes, and end before `SETS_AT`.
        unsafe { self.memory.slice(size_of::<TableHeader>(), usize::from(MAX_PROCESSES)) }
    }

    #[inline]
    pub(super) fn worker(&self, slot: u16) -> &WorkerSlot {
        let slot = usize::from(slot % MAX_PROCESSES);
        // SAFETY: as for `workers`; this is one of them.
        unsafe { self.memory.get(size_of::<TableHeader>() + slot * size_of::<WorkerSlot>()) }
    }

    #[inline]
    pub(super) fn sets(&self) -> u32 {
        self.sets
    }

    pub(super) fn capacity(&self) -> u64 {
        u64::from(self.sets) * WAYS as u64
    }

    #[inline]
    pub(super) fn set(&self, number: u32) -> Option<&Set> {
        let at = SETS_AT + number as usize * size_of::<Set>();
        // SAFETY: `number` is below the sets that fit between `SETS_AT` and the end of the region.
        (number < self.sets).then(|| unsafe { self.memory.get(at) })
    }
}
