//! The process that is changing a structure. No process waits for it; one that finds another holder tries again later.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Relaxed, Release};

use crate::process::process_exists;

/// Id of a process; 0: none.
#[repr(transparent)]
pub(crate) struct Holder(AtomicU32);

/// Ends the hold when dropped.
pub(crate) struct Held<'h>(&'h Holder);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.store(0, Release);
    }
}

impl Holder {
    /// Makes process `pid` the holder. `None`: another process is, and it lives; or another thread of this one.
    pub(crate) fn hold(&self, pid: u32) -> Option<Held<'_>> {
        let swap = |from| self.0.compare_exchange(from, pid, AcqRel, Relaxed);
        match swap(0) {
            Ok(_) => Some(Held(self)),
            Err(holder) if holder == pid || process_exists(holder) => None,
            Err(dead) => swap(dead).ok().map(|_| Held(self)),
        }
    }

    /// Makes `pid` the holder, in place of any other.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn set(&self, pid: u32) -> Held<'_> {
        self.0.store(pid, Release);
        Held(self)
    }
}
