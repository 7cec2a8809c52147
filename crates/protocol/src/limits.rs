//! Limits that node and cloud agree on.

/// Maximum number of applications of a denylist entry.
pub const DENY_APPLICATIONS: usize = 16;
/// Maximum total length of the applications of a denylist entry, bytes.
pub const DENY_APPLICATION_BYTES: usize = 512;
/// Maximum length of the reason of a denylist entry, bytes.
pub const DENY_REASON_BYTES: usize = 256;
/// Longest duration of a temporary denylist entry, seconds: a hundred years.
pub const DENY_SECONDS: u64 = 100 * 366 * 86_400;

/// Longest line (one record, with the full content of a malicious request) in bytes.
/// A node never writes a longer one, and the cloud refuses it.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

// `path_template`
/// Maximum length of an endpoint, bytes; longer ones are truncated.
pub const MAX_ENDPOINT_BYTES: usize = 256;
/// Hex strings of this length and longer are identifiers (`deadbeef` is 8; words are shorter).
pub(crate) const MIN_HEX_DIGITS: usize = 8;
