//! The exporter thread's loop: which batch goes next. [`answers`] applies responses to batches, [`relief`] moves
//! batches to the spool, [`drain`] ends a worker.

mod answers;
mod drain;
mod facts;
mod relief;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, select, tick};

use super::batch_source::{Attempts, Queue, SpoolSource};
use super::delivered::Delivered;
use super::log_event::{LogSender, Severity};
use super::pressure::{Pressure, Priority, ThreadPriority};
use super::settings::ExportSettings;
use super::spool::{Lost, Spool};
use super::uplink::{Answered, Batch, Uplink};
use crate::Stopped;
use crate::clock::now_ms;
use crate::remote_config::StateFile;
use api_sessions_key_facts::WindowFacts;
use api_sessions_protocol::DenyEntry;
use api_sessions_shm::{Consumer, ExportCounters, QueueHandle};

use facts::FactsSource;

/// Interval of housekeeping, such as adopting the queues of dead workers.
const ADOPTION: Duration = Duration::from_secs(1);

/// Sends the records of a worker, and those that dead workers left behind.
pub struct Exporter {
    settings: ExportSettings,
    queue_handle: QueueHandle,
    /// Handles to the queues of previous configurations.
    former: Vec<QueueHandle>,
    /// The first is this worker's own.
    queues: Vec<Queue>,
    spool: Option<SpoolSource>,
    uplink: Uplink,
    answers: Receiver<Answered>,
    stopped: Stopped,
    priority: Priority,
    /// Batches whose spooled copies the cloud has after all: they are not sent again.
    delivered: Delivered,
    /// Source of the batch in flight.
    in_flight: Option<Origin>,
    /// The source to try first: 0 is the spool, then come `queues`.
    next_source: usize,
    next_number: u64,
    /// Buffer of the last batch, for reuse.
    reuse_buf: Vec<u8>,
    log: LogSender,
    state_file: Option<StateFile>,
    /// Denials by this worker's rules, and the journal they go to.
    denials: Receiver<DenyEntry>,
    journal: Option<StateFile>,
    facts: FactsSource,
    /// The last denials could not be written; this was logged.
    journal_failing: bool,
    /// The cloud does not respond, or responds with errors; this was logged.
    cloud_down: bool,
    /// The last batch was rejected permanently.
    rejecting: bool,
}

/// Where a batch in flight came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Queue(u64),
    Spool,
    /// It was spooled while in flight: if the cloud stores it now, the copy need not be sent.
    AlreadySpooled,
    /// Key facts, not records.
    Facts,
}

impl Exporter {
    /// An exporter of this process's queue. Call it on the thread that will run it: the uplink's thread inherits its
    /// signal mask, and `priority` applies to both.
    ///
    /// # Errors
    /// No second thread could be started.
    pub fn new(
        mut settings: ExportSettings,
        queue_handle: QueueHandle,
        consumer: Consumer,
        stopped: Stopped,
        priority: Arc<dyn ThreadPriority>,
        log: LogSender,
    ) -> io::Result<Self> {
        let (uplink, answers) = Uplink::start(&settings, priority.clone())?;
        let spool = settings.spool.clone();
        if let Some(spool) = &spool {
            // Several batches have to fit in the spool.
            settings.batch =
                settings.batch.min(usize::try_from(spool.max_bytes / 4).unwrap_or(usize::MAX));
        }
        Ok(Self {
            settings,
            queue_handle,
            former: Vec::new(),
            queues: vec![Queue::new(0, consumer)],
            spool: spool.map(|settings| SpoolSource::new(Spool::new(settings))),
            uplink,
            answers,
            stopped,
            priority: Priority::new(priority),
            delivered: Delivered::default(),
            in_flight: None,
            next_source: 0,
            next_number: 1,
            reuse_buf: Vec::new(),
            log,
            state_file: None,
            denials: never(),
            journal: None,
            facts: FactsSource::default(),
            journal_failing: false,
            cloud_down: false,
            rejecting: false,
        })
    }

    /// Also keeps a copy of the denylist on disk.
    #[must_use]
    pub fn with_state_file(self, state_file: Option<StateFile>) -> Self {
        Self { state_file, ..self }
    }

