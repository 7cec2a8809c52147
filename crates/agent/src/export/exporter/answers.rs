//! Applies the cloud's response to its batch (docs/export.md).

use std::time::{Duration, Instant};

use super::super::client::Answer;
use super::super::log_event::Severity;
use super::super::uplink::Batch;
use super::{Exporter, Origin, lines};

impl Exporter {
    /// Applies a response to its batch. A batch is named by its start, so a shortened one keeps the name:
    /// the longer one was not stored anywhere.
    pub(super) fn answered(&mut self, batch: Batch, answer: &Answer) {
        let Some(origin) = self.in_flight.take() else { return };
        if origin == Origin::Facts {
            return self.facts.answered(batch, answer, self.queues[0].consumer.counters());
        }
        let text = &batch.lines;
        match answer {
            Answer::Stored => {
                if origin == Origin::AlreadySpooled {
                    self.delivered.add(&batch);
                } else {
                    self.counters_of(origin).sent(lines(text), text.len() as u64);
                }
                self.advance(origin, text.len());
                self.succeeded(origin);
            }
            Answer::TooLarge => match (first_half(text), origin) {
                (Some(end), Origin::Queue(number)) => {
                    if let Some(queue) = self.queue(number) {
                        queue.consumer.shorten(end);
                    }
                    // The rest of a halved batch does not wait to fill up.
                    self.again(origin, batch, end);
                    return;
                }
                (Some(end), Origin::Spool) => {
                    self.again(origin, batch, end);
                    return;
                }
                (_, Origin::AlreadySpooled | Origin::Facts) => {}
                (None, _) => self.refused(origin, text, "does not take a record of that size"),
            },
            Answer::Refused(_) if origin == Origin::AlreadySpooled => {}
            Answer::Refused(reason) => self.refused(origin, text, reason),
            Answer::NotNow { reason, after } => self.put_off(origin, reason, *after),
        }
        self.reuse_buf = batch.lines;
    }

    /// Sends the first half of a batch at once.
    fn again(&mut self, origin: Origin, mut batch: Batch, end: usize) {
        batch.lines.truncate(end);
        self.hand_over(batch, origin);
    }

    pub(super) fn advance(&mut self, origin: Origin, bytes: usize) {
        match origin {
            Origin::Queue(number) => {
                if let Some(queue) = self.queue(number) {
                    queue.consumer.advance(bytes);
                }
            }
            Origin::Spool => {
                // If this fails, the batch is sent again under the same name.
                let _ = self.spool.as_mut().map(|source| source.advance(bytes));
            }
            Origin::AlreadySpooled | Origin::Facts => {}
        }
    }

    fn succeeded(&mut self, origin: Origin) {
        self.rejecting = false;
        let failures = self.attempts_of(origin).map_or(0, |attempts| {
            let before = attempts.backoff.failures();
            attempts.backoff.success();
            attempts.at = Instant::now();
            before
        });
        if failures == 0 && origin != Origin::AlreadySpooled {
            return;
        }
        // The cloud is back: other sources need not wait any longer.
        let now = Instant::now();
        self.queues.iter_mut().for_each(|queue| queue.attempts.at = now);
        if let Some(source) = &mut self.spool {
            source.attempts.at = now;
        }
        if std::mem::replace(&mut self.cloud_down, false) {
            self.log.add(Severity::Notice, "export: the cloud takes records again");
        }
    }

    /// Logged once until a batch is stored again; a counter has the total.
    fn refused(&mut self, origin: Origin, batch: &[u8], reason: &str) {
        let count = lines(batch);
        self.counters_of(origin).refused(count);
        self.advance(origin, batch.len());
        if !std::mem::replace(&mut self.rejecting, true) {
            let text = format!(
                "export: the cloud {reason}; records dropped: {count}, and more if it goes on"
            );
            self.log.add(Severity::Error, text);
        }
    }

    fn put_off(&mut self, origin: Origin, reason: &str, after: Option<Duration>) {
        self.counters_of(origin).retried();
        if !std::mem::replace(&mut self.cloud_down, true) {
            let url = self.settings.endpoint.shown();
            let kept = if self.spool.is_some() { "spooled" } else { "kept" };
            let text = format!("export: {url}: {reason}; records are {kept} and sent again");
            self.log.add(Severity::Warning, text);
        }
        if let Some(attempts) = self.attempts_of(origin) {
            attempts.failed(after);
        }
        if let Origin::Queue(number) = origin
            && let Some(at) = self.queues.iter().position(|queue| queue.number == number)
        {
            self.spool_first(at);
        }
    }
}

/// End of about the first half of a batch, in whole lines; `None` for a single line.
pub(super) fn first_half(batch: &[u8]) -> Option<usize> {
    let middle = batch.len() / 2;
    let end = match memchr::memrchr(b'\n', &batch[..middle]) {
        Some(at) => at + 1,
        None => memchr::memchr(b'\n', batch)? + 1,
    };
    (end < batch.len()).then_some(end)
}
