//! Shutdown of a worker.

use std::time::Instant;

use super::super::client::Answer;
use super::super::log_event::Severity;
use super::Exporter;
use crate::remote_config::StateFile;

impl Exporter {
    /// The last round, within the time that a worker has for its shutdown: sends what it can and spools the rest. What
    /// is still left stays in shared memory for the workers of the next generation.
    pub(super) fn drain(mut self) {
        self.write_down(None);
        self.keep(StateFile::keep_now);
        let now = Instant::now();
        let deadline = now + self.settings.shutdown;
        let until = match self.spool {
            Some(_) => now + self.settings.shutdown / 2,
            None => deadline,
        };
        let is_known_away = self.cloud_down && self.spool.is_some();
        self.facts.take_all(&self.settings);
        while !is_known_away && self.send_one_more(until) {}
        for at in 0..self.queues.len() {
            while !self.queues[at].consumer.is_empty()
                && Instant::now() < deadline
                && self.spool_first(at)
            {}
        }
        if let Some(source) = &mut self.spool {
            if source.spool.sync_now().is_err() {
                self.queues[0].consumer.counters().spool_failed();
            }
            self.queue_handle.queue().set_spool_bytes(source.spool.bytes());
        }
        let left: u64 = self.queues.iter().map(|queue| queue.consumer.waiting().0).sum();
        if left > 0 {
            let text = format!(
                "export: records not handed over in time: {left}; they wait in memory for the next workers that export"
            );
            self.log.add(Severity::Warning, text);
        }
        for queue in self.queues {
            queue.consumer.release();
        }
    }

    /// Sends one batch, of records or else of key facts, unless one is in flight; then waits for the answer. Returns
    /// whether to go on.
    fn send_one_more(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        if self.in_flight.is_none() {
            let waiting = self.queues.iter().position(|queue| !queue.consumer.is_empty());
            let is_sent = match waiting {
                Some(at) => self.dispatch_queued(at, Some(left)),
                None => self.dispatch_facts(Some(left)),
            };
            if !is_sent {
                return false;
            }
        }
        let Ok((batch, answer)) = self.answers.recv_timeout(left) else { return false };
        self.answered(batch, &answer);
        !matches!(answer, Answer::NotNow { .. })
    }
}
