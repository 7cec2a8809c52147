//! Relief of rings: batches that cannot wait for the cloud go straight to the spool.

use std::time::Instant;

use super::super::log_event::Severity;
use super::super::spool::Durable;
use super::{Exporter, Origin, lines};

impl Exporter {
    /// Spools a batch of each queue that cannot wait: its batch is due while attempts are pausing, or it is half full
    /// while the uplink is busy. Returns whether there was one.
    pub(super) fn relieve(&mut self) -> bool {
        let mut relieved = false;
        for at in 0..self.queues.len() {
            let now = Instant::now();
            let queue = &mut self.queues[at];
            let waits = queue.attempts.is_pausing(now) && queue.is_due(now, &self.settings);
            let is_behind = self.in_flight.is_some() && queue.pressure().is_high();
            relieved |= (waits || is_behind) && self.spool_first(at);
        }
        relieved
    }

    /// Moves the first batch of a queue to the spool. Returns whether it did.
    pub(super) fn spool_first(&mut self, at: usize) -> bool {
        let Some(source) = &mut self.spool else { return false };
        if source.is_broken(Instant::now()) {
            return false;
        }
        let mut batch = std::mem::take(&mut self.reuse_buf);
        let queue = &mut self.queues[at];
        // The disk may be slower than the ring fills up.
        let durable = if queue.pressure().is_high() { Durable::Soon } else { Durable::Now };
        queue.consumer.take(self.settings.batch, &mut batch);
        let name = self.settings.batch_name(&queue.consumer.batch_name());
        let result = source.spool.put(&name, &batch, durable);
        let counters = queue.consumer.counters();
        match &result {
            Ok(lost) => {
                counters.spooled(lines(&batch));
                counters.dropped_spool_full(lost.records);
                queue.consumer.advance(batch.len());
                queue.restart_clock();
                if self.in_flight == Some(Origin::Queue(queue.number)) {
                    self.in_flight = Some(Origin::AlreadySpooled);
                }
                if source.works() {
                    self.log.add(Severity::Notice, "export: the spool takes records again");
                }
                if lost.records > 0 {
                    let count = lost.records;
                    let text =
                        format!("export: the spool is full; oldest records dropped: {count}");
                    self.log.add(Severity::Error, text);
                }
            }
            Err(error) => {
                counters.spool_failed();
                if source.broke() {
                    let text = format!(
                        "export: the spool cannot be written to: {error}; records wait in memory alone"
                    );
                    self.log.add(Severity::Error, text);
                }
            }
        }
        self.reuse_buf = batch;
        result.is_ok()
    }

    /// Flushes batches to disk that were spooled without waiting for it.
    pub(super) fn sync_spool(&mut self) {
        let Some(Err(error)) = self.spool.as_mut().map(|source| source.spool.sync()) else {
            return;
        };
        self.counters().spool_failed();
        let text = format!(
            "export: the spool cannot be written to: {error}; records may be lost with the power"
        );
        self.log.add(Severity::Error, text);
    }
}
