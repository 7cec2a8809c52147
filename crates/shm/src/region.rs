//! The raw memory of the table, and all of the table's `unsafe`.

use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use super::layout::{ALIGN, Header, MAGIC, Owner, Owners, SETS_AT, Set, VERSION, WAYS};

/// Why memory cannot be a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Room for not even one set, or one entry of a denylist.
    #[error("the zone is too small: {given} bytes, at least {needed} are needed")]
    TooSmall {
        /// Length given.
        given: usize,
        /// Smallest length.
        needed: usize,
    },
    /// More sets than can be numbered.
    #[error("the zone is too large: {0} bytes")]
    TooLarge(usize),
    /// The address is not a multiple of 64.
    #[error("the zone's memory is not aligned to 64 bytes")]
    Misaligned,
    /// Initialised by something else, or by another version of the module.
    #[error(
        "the zone was made by something else or another version of the module (layout {found}, not {expected})"
    )]
    OtherLayout {
        /// Layout version found; 0 where it is no table at all.
        found: u32,
        /// Layout version of this build.
        expected: u32,
    },
    /// The zone was initialised with another length.
    #[error("the zone was made for {found} bytes and is {given}")]
    OtherLength {
        /// Length it was made for.
        found: u64,
        /// Length given.
        given: u64,
    },
    /// getrandom(2) failed.
    #[error("no random numbers from the kernel")]
    NoRandom,
}

/// What [`super::SessionTable::attach`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// Zeros: the table is new.
    Fresh,
    /// A table, with whatever it holds.
    Existing,
}

/// Smallest zone, bytes.
pub const MIN_BYTES: usize = SETS_AT + size_of::<Set>();

/// The zone as its parts.
#[derive(Clone, Copy)]
pub(super) struct Region {
    base: NonNull<u8>,
    sets: u32,
}

// SAFETY: the memory outlives every handle (contract of `Region::attach`), and after `attach` all
// that is written in it are atomics.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// # Safety
    /// As for [`super::SessionTable::attach`].
    pub(super) unsafe fn attach(
        base: NonNull<u8>,
        len: usize,
        inactive_ms: u64,
    ) -> Result<(Self, Attached), TableError> {
        if !base.addr().get().is_multiple_of(ALIGN) {
            return Err(TableError::Misaligned);
        }
        let sets = len.checked_sub(SETS_AT).map_or(0, |bytes| bytes / size_of::<Set>());
        if sets == 0 {
            return Err(TableError::TooSmall { given: len, needed: MIN_BYTES });
        }
        let sets = u32::try_from(sets).ok().filter(|sets| *sets < u32::MAX);
        let region = Self { base, sets: sets.ok_or(TableError::TooLarge(len))? };
        let attached = match region.header().magic.load(Ordering::Acquire) {
            0 => {
                // SAFETY: nobody has seen the zone yet (no magic), so the header is ours alone.
                unsafe { region.initialise(len as u64)? };
                Attached::Fresh
            }
            MAGIC => {
                region.check(len as u64)?;
                Attached::Existing
            }
            _ => return Err(TableError::OtherLayout { found: 0, expected: VERSION }),
        };
        region.header().inactive_ms.store(inactive_ms, Ordering::Relaxed);
        Ok((region, attached))
    }

    /// # Safety
    /// No other reference to the header exists, in this or another process.
    unsafe fn initialise(&self, len: u64) -> Result<(), TableError> {
        let mut random = [0u8; 48];
        fill_random(&mut random)?;
        let (secret, keys) = random.split_at(32);
        // SAFETY: in bounds and aligned (checked by `attach`), and exclusive (contract).
        let header = unsafe { self.base.cast::<Header>().as_mut() };
        header.secret.copy_from_slice(secret);
        for (word, bytes) in header.hash_key.iter_mut().zip(keys.as_chunks::<8>().0) {
            *word.get_mut() = u64::from_ne_bytes(*bytes);
        }
        *header.version.get_mut() = VERSION;
        *header.sets.get_mut() = self.sets;
        *header.bytes.get_mut() = len;
        // Last: a zone without it is as if never touched.
        header.magic.store(MAGIC, Ordering::Release);
        Ok(())
    }

    fn check(&self, given: u64) -> Result<(), TableError> {
        let header = self.header();
        let found = header.version.load(Ordering::Relaxed);
        if found != VERSION {
            return Err(TableError::OtherLayout { found, expected: VERSION });
        }
        let found = header.bytes.load(Ordering::Relaxed);
        if found != given || header.sets.load(Ordering::Relaxed) != self.sets {
            return Err(TableError::OtherLength { found, given });
        }
        Ok(())
    }

    #[inline]
    pub(super) fn header(&self) -> &Header {
        // SAFETY: in bounds and aligned (`attach`); shared data in it are atomics, the rest is
        // written before anybody else has a reference.
        unsafe { self.base.cast::<Header>().as_ref() }
    }

    #[inline]
    pub(super) fn owners(&self) -> &Owners {
        // SAFETY: `attach` checked that the length covers `SETS_AT` bytes, of which these are some; the alignment of the base is checked, and an owner holds atomics only.
        unsafe { self.base.byte_add(size_of::<Header>()).cast::<Owners>().as_ref() }
    }

    #[inline]
    pub(super) fn owner(&self, slot: u16) -> &Owner {
        let owners = self.owners();
        &owners[usize::from(slot) % owners.len()]
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
        // SAFETY: `number` is less than the sets that `attach` found room for; a set holds atomics
        // only, and all zeros are a valid one.
        (number < self.sets).then(|| unsafe { self.base.byte_add(at).cast::<Set>().as_ref() })
    }
}

/// Fills `bytes` from getrandom(2).
pub(super) fn fill_random(bytes: &mut [u8]) -> Result<(), TableError> {
    // SAFETY: the pointer and the length are those of a slice that is ours to write.
    let got = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    // Up to 256 bytes come whole or not at all, once the kernel's generator is ready.
    if usize::try_from(got) == Ok(bytes.len()) { Ok(()) } else { Err(TableError::NoRandom) }
}
