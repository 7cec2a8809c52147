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
    /// The last batch that was answered was refused for good.
    refusing: bool,
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
            refusing: false,
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

    /// Sends the first batch of a queue; whether that queue may go on. A batch is named by where it
    /// starts, so one that has to be made shorter keeps its name: the longer one was stored nowhere.
    fn send(&mut self, at: usize, limit: Option<Duration>) -> bool {
        let mut batch = std::mem::take(&mut self.batch);
        let consumer = &mut self.queues[at].consumer;
        consumer.take(self.settings.batch, &mut batch);
        let name = format!("{}-{}", token(&self.settings.node), consumer.batch_name());
        let may_go_on = match self.client.post(&name, &batch, limit) {
            Answer::TooLarge => match first_half(&batch) {
                Some(end) => {
                    self.queues[at].consumer.shorten(end);
                    true
                }
                None => {
                    self.refused(at, &batch, "does not take a record of that size");
                    true
                }
            },
            Answer::Stored => {
                self.stored(at, &batch);
                true
            }
            Answer::Refused(reason) => {
                self.refused(at, &batch, &reason);
                true
            }
            Answer::NotNow { reason, after } => {
                self.put_off(at, &reason, after);
                false
            }
        };
        self.batch = batch;
        may_go_on
    }

    fn stored(&mut self, at: usize, batch: &[u8]) {
        let consumer = &mut self.queues[at].consumer;
        consumer.counters().sent(lines(batch), batch.len() as u64);
        consumer.advance(batch.len());
        if self.backoff.failures() > 0 {
            self.notes.add(Severity::Notice, "export: the cloud takes records again");
        }
        self.backoff.success();
        self.refusing = false;
    }

    /// Told once, until a batch is stored again: the counter tells the rest.
    fn refused(&mut self, at: usize, batch: &[u8], reason: &str) {
        let count = lines(batch);
        let consumer = &mut self.queues[at].consumer;
        consumer.counters().refused(count);
        consumer.advance(batch.len());
        if !std::mem::replace(&mut self.refusing, true) {
            let text = format!(
                "export: the cloud {reason}; {count} records are dropped, and more if it goes on"
            );
            self.notes.add(Severity::Error, text);
        }
    }

    fn put_off(&mut self, at: usize, reason: &str, after: Option<Duration>) {
        self.queues[at].consumer.counters().retried();
        if self.backoff.failures() == 0 {
            let url = self.settings.endpoint.records();
            let text = format!("export: {url}: {reason}; records are kept and sent again");
            self.notes.add(Severity::Warning, text);
        }
        self.retry_at = Instant::now() + self.backoff.failure(after);
    }
}

fn lines(batch: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', batch).count() as u64
}

/// End of about the first half of a batch, in whole lines; `None` for a single line.
fn first_half(batch: &[u8]) -> Option<usize> {
    let middle = batch.len() / 2;
    let end = match memchr::memrchr(b'\n', &batch[..middle]) {
        Some(at) => at + 1,
        None => memchr::memchr(b'\n', batch)? + 1,
    };
    (end < batch.len()).then_some(end)
}

/// A name as it may stand in a header: what is not a letter, digit, dot, dash or underscore is one.
fn token(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests;
