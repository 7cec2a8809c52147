//! Shared memory regions, and how a structure attaches to one.
//!
//! Every structure of this crate starts with a [`RegionHeader`]. Zeroed memory becomes a new structure; memory that
//! already holds one of the same kind, version and size is used as it is.

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Alignment of a region, bytes: a cache line.
pub(crate) const ALIGN: usize = 64;

/// Why a structure cannot use a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// The region cannot hold even the smallest structure.
    #[error("the zone is too small: {given} bytes, at least {needed} are needed")]
    TooSmall {
        /// Length given, bytes.
        given: usize,
        /// Smallest length, bytes.
        needed: usize,
    },
    /// The region has room for more elements than can be numbered.
    #[error("the zone is too large: {0} bytes")]
    TooLarge(usize),
    /// The address is not a multiple of 64.
    #[error("the zone is not aligned to 64 bytes")]
    Misaligned,
    /// The region holds something else, or was initialised by another version of the module.
    #[error("the zone has layout {found}, this module needs layout {expected}")]
    OtherLayout {
        /// Layout version found; 0 if the region holds another structure.
        found: u32,
        /// Layout version of this build.
        expected: u32,
    },
    /// The region was initialised for another size.
    #[error("the zone was created for {found} bytes, not for {given}")]
    OtherSize {
        /// Size found, bytes.
        found: u64,
        /// Size given, bytes.
        given: u64,
    },
    /// getrandom(2) failed.
    #[error("the kernel provides no random numbers")]
    NoRandom,
}

/// What a [`Region`] held when a structure attached to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// Zeros: the structure is new.
    Fresh,
    /// The structure, with its contents.
    Existing,
}

/// Memory for one structure, shared by every process that is forked after it was mapped.
#[derive(Debug)]
pub struct Region(Memory);

impl Region {
    /// Describes the `len` bytes at `base`.
    ///
    /// # Safety
    /// - The bytes are all zero, or hold what a structure of this crate has written to them.
    /// - They stay mapped for as long as any handle made of this region exists, at the same address in
    ///   all processes that use such a handle.
    /// - Nothing else accesses them.
    /// - No two processes attach to zeroed bytes at the same time.
    pub unsafe fn new(base: NonNull<u8>, len: usize) -> Self {
        Self(Memory { base, len })
    }

    /// Allocates `len` zeroed bytes of this process's own memory, which is never freed. Pages that are never written
    /// take no memory. `None`: `len` is 0, or the allocation failed.
    pub fn of_process(len: usize) -> Option<Self> {
        let layout = Layout::from_size_align(len, ALIGN).ok().filter(|layout| layout.size() > 0)?;
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        // SAFETY: zeroed, never freed, and not accessible to anybody else.
        Some(unsafe { Self::new(base, len) })
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.0.len
    }

    /// Initialises zeroed memory with `initialise`, or verifies the structure that is there. Touches
    /// the first `needed` bytes at most.
    ///
    /// # Errors
    /// See [`AttachError`]. If `initialise` fails, the region still counts as zeroed.
    pub(crate) fn attach<H: Header>(
        self,
        needed: usize,
        initialise: impl FnOnce(&H) -> Result<(), AttachError>,
    ) -> Result<(Memory, Attached), AttachError> {
        let Self(memory) = self;
        if !memory.base.addr().get().is_multiple_of(ALIGN) {
            return Err(AttachError::Misaligned);
        }
        if memory.len < needed.max(size_of::<H>()) {
            return Err(AttachError::TooSmall { given: memory.len, needed });
        }
        // SAFETY: the length was checked.
        let header = unsafe { memory.get::<H>(0) };
        let attached = header
            .region()
            .attach(H::MAGIC, H::LAYOUT, memory.len as u64, || initialise(header))?;
        Ok((memory, attached))
    }
}

/// The start of every region. All zero: not initialised.
#[repr(C)]
pub(crate) struct RegionHeader {
    magic: AtomicU64,
    bytes: AtomicU64,
    version: AtomicU32,
}

