//! The thread's loop: which queue is due, what is sent, what an answer does to it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::client::{Answer, Client};
use super::note::{Notes, Severity};
use super::settings::Settings;
use crate::table::{Consumer, QueueRegion};

/// How often the queue is looked at. The event loop wakes nobody: a sleeping thread costs it nothing.
const TICK: Duration = Duration::from_millis(50);
/// How often queues of dead workers are looked for.
const ADOPTION: Duration = Duration::from_secs(1);

/// Sends what a worker queues, and what dead workers have left.
pub struct Exporter {
    settings: Settings,
    region: QueueRegion,
    queues: Vec<Queue>,
    pid: u32,
    notes: Notes,
    client: Client,
    backoff: Backoff,
    retry_at: Instant,
    adopt_at: Instant,
    batch: Vec<u8>,
}

struct Queue {
    consumer: Consumer,
    /// When it was first seen not empty.
    waiting_since: Option<Instant>,
}

impl Queue {
    fn new(consumer: Consumer) -> Self {
        Self { consumer, waiting_since: None }
    }

    /// A full batch waits, or its first record has waited long enough.
    fn is_due(&mut self, now: Instant, settings: &Settings) -> bool {
        let waiting = self.consumer.len();
        if waiting == 0 {
            self.waiting_since = None;
            return false;
        }
        let since = *self.waiting_since.get_or_insert(now);
        waiting >= settings.batch || now.duration_since(since) >= settings.flush
    }
}

impl Exporter {
    /// An exporter of this process' queue. TLS roots are read here.
    pub fn new(
        settings: Settings,
        region: QueueRegion,
        consumer: Consumer,
        pid: u32,
        notes: Notes,
    ) -> Self {
        let now = Instant::now();
        Self {
            client: Client::new(&settings),
            settings,
            region,
            queues: vec![Queue::new(consumer)],
            pid,
            notes,
            backoff: Backoff::default(),
            retry_at: now,
            adopt_at: now,
            batch: Vec::new(),
        }
    }

    /// Runs until `stop` says so or is dropped, then sends what can be sent in the time allowed.
    pub fn run(mut self, stop: &Receiver<()>) {
        while let Err(RecvTimeoutError::Timeout) = stop.recv_timeout(TICK) {
            self.adopt();
            self.send_due();
        }
        self.drain();
    }

    fn adopt(&mut self) {
        let now = Instant::now();
        if now < self.adopt_at {
            return;
        }
        self.adopt_at = now + ADOPTION;
        self.queues.extend(self.region.adopt(self.pid).into_iter().map(Queue::new));
        // An adopted queue that is empty is free for the next worker; the first is this worker's own.
        let mut at = 1;
        while at < self.queues.len() {
            if self.queues[at].consumer.is_empty() {
                self.queues.swap_remove(at).consumer.release();
            } else {
                at += 1;
            }
        }
    }

    fn send_due(&mut self) {
        for at in 0..self.queues.len() {
            // A full queue may hold several batches.
            while Instant::now() >= self.retry_at
                && self.queues[at].is_due(Instant::now(), &self.settings)
            {
                self.queues[at].waiting_since = None;
                self.send(at, None);
            }
        }
    }

    /// The last round: no pauses, within the time that a worker has to end. What is left stays in
    /// shared memory, for the workers of the next generation.
    fn drain(mut self) {
        let deadline = Instant::now() + self.settings.shutdown;
        for at in 0..self.queues.len() {
            while !self.queues[at].consumer.is_empty() {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() || !self.send(at, Some(left)) {
                    return;
                }
            }
        }
        for queue in self.queues {
            queue.consumer.release();
        }
    }

    /// Sends the first batch of a queue; whether that queue may go on.
    fn send(&mut self, at: usize, limit: Option<Duration>) -> bool {
        let mut batch = std::mem::take(&mut self.batch);
        self.queues[at].consumer.take(self.settings.batch, &mut batch);
        let name =
            format!("{}-{}", token(&self.settings.node), self.queues[at].consumer.batch_name());
        let handed_over = self.hand_over(at, &name, &batch, limit);
        if handed_over {
            self.queues[at].consumer.advance(batch.len());
        }
        self.batch = batch;
        handed_over
    }

    /// Posts lines, in halves if need be. False if they are to be kept.
    fn hand_over(&mut self, at: usize, name: &str, lines: &[u8], limit: Option<Duration>) -> bool {
        let answer = self.client.post(name, lines, limit);
        let count = memchr::memchr_iter(b'\n', lines).count() as u64;
        let counters = self.queues[at].consumer.counters();
        match answer {
            Answer::Stored => {
                counters.sent(count, lines.len() as u64);
                if self.backoff.failures() > 0 {
                    self.notes.add(Severity::Notice, "export: the cloud takes records again");
                }
                self.backoff.success();
                true
            }
            Answer::Refused(reason) => {
                counters.refused(count);
                let text = format!("export: the cloud {reason}; {count} records are dropped");
                self.notes.add(Severity::Error, text);
                true
            }
            Answer::TooLarge => match halves(lines) {
                // Names of halves are made of the whole's: a repetition has the same.
                Some((front, back)) => {
                    self.hand_over(at, &format!("{name}.0"), front, limit)
                        && self.hand_over(at, &format!("{name}.1"), back, limit)
                }
                None => {
                    counters.refused(count);
                    let text = "export: a record is too large for the cloud and is dropped";
                    self.notes.add(Severity::Error, text);
                    true
                }
            },
            Answer::NotNow { reason, after } => {
                counters.retried();
                if self.backoff.failures() == 0 {
                    let text = format!(
                        "export: {}: {reason}; records are kept and sent again",
                        self.settings.endpoint.records()
                    );
                    self.notes.add(Severity::Warning, text);
                }
                self.retry_at = Instant::now() + self.backoff.failure(after);
                false
            }
        }
    }
}

/// Two parts of whole lines; `None` for a single line.
fn halves(lines: &[u8]) -> Option<(&[u8], &[u8])> {
    let middle = lines.len() / 2;
    let end = match memchr::memrchr(b'\n', &lines[..middle]) {
        Some(at) => at + 1,
        None => memchr::memchr(b'\n', lines)? + 1,
    };
    (end < lines.len()).then(|| lines.split_at(end))
}

/// A name as it may stand in a header: what is not a letter, digit, dot, dash or underscore is one.
fn token(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests;