    /// Persists denials by rules as they arrive, so that they survive any end of NGINX.
    #[must_use]
    pub fn with_journal(self, denials: Receiver<DenyEntry>, journal: Option<StateFile>) -> Self {
        Self { denials, journal, ..self }
    }

    /// Also sends key facts to the cloud.
    #[must_use]
    pub fn with_key_facts(self, facts: Receiver<Vec<WindowFacts>>) -> Self {
        Self { facts: FactsSource::new(facts), ..self }
    }

    /// Also sends what is left in the queues of previous configurations, once their workers have ended.
    #[must_use]
    pub fn adopting_from(self, former: Vec<QueueHandle>) -> Self {
        Self { former, ..self }
    }

    /// Runs until stopped, then sends or spools what it can in the time allowed.
    pub fn run(mut self) {
        let second = tick(ADOPTION);
        self.once_a_second();
        loop {
            let pause = self.run_once();
            select! {
                recv(self.stopped.closed()) -> _ => break,
                recv(self.answers) -> answered => match answered {
                    Ok((batch, answer)) => self.answered(batch, &answer),
                    // Unreachable: the thread ends only with the exporter.
                    Err(_) => self.answers = never(),
                },
                recv(self.denials) -> first => match first {
                    Ok(first) => self.write_down(Some(first)),
                    Err(_) => self.denials = never(),
                },
                recv(self.facts.received()) -> windows => self.facts.take(windows.ok(), &self.settings),
                recv(second) -> _ => self.once_a_second(),
                default(pause) => {}
            }
        }
        self.drain();
    }

    /// One round of work, at the priority that suits the fullest ring. Returns how long the thread may sleep.
    fn run_once(&mut self) -> Duration {
        let pressure = self.pressure();
        self.priority.follow(pressure);
        let relieved = self.relieve();
        self.dispatch();
        if relieved {
            Duration::ZERO
        } else if self.can_move() {
            pressure.pause()
        } else {
            Pressure::longest_pause()
        }
    }

    /// Pressure of the fullest ring.
    fn pressure(&self) -> Pressure {
        self.queues.iter().map(Queue::pressure).max().unwrap_or_default()
    }

    /// Whether waking up sooner could help to relieve a full ring.
    fn can_move(&self) -> bool {
        let now = Instant::now();
        let is_idle = self.in_flight.is_none() && !self.cloud_down;
        is_idle || self.spool.as_ref().is_some_and(|source| !source.is_broken(now))
    }

    fn once_a_second(&mut self) {
        self.adopt();
        self.sync_spool();
        self.keep(StateFile::keep);
    }

    /// Writes all denials that have arrived to the journal at once. If that fails they stay in force, and the next copy
    /// of the list contains them.
    fn write_down(&mut self, first: Option<DenyEntry>) {
        let denials: Vec<DenyEntry> = first.into_iter().chain(self.denials.try_iter()).collect();
        let Some(journal) = self.journal.as_ref().filter(|_| !denials.is_empty()) else { return };
        let written = journal.write_down(&denials, now_ms());
        let was_failing = std::mem::replace(&mut self.journal_failing, written.is_err());
        if let Err(error) = written
            && !was_failing
        {
            let text = format!(
                "denials by rules are in force, but not on disk before the next copy of the denylist: {error}"
            );
            self.log.add(Severity::Error, text);
        }
    }

    fn keep(&mut self, how: fn(&mut StateFile, u64) -> io::Result<()>) {
        let Some(state_file) = &mut self.state_file else { return };
        if let Err(error) = how(state_file, now_ms()) {
            let text = format!("the copy of the denylist cannot be written: {error}");
            self.log.add(Severity::Error, text);
        }
    }

    fn adopt(&mut self) {
        for handle in std::iter::once(&self.queue_handle).chain(&self.former) {
            for consumer in handle.adopt() {
                self.queues.push(Queue::new(self.next_number, consumer));
                self.next_number += 1;
            }
        }
        // An adopted queue, once empty, is freed for the next worker.
        let mut at = 1;
        while at < self.queues.len() {
            if self.queues[at].consumer.is_empty() {
                self.queues.remove(at).consumer.release();
            } else {
                at += 1;
            }
        }
        if let Some(source) = &self.spool {
            self.queue_handle.queue().set_spool_bytes(source.spool.bytes());
        }
    }

