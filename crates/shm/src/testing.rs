//! Shared memory of one process, for the tests of others.

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;

use super::{Denylist, DocumentRegion, QueueRegion};

/// Zeroed memory that is never given back.
fn memory(len: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(len, 64).expect("a layout");
    // SAFETY: the size is not zero.
    NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory")
}

/// A record queue.
pub fn queue_region(rings: usize, ring_bytes: usize) -> QueueRegion {
    let len = QueueRegion::bytes(rings, ring_bytes);
    // SAFETY: zeroed, aligned, and never freed.
    unsafe { QueueRegion::attach(memory(len), len, ring_bytes) }.expect("a region")
}

/// A shared configuration.
pub fn document_region(room: usize) -> DocumentRegion {
    let len = DocumentRegion::bytes(room);
    // SAFETY: as above.
    unsafe { DocumentRegion::attach(memory(len), len) }.expect("a region")
}

/// An empty denylist.
pub fn denylist(len: usize) -> Denylist {
    // SAFETY: as above.
    unsafe { Denylist::attach(memory(len), len) }.expect("a denylist").0
}
