//! Sizes, attempts and waiting times.

use std::time::Duration;

/// Process slots (`NGX_MAX_PROCESSES`).
pub const MAX_PROCESSES: u16 = 1024;

/// Bytes of a session's user and role that the session table keeps, together.
pub const TEXT_BYTES: usize = 24;
/// Bytes of a role that the session table keeps; the user has the rest of [`TEXT_BYTES`].
pub const ROLE_BYTES: usize = 8;
/// Longest wait for the lock of a set, after which the request is not counted. A holder needs about
/// 100 ns unless it is preempted or dead.
pub const SET_LOCK_WAIT: Duration = Duration::from_micros(200);
/// Attempts of a lock-free reader before it gives up on a set that keeps changing.
pub(crate) const SET_READ_ATTEMPTS: u32 = 1000;
/// Largest backward step of the clock, milliseconds, that is put down to workers' cached times. A larger step means
/// that the clock was set.
pub(crate) const CLOCK_SKEW_MS: u64 = 60_000;

/// Bytes kept of a denylist entry's author (`by`).
pub const DENY_AUTHOR_BYTES: usize = 64;
/// Attempts of a denylist lookup that finds a cell reused under it. After the last one the session counts as not
/// denied.
pub const DENY_LOOKUP_ATTEMPTS: u32 = 16;
/// Longest chain of a bucket that a lookup follows; under a keyed hash no chain comes near it.
pub(crate) const DENY_CHAIN_CELLS: usize = 1024;
/// Longest wait for another writer of the denylist. A change takes a microsecond unless the writer is
/// preempted.
pub(crate) const DENY_WRITE_WAIT: Duration = Duration::from_millis(2);
/// Waits of [`DENY_WRITE_WAIT`] for each entry of a document from the cloud, which is applied outside the event loop.
pub(crate) const DENY_DOCUMENT_WAITS: u32 = 500;

/// Spin-loop pauses before a waiter yields its CPU; a critical section usually takes less.
pub(crate) const SPINS: u32 = 64;
