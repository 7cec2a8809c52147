//! Limits: how much this crate accepts, keeps and reports.

use std::time::Duration;

// `activity_chart`
/// Maximum number of labels of the time axis of a chart.
pub(crate) const MAX_TIME_LABELS: u64 = 9;

// `denylist`
/// Maximum number of changes to the denylist that are read for a past period; older ones are left out.
pub(crate) const MAX_DENYLIST_CHANGES: usize = 100_000;

// `destination`
/// Maximum length of the path and query to return to after login, bytes.
pub(crate) const MAX_DESTINATION_BYTES: usize = 4096;

// `keys::trial`
/// Maximum number of suggestions of a page that are tried.
pub(crate) const MAX_TRIED_SUGGESTIONS: usize = 8;
/// Maximum time that a page waits for trials of suggestions.
pub(crate) const MAX_TRIAL_WAIT: Duration = Duration::from_secs(1);

// `sample`
/// Longest sample of a request, bytes.
pub(crate) const MAX_SAMPLE_BYTES: usize = 64 * 1024;

// `traffic`
/// Maximum number of sessions that a filtered chart reads: the most recently active ones that match.
pub(crate) const MAX_CHARTED_SESSIONS: usize = 100;
/// Maximum number of requests of each session that a filtered chart reads: the newest ones that match.
pub(crate) const MAX_CHARTED_REQUESTS: usize = 200;
/// Maximum number of requests of a period whose sessions are counted: each is read, and its session kept until the end.
pub(crate) const MAX_COUNTED_REQUESTS: u64 = 250_000;
