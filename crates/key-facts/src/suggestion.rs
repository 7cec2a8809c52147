//! Suggestions: candidates that would be good keys.

use super::facts::Kind;
use super::summary::Summary;
use super::windows_an_hour;

/// Whether to suggest a candidate, given windows of `window_ms` milliseconds. Names that are never keys and
/// short values are not measured in the first place.
pub fn is_suggested(kind: Kind, summary: &Summary, window_ms: u64) -> bool {
    kind == Kind::Candidate
        && summary.coverage() >= 0.05
        && summary.values_per_client.p50 <= 3
        && summary.clients_per_value.p50 == 1
        && summary.clients_per_value.p90 <= 3
        && summary.clients >= 50
        && summary.windows as usize >= windows_an_hour(window_ms)
}

/// Sort key of suggestions, best first: cookies that the application sets, other cookies, headers, arguments;
/// within these, candidates with fewer clients per value, then with more requests.
pub fn rank(point: &str, summary: &Summary) -> (u8, u32, u64) {
    let place = match point.split(['.', '[']).nth(1) {
        Some("cookie") if summary.is_issued() => 0,
        Some("cookie") => 1,
        Some("header") => 2,
        _ => 3,
    };
    (place, summary.clients_per_value.p90, u64::MAX - summary.present)
}