impl RegionHeader {
    fn attach(
        &self,
        magic: u64,
        version: u32,
        given: u64,
        initialise: impl FnOnce() -> Result<(), AttachError>,
    ) -> Result<Attached, AttachError> {
        match self.magic.load(Ordering::Acquire) {
            0 => {
                initialise()?;
                self.version.store(version, Ordering::Relaxed);
                self.bytes.store(given, Ordering::Relaxed);
                // Stored last: a region without a magic number counts as uninitialised.
                self.magic.store(magic, Ordering::Release);
                Ok(Attached::Fresh)
            }
            found if found == magic => {
                let found = self.version.load(Ordering::Relaxed);
                if found != version {
                    return Err(AttachError::OtherLayout { found, expected: version });
                }
                let found = self.bytes.load(Ordering::Relaxed);
                if found != given {
                    return Err(AttachError::OtherSize { found, given });
                }
                Ok(Attached::Existing)
            }
            _ => Err(AttachError::OtherLayout { found: 0, expected: version }),
        }
    }
}

/// The header of a structure; its first field is a [`RegionHeader`].
pub(crate) trait Header: Shared {
    /// Distinguishes the structure from all others.
    const MAGIC: u64;
    /// Changes with the layout of the structure and with the meaning of its fields. [`Header::COUNTERS`] covers the
    /// counters.
    const VERSION: u16;
    /// `LAYOUT` of the structure's counters; 0: it has none.
    const COUNTERS: u16 = 0;
    /// Two builds of the module can use the same region only if this is equal.
    const LAYOUT: u32 = (Self::VERSION as u32) << 16 | Self::COUNTERS as u32;

    fn region(&self) -> &RegionHeader;
}

/// A type that may be placed in shared memory.
///
/// # Safety
/// All fields are atomics, all zeros are a valid value, and the alignment is at most [`ALIGN`].
pub(crate) unsafe trait Shared {}

// SAFETY: an atomic.
unsafe impl Shared for AtomicU64 {}

/// The memory of an attached region, on which a structure's handles are built.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory outlives every handle (contract of `Region::new`) and is accessed through atomics,
// except for the bytes of a ring, which `Producer` and `Consumer` hand over.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// The value at `offset`.
    ///
    /// # Safety
    /// `offset` is a multiple of the alignment of `T`, and the value ends within the region.
    #[inline]
    pub(crate) unsafe fn get<T: Shared>(&self, offset: usize) -> &T {
        debug_assert!(offset + size_of::<T>() <= self.len);
        // SAFETY: in bounds and aligned (contract); all zeros are valid and all changes atomic (`Shared`).
        unsafe { self.base.byte_add(offset).cast::<T>().as_ref() }
    }

    /// `count` values from `offset` on.
    ///
    /// # Safety
    /// As for [`Memory::get`], for all of them.
    #[inline]
    pub(crate) unsafe fn slice<T: Shared>(&self, offset: usize, count: usize) -> &[T] {
        debug_assert!(offset + count * size_of::<T>() <= self.len);
        // SAFETY: as for `get`.
        unsafe {
            let first = self.base.byte_add(offset).cast::<T>();
            std::slice::from_raw_parts(first.as_ptr(), count)
        }
    }

    /// The address of the byte at `offset`.
    ///
    /// # Safety
    /// `offset` is within the region.
    #[inline]
    pub(crate) unsafe fn pointer(&self, offset: usize) -> NonNull<u8> {
        debug_assert!(offset <= self.len);
        // SAFETY: the same contract.
        unsafe { self.base.byte_add(offset) }
    }
}

/// Fills `words` with random numbers from the kernel.
pub(crate) fn fill_random(words: &[AtomicU64]) -> Result<(), AttachError> {
    for word in words {
        word.store(getrandom::u64().map_err(|_| AttachError::NoRandom)?, Ordering::Relaxed);
    }
    Ok(())
}

/// Loads each of `words`.
pub(crate) fn load<const N: usize>(words: &[AtomicU64; N]) -> [u64; N] {
    std::array::from_fn(|word| words[word].load(Ordering::Relaxed))
}
