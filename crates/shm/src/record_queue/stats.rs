//! The queue's metrics.

use crate::metrics::metrics;

metrics! {
    /// The state of the queue, summed over all rings since the zone was created.
    pub struct QueueStats event_loop(ProducerCounters) exporter(ConsumerCounters);

    gauge used "queue_bytes": "Bytes of records that wait to be sent." reported;
    gauge capacity "queue_capacity_bytes": "Bytes of the queues in use." reported;
    event_loop queued "records_queued_total": "Records that were queued." reported;
    exporter sent "records_sent_total": "Records that the cloud has." reported;
    exporter sent_bytes "records_sent_bytes_total": "Bytes of those.";
    exporter refused "records_refused_total": "Records that the cloud refused.";
    event_loop dropped_full "records_dropped_full_total": "Records dropped since the queue was full.";
    event_loop dropped_too_long "records_dropped_too_long_total": "Records dropped since they were longer than the queue.";
    exporter retries "export_retries_total": "Attempts that failed and were repeated.";
    gauge spool_bytes "spool_bytes": "Bytes of records on disk that wait to be sent." reported;
    exporter spooled "records_spooled_total": "Records written to the spool.";
    exporter dropped_spool_full "records_dropped_spool_full_total": "Spooled records dropped for newer ones.";
    exporter dropped_damaged "records_dropped_damaged_total": "Spooled records that were damaged on disk.";
    exporter spool_errors "spool_errors_total": "Attempts to write to the spool that failed.";
    exporter key_facts_lost "key_facts_lost_total": "Windows of key facts that the cloud did not take." reported;
}

impl QueueStats {
    /// Records lost, for any reason.
    pub fn dropped(&self) -> u64 {
        self.dropped_full
            + self.dropped_too_long
            + self.refused
            + self.dropped_spool_full
            + self.dropped_damaged
    }

    /// Adds the rings of another queue, but not its spool.
    pub(super) fn with(mut self, other: Self) -> Self {
        self.add(&Self { spool_bytes: 0, ..other });
        self
    }

    pub(super) fn add_ring(&mut self, producer: &ProducerCounters, consumer: &ConsumerCounters) {
        self.add_event_loop(producer);
        self.add_exporter(consumer);
    }
}
