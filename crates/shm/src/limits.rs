//! Sizes and waiting times, each under one name.

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
/// Attempts of a reader to find a set unchanged while it reads.
pub(crate) const SET_READ_ATTEMPTS: u32 = 1000;
/// Longest step back of the clock, in milliseconds, that is attributed to the cached times of two
/// workers. A longer step means that the clock was set.
pub(crate) const CLOCK_SKEW_MS: u64 = 60_000;

/// Bytes of the author of a denylist entry (`by`) that are kept.
pub const DENY_AUTHOR_BYTES: usize = 64;
/// Attempts of a denylist lookup whose cell is reused while it is read. Afterwards the session counts
/// as not denied.
pub const DENY_LOOKUP_ATTEMPTS: u32 = 16;
/// Longest chain of a bucket that a lookup follows; under a keyed hash no chain comes near it.
pub(crate) const DENY_CHAIN_CELLS: usize = 1024;
/// Longest wait for another writer of the denylist. A change takes a microsecond unless the writer is
/// preempted.
pub(crate) const DENY_WRITE_WAIT: Duration = Duration::from_millis(2);
/// Waits of [`DENY_WRITE_WAIT`] for one entry of a document from the cloud, which is applied outside the
/// event loop.
pub(crate) const DENY_DOCUMENT_WAITS: u32 = 500;

/// Pauses of a waiter before it yields its CPU; a critical section is shorter.
pub(crate) const SPINS: u32 = 64;
