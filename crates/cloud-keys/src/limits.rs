//! Limits: how much this crate accepts, keeps and reports.

/// Number of batch names that are remembered, so that a repeated batch is counted once.
pub(crate) const MAX_REMEMBERED_BATCHES: usize = 8192;
/// Maximum number of windows that are read at start.
pub(crate) const MAX_RESTORED_WINDOWS: usize = 2000;

// `overview`
/// Maximum number of windows that an overview of keys reads: the newest ones.
pub(crate) const MAX_OVERVIEW_WINDOWS: usize = 2000;
/// Number of recent windows that are searched for a verdict.
pub(crate) const MAX_RECENT_WINDOWS: usize = 12;
