//! Limits that node and cloud agree on.

/// Most applications of a denylist entry.
pub const DENY_APPLICATIONS: usize = 16;
/// Longest names of the applications of a denylist entry, together, bytes.
pub const DENY_APPLICATION_BYTES: usize = 512;
/// Longest reason of a denylist entry, bytes.
pub const DENY_REASON_BYTES: usize = 256;
