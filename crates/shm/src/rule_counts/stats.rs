//! The counts' metrics.

use crate::metrics::metrics;

metrics! {
    /// Rule counts, summed over all workers since the zone was created.
    pub struct RuleCountsStats event_loop(CountCounters);

    gauge in_use "rule_counts_in_use": "Counts of rules in the table.";
    gauge capacity "rule_counts_capacity": "Counts of rules there is room for.";
    event_loop created "rule_counts_created_total": "Counts of rules that were created.";
    event_loop evicted "rule_counts_evicted_total": "Counts of rules, unused for longest, that made room: the zone is too small." reported;
    event_loop lock_busy "rule_counts_lock_busy_total": "Requests that a rule did not count since a lock was held for too long.";
    event_loop unwritten "rule_denials_unwritten_total": "Denials by rules that were too many at a time to be written down at once: the next copy of the denylist has them." reported;
    event_loop lost "rule_counts_lost_total": "Counts of rules lost because a process died while it wrote them.";
}

impl RuleCountsStats {
    pub(super) fn sum<'a>(capacity: u64, workers: impl Iterator<Item = &'a CountCounters>) -> Self {
        let mut sum = Self { capacity, ..Self::default() };
        workers.for_each(|counters| sum.add_event_loop(counters));
        sum.in_use = sum.created.saturating_sub(sum.evicted + sum.lost).min(capacity);
        sum
    }
}
