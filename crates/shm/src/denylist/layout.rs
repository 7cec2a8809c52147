//! What lies where in the denylist's region, and all of its `unsafe`.
//!
//! ```text
//! Header | heads: u64 × n | cell bits | text bits | cells: 48 bytes × n | texts: 16 bytes × n
//! ```

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::super::layout::ALIGN;
use super::super::lock::SetLock;
use super::super::owner::{Life, MAX_SLOTS};
use super::super::region::{Attached, TableError, fill_random};

const MAGIC: u64 = u64::from_be_bytes(*b"apideny\x01");
const VERSION: u32 = 3;

/// Bytes of the smallest piece of text.
pub(super) const UNIT_BYTES: usize = 16;

/// Cells come in lots of a word of bits.
const LOT: usize = u64::BITS as usize;
/// Bytes a lot of cells needs: heads, a word of bits for cells and for texts, cells and texts.
const LOT_BYTES: usize = LOT * (8 + size_of::<Cell>() + UNIT_BYTES) + 2 * 8;

/// Start of the region. All but `magic` is zero at first.
#[repr(C, align(64))]
pub(super) struct Header {
    pub(super) magic: AtomicU64,
    pub(super) version: AtomicU32,
    /// Not below the number of linked cells, so that 0 says: nobody is denied.
    pub(super) entries: AtomicU32,
    pub(super) bytes: AtomicU64,
    pub(super) hash_key: [AtomicU64; 2],
    pub(super) lock: SetLock,
    /// What the holder of the lock works on: bucket, and cells plus 1.
    pub(super) intent: Intent,
    /// Token of the process that is taking over a document of the cloud.
    pub(super) syncing: AtomicU32,
    /// Mark of the last document.
    pub(super) mark: AtomicU32,
    pub(super) recovered: AtomicU32,
    /// One more with each change: who keeps a copy sees that it is old.
    pub(super) changes: AtomicU32,
    pub(super) lives: [Life; MAX_SLOTS as usize],
}

/// Cells whose links may or may not have been made when the writer died.
#[repr(C)]
pub(super) struct Intent {
    pub(super) bucket: AtomicU32,
    pub(super) new: AtomicU32,
    pub(super) old: AtomicU32,
}

/// One entry.
#[repr(C)]
pub(super) struct Cell {
    /// Link to the next cell of the bucket.
    pub(super) next: AtomicU64,
    pub(super) id: [AtomicU64; 2],
    /// Since (48 bits), mark of the document it came with (16 bits; 0: local).
    pub(super) since: AtomicU64,
    /// Until (48 bits; 0: for good), bytes of text (15 bits), whether it names applications (1 bit).
    pub(super) until: AtomicU64,
    /// Odd while the cell is in use; one more each time it becomes so or ceases to be. A link holds
    /// its low 24 bits.
    pub(super) generation: AtomicU32,
    /// First unit of its text, plus 1.
    pub(super) text: AtomicU32,
}

const _: () = assert!(size_of::<Cell>() == 48);
const _: () = assert!(size_of::<Header>().is_multiple_of(ALIGN));

/// The region as its parts.
#[derive(Clone, Copy)]
pub(super) struct Region {
    base: NonNull<u8>,
    lots: usize,
}

// SAFETY: the memory outlives every handle (contract of `Region::attach`), and after `attach` all
// that is written in it are atomics.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// # Safety
    /// As for [`super::super::SessionTable::attach`].
    pub(super) unsafe fn attach(
        base: NonNull<u8>,
        len: usize,
    ) -> Result<(Self, Attached), TableError> {
        if !base.addr().get().is_multiple_of(ALIGN) {
            return Err(TableError::Misaligned);
        }
        let lots = len.saturating_sub(size_of::<Header>()) / LOT_BYTES;
        if lots == 0 {
            let needed = size_of::<Header>() + LOT_BYTES;
            return Err(TableError::TooSmall { given: len, needed });
        }
        // A link holds a cell's number plus 1 in 24 bits.
        if lots >= (1 << 24) / LOT {
            return Err(TableError::TooLarge(len));
        }
        let region = Self { base, lots };
        let header = region.header();
        let attached = match header.magic.load(Ordering::Acquire) {
            0 => {
                let mut random = [0u8; 16];
                fill_random(&mut random)?;
                for (word, bytes) in header.hash_key.iter().zip(random.as_chunks::<8>().0) {
                    word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
                }
                header.version.store(VERSION, Ordering::Relaxed);
                header.bytes.store(len as u64, Ordering::Relaxed);
                header.magic.store(MAGIC, Ordering::Release);
                Attached::Fresh
            }
            MAGIC => {
                let found = header.version.load(Ordering::Relaxed);
                if found != VERSION {
                    return Err(TableError::OtherLayout { found, expected: VERSION });
                }
                let (found, given) = (header.bytes.load(Ordering::Relaxed), len as u64);
                if found != given {
                    return Err(TableError::OtherLength { found, given });
                }
                Attached::Existing
            }
            _ => return Err(TableError::OtherLayout { found: 0, expected: VERSION }),
        };
        Ok((region, attached))
    }

    #[inline]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: in bounds and aligned (`attach`); atomics only.
        unsafe { self.base.cast::<Header>().as_ref() }
    }

    /// First link of each bucket.
    #[inline]
    pub(super) fn heads(&self) -> &[AtomicU64] {
        self.part(0, self.lots * LOT)
    }

    /// A bit for each cell that is taken.
    pub(super) fn cell_bits(&self) -> &[AtomicU64] {
        self.part(self.lots * LOT * 8, self.lots)
    }

    /// A bit for each unit of text that is taken.
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

    /// The words of a text of `bytes` bytes that begins with `unit`.
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

    /// `count` parts from `at` bytes behind the header.
    #[inline]
    fn part<T: Part>(&self, at: usize, count: usize) -> &[T] {
        debug_assert!(at + count * size_of::<T>() <= self.lots * LOT_BYTES);
        // SAFETY: only called above, with the offsets of a lot's parts times the number of lots,
        // which end within the length that `attach` was given; all offsets are multiples of 8 and
        // so is the alignment of the parts, which are atomics and valid as zeros.
        unsafe {
            let first = self.base.byte_add(size_of::<Header>() + at).cast::<T>();
            std::slice::from_raw_parts(first.as_ptr(), count)
        }
    }
}

/// What the region is made of: atomics, aligned to 8 bytes, valid as zeros.
trait Part {}
impl Part for AtomicU64 {}
impl Part for Cell {}
