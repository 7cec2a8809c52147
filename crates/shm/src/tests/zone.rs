//! A zone in the test's own memory: shared with its child processes, as NGINX's zones are, or plain memory under Miri.

use std::ptr::NonNull;

use crate::session_table::layout::{SETS_AT, Set};
use crate::{AttachError, Attached, Denylist, Region, SessionTable};
#[cfg(not(miri))]
use crate::{Links, Mailbox, RuleCounts};

pub(super) struct Zone {
    base: NonNull<u8>,
    len: usize,
}

impl Zone {
    pub(super) fn new(len: usize) -> Self {
        Self { base: imp::map(len), len }
    }

    pub(super) fn of_sets(sets: usize) -> Self {
        Self::new(SETS_AT + sets * size_of::<Set>())
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn region(&self, len: usize) -> Region {
        // SAFETY: zeroed at first, accessed only through this zone's handles, and unmapped after them (tests drop the
        // zone last).
        unsafe { Region::new(self.base, len) }
    }

    /// The handle must not outlive the zone.
    pub(super) fn attach(&self, inactive_ms: u64) -> Result<(SessionTable, Attached), AttachError> {
        SessionTable::attach(self.region(self.len), inactive_ms)
    }

    /// Attaches a denylist.
    pub(super) fn attach_denylist(&self) -> Result<(Denylist, Attached), AttachError> {
        Denylist::attach(self.region(self.len))
    }

    /// Attaches links.
    #[cfg(not(miri))]
    pub(super) fn attach_links(&self, inactive_s: u32) -> Result<(Links, Attached), AttachError> {
        Links::attach(self.region(self.len), inactive_s)
    }

    /// Attaches rule counts.
    #[cfg(not(miri))]
    pub(super) fn attach_rule_counts(&self) -> Result<(RuleCounts, Attached), AttachError> {
        RuleCounts::attach(self.region(self.len))
    }

    /// Attaches a mailbox.
    #[cfg(not(miri))]
    pub(super) fn attach_mailbox(&self) -> Mailbox {
        Mailbox::attach(self.region(self.len)).unwrap().0
    }

    /// Attaches the same memory with a shorter length.
    pub(super) fn attach_shorter(&self) -> Result<(SessionTable, Attached), AttachError> {
        SessionTable::attach(self.region(self.len - size_of::<Set>()), 1)
    }

    /// Pages that have been touched.
    #[cfg(not(miri))]
    pub(super) fn resident_pages(&self) -> usize {
        let mut pages = vec![0u8; self.len.div_ceil(4096)];
        // SAFETY: the range is mapped, and there is a byte for each of its pages.
        let done =
            unsafe { libc::mincore(self.base.as_ptr().cast(), self.len, pages.as_mut_ptr()) };
        assert_eq!(done, 0);
        pages.iter().filter(|page| **page & 1 == 1).count()
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        imp::unmap(self.base, self.len);
    }
}

#[cfg(not(miri))]
mod imp {
    use std::ptr::{NonNull, null_mut};

    pub(super) fn map(len: usize) -> NonNull<u8> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        // SAFETY: a new anonymous mapping, at an address of the kernel's choice.
        let base = unsafe { libc::mmap(null_mut(), len, access, kind, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        NonNull::new(base.cast()).unwrap()
    }

    pub(super) fn unmap(base: NonNull<u8>, len: usize) {
        // SAFETY: mapped by `map` with this length; nothing refers to it any more.
        unsafe { libc::munmap(base.as_ptr().cast(), len) };
    }
}

#[cfg(miri)]
mod imp {
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::ptr::NonNull;

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len, 4096).unwrap()
    }

    pub(super) fn map(len: usize) -> NonNull<u8> {
        // SAFETY: the size is not zero.
        NonNull::new(unsafe { alloc_zeroed(layout(len)) }).unwrap()
    }

    pub(super) fn unmap(base: NonNull<u8>, len: usize) {
        // SAFETY: allocated by `map` with this layout.
        unsafe { dealloc(base.as_ptr(), layout(len)) }
    }
}
