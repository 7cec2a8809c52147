//! Reads stored requests of all sessions in the order of start, one slice of time after the other, so that
//! memory does not depend on their number.

use std::ops::ControlFlow;

use crate::{ACTIVITY_MS, Activity, StoredRequest};

/// The requests to read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReplayQuery {
    /// Earliest start, ms since 1970.
    pub from: u64,
    /// Latest start, ms since 1970.
    pub to: u64,
    /// Only requests with which a rule fired, or which a rule refused.
    pub with_rules: bool,
}

/// Called with each request; [`ControlFlow::Break`] stops.
pub type Visit<'v> = dyn FnMut(StoredRequest) -> ControlFlow<()> + 'v;

/// Number of requests of a slice, unless five minutes have more.
pub const SLICE: u64 = 200_000;

/// Maximum number of requests in memory.
pub const CHUNK: usize = 5_000;

/// Cuts the period of a query into slices with a limited number of requests: first and last millisecond of each.
/// `activity` is of the whole period, oldest first.
pub fn slices(query: &ReplayQuery, activity: &[Activity], most: u64) -> Vec<(u64, u64)> {
    let mut slices: Vec<(u64, u64, u64)> = Vec::new();
    for interval in activity {
        let last = interval.ts + (ACTIVITY_MS - 1);
        match slices.last_mut() {
            Some((_, end, count)) if *count + interval.requests <= most => {
                *end = last;
                *count += interval.requests;
            }
            _ => slices.push((interval.ts, last, interval.requests)),
        }
    }
    slices
        .into_iter()
        .map(|(first, last, _)| (first.max(query.from), last.min(query.to)))
        .filter(|(first, last)| first <= last)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_all_that_was_active_and_stay_small() {
        let at =
            |n: u64, requests| Activity { ts: n * ACTIVITY_MS, requests, ..Activity::default() };
        let activity = [at(10, 60), at(11, 40), at(12, 1), at(20, 500), at(21, 1)];
        let query =
            ReplayQuery { from: 10 * ACTIVITY_MS + 7, to: 21 * ACTIVITY_MS + 5, with_rules: false };
        assert_eq!(
            slices(&query, &activity, 100),
            [
                (10 * ACTIVITY_MS + 7, 12 * ACTIVITY_MS - 1),
                (12 * ACTIVITY_MS, 13 * ACTIVITY_MS - 1),
                (20 * ACTIVITY_MS, 21 * ACTIVITY_MS - 1),
                (21 * ACTIVITY_MS, 21 * ACTIVITY_MS + 5),
            ]
        );
        assert!(slices(&query, &[], 100).is_empty());
    }
}
