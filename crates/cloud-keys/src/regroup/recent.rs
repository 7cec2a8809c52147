//! Finds the period of the newest requests.

use api_sessions_store::{ACTIVITY_MS, ReplayQuery, Store, StoreError};

/// A query for the newest requests of a period, about `most` of them.
///
/// # Errors
/// The error of the store.
pub fn recent(store: &dyn Store, from: u64, to: u64, most: u64) -> Result<ReplayQuery, StoreError> {
    let activity: Vec<(u64, u64)> =
        store.activity(from, to)?.iter().map(|it| (it.ts, it.requests)).collect();
    Ok(ReplayQuery { from: start(&activity, from, most), to, with_rules: false })
}

/// Start of the newest requests, from intervals (start, requests), oldest first. Assumes evenly spread requests.
fn start(activity: &[(u64, u64)], from: u64, most: u64) -> u64 {
    let mut left = most;
    for (ts, requests) in activity.iter().rev() {
        match left.checked_sub(*requests) {
            Some(rest) => left = rest,
            None => return (ts + ACTIVITY_MS - ACTIVITY_MS * left / requests).max(from),
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_begin_where_so_many_follow() {
        let activity = [(0, 100), (ACTIVITY_MS, 100), (5 * ACTIVITY_MS, 50)];
        assert_eq!(start(&activity, 7, 250), 7);
        assert_eq!(start(&activity, 7, 200), ACTIVITY_MS / 2);
        assert_eq!(start(&activity, 7, 150), ACTIVITY_MS);
        assert_eq!(start(&activity, 7, 50), 2 * ACTIVITY_MS);
        assert_eq!(start(&activity, 7, 25), 5 * ACTIVITY_MS + ACTIVITY_MS / 2);
        assert_eq!(start(&activity, 6 * ACTIVITY_MS, 0), 6 * ACTIVITY_MS);
        assert_eq!(start(&[], 7, 0), 7);
    }
}
