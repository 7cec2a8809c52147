//! Limits: how much this crate accepts, keeps and reports.

// `address`
/// Maximum length of a socket path in bytes (unix(7)).
pub(crate) const MAX_SOCKET_PATH_BYTES: usize = 107;

// `config`
/// Maximum retention in days.
pub(crate) const MAX_RETENTION_DAYS: u32 = 366;
