//! The structures of a node together, for its metrics.

use crate::{Denylist, Links, Metric, RecordQueue, RuleCounts, SessionTable};

/// The structures that a configuration uses. Their counters can be read from any thread.
#[derive(Clone, Default)]
pub struct Structures {
    /// The session table.
    pub table: Option<SessionTable>,
    /// All queues that hold records.
    pub queues: Vec<RecordQueue>,
    /// The denylist.
    pub denylist: Option<Denylist>,
    /// The links.
    pub links: Option<Links>,
    /// The counts of rules.
    pub rule_counts: Option<RuleCounts>,
}

/// Metrics under the name of their group in the status document.
pub type MetricGroup = (&'static str, Vec<Metric>);

impl Structures {
    /// All metrics, in the order in which they are shown. A structure that is not used has zeros.
    pub fn metrics(&self) -> [MetricGroup; 5] {
        let table = self.table.map(|table| table.stats()).unwrap_or_default();
        let queues = RecordQueue::stats_of(self.queues.iter().copied());
        let denylist = self.denylist.map(|denylist| denylist.stats()).unwrap_or_default();
        let links = self.links.map(|links| links.stats()).unwrap_or_default();
        let counts = self.rule_counts.map(|counts| counts.stats()).unwrap_or_default();
        [
            ("table", table.metrics().collect()),
            ("export", queues.metrics().collect()),
            ("denylist", denylist.metrics().collect()),
            ("links", links.metrics().collect()),
            ("rule_counts", counts.metrics().collect()),
        ]
    }

    /// Names and values of what a node reports to the cloud.
    pub fn reported(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        let metrics = self.metrics().into_iter().flat_map(|(_, metrics)| metrics);
        let reported = metrics.filter(|metric| metric.reported);
        let reported = reported.map(|metric| (metric.name, metric.value));
        reported.chain([("records_dropped_total", self.records_dropped())])
    }

    /// Records lost for any reason.
    pub fn records_dropped(&self) -> u64 {
        RecordQueue::stats_of(self.queues.iter().copied()).dropped()
    }
}
