//! The words of a cell.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::text::Text;
use crate::region::{Shared, load};

const TIME_MAX: u64 = (1 << 48) - 1;
const LOW: u32 = (1 << 24) - 1;

/// One entry.
#[repr(C)]
pub(super) struct Cell {
    /// [`Link`] to the next cell of the bucket.
    pub(super) next: AtomicU64,
    pub(super) id: [AtomicU64; 2],
    /// Time of denial (48 bits), mark of the cloud's document (16 bits; 0: local).
    pub(super) since: AtomicU64,
    /// Expiry (48 bits; 0: none), bytes of text (15 bits), whether it names applications (1 bit).
    pub(super) until: AtomicU64,
    /// Odd while the cell is in use; incremented whenever that changes. A link contains the low 24 bits.
    pub(super) generation: AtomicU32,
    /// First unit of the text, plus 1.
    pub(super) text: AtomicU32,
}

const _: () = assert!(size_of::<Cell>() == 48);

// SAFETY: atomics only, aligned to 8 bytes.
unsafe impl Shared for Cell {}

impl Cell {
    /// Whether the cell is still the one that a link with this `generation` refers to. If so, everything read from it
    /// beforehand is valid: the fence orders those reads before that of the generation.
    #[inline]
    pub(super) fn is_current(&self, generation: u32) -> bool {
        fence(Ordering::Acquire);
        self.generation.load(Ordering::Relaxed) & LOW == generation & LOW
    }
}

/// Number (24 bits, plus 1) and generation (24 bits) of a cell, in one word. 0: the end of the chain. The head of a
/// bucket also contains the union of its entries' fingerprints (16 bits, possibly with superfluous bits), which alone
/// decides most lookups of sessions that are not denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link(u64);

impl Link {
    pub(super) fn to(cell: u32, generation: u32) -> Self {
        Self(u64::from(generation & LOW) << 24 | u64::from((cell + 1) & LOW))
    }

    pub(super) fn with_fingerprints(self, fingerprints: u16) -> Self {
        Self(self.0 << 16 >> 16 | u64::from(fingerprints) << 48)
    }

    #[inline]
    pub(super) fn fingerprints(self) -> u16 {
        (self.0 >> 48) as u16
    }

    #[inline]
    pub(super) fn load(from: &AtomicU64) -> Self {
        Self(from.load(Ordering::Acquire))
    }

    pub(super) fn word(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) fn cell(self) -> Option<u32> {
        (self.0 as u32 & LOW).checked_sub(1)
    }

    #[inline]
    pub(super) fn generation(self) -> u32 {
        (self.0 >> 24) as u32 & LOW
    }
}

/// The word of [`Cell::since`].
pub(super) fn since_word(since_ms: u64, mark: u16) -> u64 {
    since_ms.min(TIME_MAX) | u64::from(mark) << 48
}

/// The word of [`Cell::until`].
pub(super) fn until_word(until_ms: Option<u64>, text: &Text) -> u64 {
    let until_ms = until_ms.map_or(0, |until_ms| until_ms.clamp(1, TIME_MAX));
    until_ms | (text.len() as u64) << 48 | u64::from(text.has_applications) << 63
}

/// A copy of a cell except for its links.
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) id: [u64; 2],
    pub(super) since: u64,
    pub(super) until: u64,
    pub(super) text: u32,
}

impl Fields {
    #[inline]
    pub(super) fn load(cell: &Cell) -> Self {
        Self {
            id: load(&cell.id),
            since: cell.since.load(Ordering::Relaxed),
            until: cell.until.load(Ordering::Relaxed),
            text: cell.text.load(Ordering::Relaxed),
        }
    }

    pub(super) fn since_ms(&self) -> u64 {
        self.since & TIME_MAX
    }

    /// `None`: the entry does not expire.
    pub(super) fn until_ms(&self) -> Option<u64> {
        let until_ms = self.until & TIME_MAX;
        (until_ms != 0).then_some(until_ms)
    }

    /// Mark of the cloud's document; 0: local.
    pub(super) fn mark(&self) -> u16 {
        (self.since >> 48) as u16
    }

    #[inline]
    pub(super) fn is_in_force(&self, now_ms: u64) -> bool {
        let until_ms = self.until & TIME_MAX;
        until_ms == 0 || now_ms < until_ms
    }

    #[inline]
    pub(super) fn has_applications(&self) -> bool {
        self.until >> 63 == 1
    }

    pub(super) fn text_bytes(&self) -> usize {
        (self.until >> 48 & 0x7fff) as usize
    }
}
