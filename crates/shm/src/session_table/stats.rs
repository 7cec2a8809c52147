//! The table's metrics.

use crate::metrics::metrics;

metrics! {
    /// The table's state, summed over all workers since the zone was created. The death of a worker may
    /// leave each counter one off.
    pub struct TableStats event_loop(TableCounters);

    gauge in_use "sessions_in_use": "Sessions in the table." reported;
    gauge capacity "sessions_capacity": "Sessions there is room for." reported;
    event_loop created "sessions_created_total": "Sessions that were created.";
    event_loop evicted_idle "evicted_idle_total": "Idle sessions that made room.";
    event_loop evicted_provisional "evicted_provisional_total": "Sessions of one request that made room.";
    event_loop evicted_live "evicted_live_total": "Sessions in use that made room: the zone is too small." reported;
    event_loop lock_busy "lock_busy_total": "Requests not counted since a lock was held for too long.";
    event_loop lock_recoveries "lock_recoveries_total": "Sets emptied after a process died while it held them.";
    event_loop malicious "requests_malicious_total": "Malicious requests.";
    event_loop detected "requests_detected_total": "Of those, such that the module's own detectors marked.";
    event_loop denied "requests_denied_total": "Requests of denied sessions.";
    event_loop duplicate_cookies "duplicate_cookies_total": "Requests whose session was found by a cookie that was there more than once.";
    event_loop undone "sessions_undone_total": "Sessions removed because their only request belongs to another session.";
    event_loop lost "sessions_lost_total": "Sessions removed because a process died while it changed them.";
}

impl TableStats {
    pub(super) fn sum<'a>(capacity: u64, workers: impl Iterator<Item = &'a TableCounters>) -> Self {
        let mut sum = Self { capacity, ..Self::default() };
        workers.for_each(|counters| sum.add_event_loop(counters));
        let evicted = sum.evicted_idle + sum.evicted_live + sum.evicted_provisional;
        let removed = evicted + sum.undone + sum.lost;
        sum.in_use = sum.created.saturating_sub(removed).min(capacity);
        sum
    }
}
