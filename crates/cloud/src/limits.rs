//! Limits: how much this crate accepts, keeps and reports.

// `connections`
/// Maximum number of connections, if the limit of open files allows it. Each node holds two.
pub(crate) const MAX_CONNECTIONS: usize = 10_000;
/// Minimum number of connections, whatever the limit of open files.
pub(crate) const MIN_CONNECTIONS: usize = 64;

// `har::grouping`
/// Maximum number of requests of a HAR file in flight at a time.
pub(crate) const MAX_IN_FLIGHT: usize = 1000;
/// Maximum number of distinct paths kept per session of a HAR file.
pub(crate) const MAX_PATHS: usize = 4;

// `har::report`
/// Maximum number of sessions printed one by one.
pub(crate) const MAX_PRINTED_SESSIONS: usize = 50;
/// Maximum number of changes to another session printed one by one.
pub(crate) const MAX_PRINTED_SPLITS: usize = 20;
/// Maximum number of changes within one session printed one by one.
pub(crate) const MAX_PRINTED_CHANGES: usize = 3;
/// Maximum number of excluded hosts printed by name.
pub(crate) const MAX_PRINTED_HOSTS: usize = 5;
/// Maximum length of a printed name, path or label, bytes.
pub(crate) const MAX_PRINTED_BYTES: usize = 60;

// `har::rotation`
/// Maximum number of changes of an identifier that are kept; all are counted.
pub(crate) const MAX_KEPT_CHANGES: usize = 1000;

// `har`
/// Maximum number of invalid entries of a HAR file that are reported one by one.
pub(crate) const MAX_PRINTED_ERRORS: usize = 10;

/// Longest label in the list of tokens, bytes.
pub const MAX_LABEL_BYTES: usize = 200;
