//! Limits: how much this crate accepts, keeps and reports.

// `control`
/// Maximum number of cached tokens.
pub(crate) const MAX_CACHED_TOKENS: usize = 1000;

// `filter`
/// Unix time in milliseconds of the last day that `Date` represents in all versions of ClickHouse.
pub(crate) const MAX_DATE_MS: u64 = 4_102_358_400_000;
