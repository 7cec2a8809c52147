//! Shared memory of one process, for the tests of others.

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;

use super::QueueRegion;

/// A region over memory that is never given back.
pub(crate) fn queue_region(rings: usize, ring_bytes: usize) -> QueueRegion {
    let len = QueueRegion::bytes(rings, ring_bytes);
    let layout = Layout::from_size_align(len, 64).expect("a layout");
    // SAFETY: the size is not zero.
    let base = NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory");
    // SAFETY: zeroed, aligned, and never freed.
    unsafe { QueueRegion::attach(base, len, ring_bytes) }.expect("a region")
}
