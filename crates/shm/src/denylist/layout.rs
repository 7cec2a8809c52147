//! The denylist's memory.
//!
//! ```text
//! DenylistHeader | heads: u64 × n | cell bits | text bits | cells: 48 bytes × n | texts: 16 bytes × n
//! ```

use std::sync::atomic::{AtomicU32, AtomicU64};

use super::cell::Cell;
use crate::process::ProcessSlots;
use crate::region::{
    ALIGN, AttachError, Attached, Header, Memory, Region, RegionHeader, Shared, fill_random,
};
use crate::robust_lock::RobustLock;

/// Allocation unit of the text heap, bytes.
pub(super) const UNIT_BYTES: usize = 16;

/// The region is divided into lots, one for each word of the bitmaps.
const LOT: usize = u64::BITS as usize;
/// Bytes of a lot: heads, cells and text units, and a word of each bitmap.
const LOT_BYTES: usize =
    LOT * (size_of::<u64>() + size_of::<Cell>() + UNIT_BYTES) + 2 * size_of::<u64>();
/// A link contains a cell's number plus 1 in 24 bits.
const MAX_LOTS: usize = (1 << 24) / LOT - 1;

pub(super) const RESTORE_BEGUN: u32 = 1;
pub(super) const RESTORE_DONE: u32 = 2;

/// Start of the region.
#[repr(C, align(64))]
pub(super) struct DenylistHeader {
    region: RegionHeader,
    /// At least the number of linked cells: 0 means that no session is denied.
    pub(super) entries: AtomicU32,
    pub(super) hash_key: [AtomicU64; 2],
    pub(super) lock: RobustLock,
    /// What the owner of the lock is changing, for recovery after its death.
    pub(super) intent: Intent,
    /// Owner id of the process that applies a document from the cloud.
    pub(super) syncing: AtomicU32,
    /// Mark of the last document.
    pub(super) mark: AtomicU32,
    pub(super) recovered: AtomicU32,
    /// Number of changes, which tells the owner of a copy that it is outdated.
    pub(super) changes: AtomicU32,
    /// How far the list is restored from a copy: 0, [`RESTORE_BEGUN`] or [`RESTORE_DONE`].
    pub(super) restored: AtomicU32,
    pub(super) processes: ProcessSlots,
}

/// Bucket, and cells plus 1 (0: none), that a writer may leave half linked or half unlinked if it dies.
#[repr(C)]
pub(super) struct Intent {
    pub(super) bucket: AtomicU32,
    pub(super) new: AtomicU32,
    pub(super) old: AtomicU32,
}

const _: () = assert!(size_of::<DenylistHeader>().is_multiple_of(ALIGN));

// SAFETY: atomics only, aligned to 64 bytes.
unsafe impl Shared for DenylistHeader {}

impl Header for DenylistHeader {
    const MAGIC: u64 = u64::from_be_bytes(*b"apideny\x01");
    const VERSION: u16 = 5;

    fn region(&self) -> &RegionHeader {
        &self.region
    }
}

/// Typed access to the parts of the region.
#[derive(Clone, Copy)]
pub(super) struct DenylistMemory {
    memory: Memory,
    lots: usize,
}

impl DenylistMemory {
    pub(super) fn attach(region: Region) -> Result<(Self, Attached), AttachError> {
        let lots = region.len().saturating_sub(size_of::<DenylistHeader>()) / LOT_BYTES;
        if lots > MAX_LOTS {
            return Err(AttachError::TooLarge(region.len()));
        }
        let needed = size_of::<DenylistHeader>() + LOT_BYTES;
        let (memory, attached) =
            region.attach(needed, |header: &DenylistHeader| fill_random(&header.hash_key))?;
        Ok((Self { memory, lots }, attached))
    }

    #[inline]
    pub(super) fn header(&self) -> &DenylistHeader {
        // SAFETY: the region is long enough and starts with the header.
        unsafe { self.memory.get(0) }
    }

    /// First link of each bucket.
    #[inline]
    pub(super) fn heads(&self) -> &[AtomicU64] {
        self.part(0, self.lots * LOT)
    }

    /// One bit per cell: taken.
    pub(super) fn cell_bits(&self) -> &[AtomicU64] {
        self.part(self.lots * LOT * 8, self.lots)
    }

    /// One bit per unit of text: taken.
    pub(super) fn text_bits(&self) -> &[AtomicU64] {
        self.part(self.lots * (LOT * 8 + 8), self.lots)
    }

    #[inline]
    pub(super) fn cells(&self) -> &[Cell] {
        self.part(self.lots * (LOT * 8 + 16), self.lots * LOT)
    }

    #[inline]
    pub(super) fn cell(&self, number: u32) -> Option<&Cell> {
        self.cells().get(number as usize)
    }

    /// The words of the text of `bytes` bytes that starts at `unit`.
    #[inline]
    pub(super) fn text(&self, unit: u32, bytes: usize) -> Option<&[AtomicU64]> {
        let start = unit as usize * (UNIT_BYTES / 8);
        let words: &[AtomicU64] = self.part(
            self.lots * (LOT * (8 + size_of::<Cell>()) + 16),
            self.text_units() * (UNIT_BYTES / 8),
        );
        words.get(start..start.checked_add(bytes.div_ceil(8))?)
    }

    pub(super) fn text_units(&self) -> usize {
        self.lots * LOT
    }

    /// `count` values from `offset` bytes after the header.
    #[inline]
    fn part<T: Shared>(&self, offset: usize, count: usize) -> &[T] {
        // SAFETY: called above only, with the offsets of a lot's parts times the number of lots, which end
        // within the region. Offsets and alignments are multiples of 8.
        unsafe { self.memory.slice(size_of::<DenylistHeader>() + offset, count) }
    }
}
