//! Shared memory of one process, for the tests of others.

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;

use super::{Denylist, RecordQueue, SharedConfig};

/// Zeroed memory that is never given back.
fn memory(len: usize) -> NonNull<u8> {
    let layout = Layout::from_size_align(len, 64).expect("a layout");
    // SAFETY: the size is not zero.
    NonNull::new(unsafe { alloc_zeroed(layout) }).expect("memory")
}

/// A record queue.
pub fn record_queue(rings: usize, ring_bytes: usize) -> RecordQueue {
    let len = RecordQueue::bytes(rings, ring_bytes);
    // SAFETY: zeroed, aligned, and never freed.
    unsafe { RecordQueue::attach(memory(len), len, ring_bytes) }.expect("a region")
}

/// A shared configuration.
pub fn shared_config(room: usize) -> SharedConfig {
    let len = SharedConfig::bytes(room);
    // SAFETY: as above.
    unsafe { SharedConfig::attach(memory(len), len) }.expect("a region")
}

/// An empty denylist.
pub fn denylist(len: usize) -> Denylist {
    // SAFETY: as above.
    unsafe { Denylist::attach(memory(len), len) }.expect("a denylist").0
}
