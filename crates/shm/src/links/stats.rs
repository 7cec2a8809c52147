//! The links' metrics.

use crate::metrics::metrics;

metrics! {
    /// Links, summed over all workers since the zone was created.
    pub struct LinkStats event_loop(LinkCounters);

    gauge in_use "links_in_use": "Links and addresses in the table.";
    gauge capacity "links_capacity": "Links there is room for.";
    event_loop created "links_created_total": "Links and addresses that were created.";
    event_loop demoted "links_demoted_total": "Values that were issued to two sessions and belong to none.";
    event_loop evicted_idle "links_evicted_idle_total": "Expired and replaced links that made room.";
    event_loop evicted_unused "links_evicted_unused_total": "Links that no client had brought back and that made room.";
    event_loop evicted_live "links_evicted_live_total": "Links in use that made room: the zone is too small." reported;
    event_loop lock_busy "links_lock_busy_total": "Links not written since a lock was held for too long.";
    event_loop lost "links_lost_total": "Links lost because a process died while it wrote them.";
}

impl LinkStats {
    pub(super) fn sum<'a>(capacity: u64, workers: impl Iterator<Item = &'a LinkCounters>) -> Self {
        let mut sum = Self { capacity, ..Self::default() };
        workers.for_each(|counters| sum.add_event_loop(counters));
        let removed = sum.evicted_idle + sum.evicted_unused + sum.evicted_live + sum.lost;
        sum.in_use = sum.created.saturating_sub(removed).min(capacity);
        sum
    }
}
