//! Which candidates would be keys.

use super::facts::Kind;
use super::summary::Summary;
use super::windows_an_hour;

/// Whether a candidate should be suggested, of windows of that length. Names that are never keys are not measured,
/// and neither are short values.
pub fn is_suggested(kind: Kind, summary: &Summary, window_ms: u64) -> bool {
    kind == Kind::Candidate
        && summary.coverage() >= 0.05
        && summary.values_per_client.p50 <= 3
        && summary.clients_per_value.p50 == 1
        && summary.clients_per_value.p90 <= 3
        && summary.clients >= 50
        && summary.windows as usize >= windows_an_hour(window_ms)
}

/// The order of suggestions, best first: what the application sets, other cookies, headers, arguments; of those, what
/// fewer clients share, then what more requests have.
pub fn rank(point: &str, summary: &Summary) -> (u8, u32, u64) {
    let place = match point.split(['.', '[']).nth(1) {
        Some("cookie") if summary.is_issued() => 0,
        Some("cookie") => 1,
        Some("header") => 2,
        _ => 3,
    };
    (place, summary.clients_per_value.p90, u64::MAX - summary.present)
}
