//! A zone in a test's own memory.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use crate::table::layout::{SETS_AT, Set};
use crate::table::{Attached, Denylist, Table, TableError};

pub(super) struct Zone {
    base: NonNull<u8>,
    layout: Layout,
}

impl Zone {
    pub(super) fn new(len: usize) -> Self {
        let layout = Layout::from_size_align(len, 4096).unwrap();
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        Self { base, layout }
    }

    pub(super) fn of_sets(sets: usize) -> Self {
        Self::new(SETS_AT + sets * size_of::<Set>())
    }

    /// The handle must not outlive the zone.
    pub(super) fn attach(&self, inactive_ms: u64) -> Result<(Table, Attached), TableError> {
        // SAFETY: zeroed at first, ours alone, and freed after the handles (by the tests' order).
        unsafe { Table::attach(self.base, self.layout.size(), inactive_ms) }
    }

    /// As a denylist instead.
    pub(super) fn attach_denylist(&self) -> Result<(Denylist, Attached), TableError> {
        // SAFETY: as above.
        unsafe { Denylist::attach(self.base, self.layout.size()) }
    }

    /// The same memory under another length.
    pub(super) fn attach_shorter(&self) -> Result<(Table, Attached), TableError> {
        // SAFETY: as above.
        unsafe { Table::attach(self.base, self.layout.size() - size_of::<Set>(), 1) }
    }
}

impl Drop for Zone {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) }
    }
}
