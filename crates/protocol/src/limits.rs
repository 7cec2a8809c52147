//! Limits that node and cloud agree on.

/// Maximum number of applications of a denylist entry.
pub const DENY_APPLICATIONS: usize = 16;
/// Maximum total length of the applications of a denylist entry, bytes.
pub const DENY_APPLICATION_BYTES: usize = 512;
/// Maximum length of the reason of a denylist entry, bytes.
pub const DENY_REASON_BYTES: usize = 256;
/// Longest duration of a temporary denylist entry, seconds: a hundred years.
pub const DENY_SECONDS: u64 = 100 * 366 * 86_400;
