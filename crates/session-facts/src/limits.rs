//! Limits: how much this crate accepts, keeps and reports.

// `measure`
/// Maximum number of requests of a session that are measured: the newest ones.
pub const MAX_MEASURED_REQUESTS: usize = 1000;
/// Minimum number of gaps between requests to measure their regularity.
pub(crate) const MIN_GAPS: usize = 10;

// `normal`
/// Minimum number of sessions for normal values.
pub const MIN_NORMAL_SESSIONS: usize = 200;
/// Maximum number of sessions that normal values are measured from.
pub(crate) const MAX_SAMPLED_SESSIONS: usize = 300;
/// Maximum number of sessions whose requests are read at once.
pub(crate) const MAX_SESSIONS_AT_ONCE: usize = 25;
/// Number of sessions to sample from: the most recently active ones.
pub(crate) const MAX_LISTED_SESSIONS: usize = 1000;
/// Maximum number of applications whose normal values are kept.
pub(crate) const MAX_APPLICATIONS: usize = 64;

// `scores`
/// Maximum number of remembered scores.
pub(crate) const MAX_KNOWN_SCORES: usize = 10_000;