    /// Passes the next batch to the uplink if it has none: queues and spool take turns.
    fn dispatch(&mut self) {
        // Facts and records take turns, since records may be waiting at all times.
        if !self.facts.had_turn {
            self.dispatch_facts(None);
        }
        let sources = self.queues.len() + 1;
        for offset in 0..sources {
            if self.in_flight.is_some() {
                return;
            }
            let index = (self.next_source + offset) % sources;
            let sent = match index.checked_sub(1) {
                None => self.dispatch_spooled(),
                Some(at) => {
                    let now = Instant::now();
                    let queue = &mut self.queues[at];
                    !queue.attempts.is_pausing(now)
                        && queue.is_due(now, &self.settings)
                        && self.dispatch_queued(at, None)
                }
            };
            if sent {
                self.next_source = index + 1;
            }
        }
        self.dispatch_facts(None);
    }

    fn dispatch_queued(&mut self, at: usize, limit: Option<Duration>) -> bool {
        let mut lines = std::mem::take(&mut self.reuse_buf);
        let queue = &mut self.queues[at];
        queue.consumer.take(self.settings.batch, &mut lines);
        queue.restart_clock();
        let name = self.settings.batch_name(&queue.consumer.batch_name());
        self.hand_over(
            Batch { name, lines, limit, are_facts: false },
            Origin::Queue(self.queues[at].number),
        )
    }

    fn dispatch_spooled(&mut self) -> bool {
        while let Some(batch) = self.spooled() {
            if !self.delivered.remove(&batch) {
                return self.hand_over(batch, Origin::Spool);
            }
            self.counters().sent(lines(&batch.lines), batch.lines.len() as u64);
            self.advance(Origin::Spool, batch.lines.len());
            self.reuse_buf = batch.lines;
        }
        false
    }

    /// A copy of the spool's first batch, if it can be sent now.
    fn spooled(&mut self) -> Option<Batch> {
        let source = self.spool.as_mut()?;
        if source.attempts.is_pausing(Instant::now()) {
            return None;
        }
        let mut lost = Lost::default();
        let batch = match source.current(&mut lost) {
            Ok(Some(batch)) => {
                let mut lines = std::mem::take(&mut self.reuse_buf);
                lines.clear();
                lines.extend_from_slice(&batch.lines);
                Some(Batch { name: batch.name.clone(), lines, ..Batch::default() })
            }
            Ok(None) => None,
            Err(error) => {
                self.log.add(Severity::Error, format!("export: the spool cannot be read: {error}"));
                None
            }
        };
        if lost.segments > 0 {
            self.counters().dropped_damaged(lost.records);
            let text = format!(
                "export: damaged places in the spool: {}; records lost: about {}",
                lost.segments, lost.records
            );
            self.log.add(Severity::Error, text);
        }
        batch
    }

    fn hand_over(&mut self, batch: Batch, origin: Origin) -> bool {
        match self.uplink.send(batch) {
            Ok(()) => {
                self.facts.had_turn = origin == Origin::Facts;
                self.in_flight = Some(origin);
                true
            }
            // Unreachable: the uplink only ends with the exporter. The batch stays where it is.
            Err(batch) => {
                self.reuse_buf = batch.lines;
                false
            }
        }
    }

    fn queue(&mut self, number: u64) -> Option<&mut Queue> {
        self.queues.iter_mut().find(|queue| queue.number == number)
    }

    fn attempts_of(&mut self, origin: Origin) -> Option<&mut Attempts> {
        match origin {
            Origin::Queue(number) => self.queue(number).map(|queue| &mut queue.attempts),
            Origin::Spool => self.spool.as_mut().map(|source| &mut source.attempts),
            // The batch is in the spool by now; its response still shows whether the cloud is up.
            Origin::AlreadySpooled => self.queues.first_mut().map(|queue| &mut queue.attempts),
            Origin::Facts => None,
        }
    }

    /// The counters of this worker's own queue.
    fn counters(&self) -> ExportCounters<'_> {
        self.queues[0].consumer.counters()
    }

    fn counters_of(&self, origin: Origin) -> ExportCounters<'_> {
        let is_it = |queue: &&Queue| origin == Origin::Queue(queue.number);
        self.queues.iter().find(is_it).unwrap_or(&self.queues[0]).consumer.counters()
    }
}

fn lines(batch: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', batch).count() as u64
}

#[cfg(test)]
mod tests;
