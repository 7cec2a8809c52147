//! Sources of batches, and when the next attempt from each is due.

use std::time::{Duration, Instant};

use super::backoff::Backoff;
use super::pressure::Pressure;
use super::settings::ExportSettings;
use super::spool::{Lost, Spool, Spooled};
use api_sessions_shm::Consumer;

/// Interval at which an empty spool is checked: other processes may have added batches.
const LOOK: Duration = Duration::from_secs(1);
/// Pause between attempts to write to the spool after one has failed, or to read it.
const BROKEN: Duration = Duration::from_secs(5);

/// Attempts from one source: a failing batch holds back no other source.
pub(super) struct Attempts {
    pub(super) backoff: Backoff,
    pub(super) at: Instant,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { backoff: Backoff::default(), at: Instant::now() }
    }

    /// Whether it is in the pause after a failure.
    pub(super) fn is_pausing(&self, now: Instant) -> bool {
        now < self.at
    }

    pub(super) fn failed(&mut self, after: Option<Duration>) {
        self.at = Instant::now() + self.backoff.failure(after);
    }
}

/// A ring, this worker's own or adopted.
pub(super) struct Queue {
    /// Distinguishes the queues of one exporter.
    pub(super) number: u64,
    pub(super) consumer: Consumer,
    pub(super) attempts: Attempts,
    /// When it was first seen to contain records.
    waiting_since: Option<Instant>,
}

impl Queue {
    pub(super) fn new(number: u64, consumer: Consumer) -> Self {
        Self { number, consumer, attempts: Attempts::new(), waiting_since: None }
    }

    /// Whether a full batch waits, or the first record has waited long enough.
    pub(super) fn is_due(&mut self, now: Instant, settings: &ExportSettings) -> bool {
        let waiting = self.consumer.len();
        if waiting == 0 {
            self.waiting_since = None;
            return false;
        }
        let since = *self.waiting_since.get_or_insert(now);
        waiting >= settings.batch || now.duration_since(since) >= settings.flush
    }

    /// How full it is.
    pub(super) fn pressure(&self) -> Pressure {
        Pressure::of(self.consumer.len(), self.consumer.capacity())
    }

    /// Restarts the flush timer after a batch was taken.
    pub(super) fn restart_clock(&mut self) {
        self.waiting_since = None;
    }
}

/// The spool, and its batch that is being sent.
pub(super) struct SpoolSource {
    pub(super) spool: Spool,
    pub(super) attempts: Attempts,
    /// The unsent part of the spool's first batch.
    current: Option<Spooled>,
    look_at: Instant,
    /// No attempt to write before this time.
    broken_until: Option<Instant>,
    /// The last attempt to read failed; this was logged.
    unreadable: bool,
}

impl SpoolSource {
    pub(super) fn new(spool: Spool) -> Self {
        let attempts = Attempts::new();
        let look_at = attempts.at;
        Self { spool, attempts, current: None, look_at, broken_until: None, unreadable: false }
    }

    /// The batch to be sent next, if there is one.
    ///
    /// # Errors
    /// File system errors, reported once until a read succeeds; the next attempt follows after a pause.
    pub(super) fn current(&mut self, lost: &mut Lost) -> std::io::Result<Option<&Spooled>> {
        let now = Instant::now();
        if self.current.is_none() && now >= self.look_at {
            match self.spool.next(lost) {
                Ok(Some(batch)) => {
                    self.unreadable = false;
                    self.current = Some(batch);
                }
                Ok(None) => self.look_at = now + LOOK,
                Err(error) => {
                    self.look_at = now + BROKEN;
                    if !std::mem::replace(&mut self.unreadable, true) {
                        return Err(error);
                    }
                }
            }
        }
        Ok(self.current.as_ref())
    }

    /// Marks the first `bytes` bytes of the current batch as done.
    pub(super) fn advance(&mut self, bytes: usize) -> std::io::Result<()> {
        let Some(mut batch) = self.current.take() else { return Ok(()) };
        if bytes < batch.lines.len() {
            batch.name = name_behind(&batch.name, bytes);
            batch.lines.drain(..bytes);
            self.current = Some(batch);
            return Ok(());
        }
        self.look_at = Instant::now();
        self.spool.done()
    }

    pub(super) fn is_broken(&self, now: Instant) -> bool {
        self.broken_until.is_some_and(|until| now < until)
    }

    /// Notes a failed write. Returns whether the spool worked before.
    pub(super) fn broke(&mut self) -> bool {
        self.broken_until.replace(Instant::now() + BROKEN).is_none()
    }

    /// Notes a successful write. Returns whether the spool was broken before.
    pub(super) fn works(&mut self) -> bool {
        self.look_at = Instant::now();
        self.broken_until.take().is_some()
    }
}

/// Name of the batch that begins `bytes` bytes after the named one, as its ring would have named it (`…-position`).
fn name_behind(name: &str, bytes: usize) -> String {
    let position =
        name.rsplit_once('-').and_then(|(front, at)| Some((front, at.parse::<u64>().ok()?)));
    match position {
        Some((front, at)) => format!("{front}-{}", at.wrapping_add(bytes as u64)),
        None => format!("{name}-{bytes}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_batch_is_named_as_the_ring_names_it() {
        assert_eq!(name_behind("node-0123456789abcdef-100", 20), "node-0123456789abcdef-120");
        assert_eq!(name_behind("other", 20), "other-20");
    }
}
