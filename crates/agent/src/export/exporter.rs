//! The thread's loop: which batch goes next, and what is done when the worker ends. What an answer does to its
//! batch is in [`answers`].

mod answers;

use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, never, select, tick};

use super::batch_source::{Attempts, Queue, SpoolLane};
use super::client::Answer;
use super::log_event::{LogSender, Severity};
use super::settings::ExportSettings;
use super::spool::{Lost, Spool};
use super::uplink::{Answered, Batch, Uplink};
use crate::Stopped;
use crate::remote_config::StateFile;
use api_sessions_shm::{Consumer, ExportCounters, QueueHandle};

/// How often the queue is looked at. The event loop wakes nobody: a sleeping thread costs it nothing.
const TICK: Duration = Duration::from_millis(50);
/// How often queues of dead workers are looked for, and other things of no hurry done.
const ADOPTION: Duration = Duration::from_secs(1);

/// Sends what a worker queues, and what dead workers have left.
pub struct Exporter {
    settings: ExportSettings,
    hand: QueueHandle,
    /// The first is this worker's own.
    queues: Vec<Queue>,
    spool: Option<SpoolLane>,
    uplink: Uplink,
    answers: Receiver<Answered>,
    stopped: Stopped,
    /// Where the batch came from that the uplink has.
    flight: Option<Origin>,
    /// The lane that is asked first.
    turn: usize,
    next_number: u64,
    /// Memory of the last parcel.
    spare: Vec<u8>,
    notes: LogSender,
    keeper: Option<StateFile>,
    /// The cloud does not answer, or not well; it was told.
    away: bool,
    /// The last batch that was answered was refused for good.
    refusing: bool,
}

/// Where a batch in flight came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Queue(u64),
    Spool,
    /// It has been spooled since: if the cloud takes it now, it will know its name later.
    Nowhere,
}

impl Exporter {
    /// An exporter of this process' queue. To be called on the thread that will run it: the uplink's thread
    /// inherits what that one has.
    ///
    /// # Errors
    /// No second thread could be started.
    pub fn new(
        mut settings: ExportSettings,
        hand: QueueHandle,
        consumer: Consumer,
        stopped: Stopped,
        notes: LogSender,
    ) -> io::Result<Self> {
        let (uplink, answers) = Uplink::start(&settings)?;
        let spool = settings.spool.clone();
        if let Some(spool) = &spool {
            // A batch has to fit, with others.
            settings.batch =
                settings.batch.min(usize::try_from(spool.max_bytes / 4).unwrap_or(usize::MAX));
        }
        Ok(Self {
            settings,
            hand,
            queues: vec![Queue::new(0, consumer)],
            spool: spool.map(|settings| SpoolLane::new(Spool::new(settings))),
            uplink,
            answers,
            stopped,
            flight: None,
            turn: 0,
            next_number: 1,
            spare: Vec::new(),
            notes,
            keeper: None,
            away: false,
            refusing: false,
        })
    }

    /// Keeps a copy of the denylist on the side.
    #[must_use]
    pub fn keeping(self, keeper: Option<StateFile>) -> Self {
        Self { keeper, ..self }
    }

    /// Runs until it is stopped, then hands over what it can in the time allowed.
    pub fn run(mut self) {
        let (look, second) = (tick(TICK), tick(ADOPTION));
        self.once_a_second();
        loop {
            select! {
                recv(self.stopped.closed()) -> _ => break,
                recv(self.answers) -> answered => match answered {
                    Ok((parcel, answer)) => self.answered(parcel, &answer),
                    // The thread is gone, which no code does.
                    Err(_) => self.answers = never(),
                },
                recv(second) -> _ => self.once_a_second(),
                recv(look) -> _ => {}
            }
            self.relieve();
            self.dispatch();
        }
        self.drain();
    }

    fn once_a_second(&mut self) {
        self.adopt();
        self.keep(StateFile::keep);
    }

    fn keep(&mut self, how: fn(&mut StateFile, u64) -> io::Result<()>) {
        let Some(keeper) = &mut self.keeper else { return };
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        if let Err(error) = how(keeper, u64::try_from(now_ms).unwrap_or_default()) {
            let text = format!("the copy of the denylist cannot be written: {error}");
            self.notes.add(Severity::Error, text);
        }
    }

    fn adopt(&mut self) {
        for consumer in self.hand.adopt() {
            self.queues.push(Queue::new(self.next_number, consumer));
            self.next_number += 1;
        }
        // An adopted queue that is empty is free for the next worker.
        let mut at = 1;
        while at < self.queues.len() {
            if self.queues[at].consumer.is_empty() {
                self.queues.remove(at).consumer.release();
            } else {
                at += 1;
            }
        }
        if let Some(lane) = &self.spool {
            self.hand.queue().set_spool_bytes(lane.spool.bytes());
        }
    }

    /// Spools what cannot wait for the cloud: batches whose turn comes while attempts are pausing, and
    /// those of a queue that fills up behind a slow answer.
    fn relieve(&mut self) {
        for at in 0..self.queues.len() {
            loop {
                let now = Instant::now();
                let queue = &mut self.queues[at];
                let waits = queue.attempts.is_pausing(now) && queue.is_due(now, &self.settings);
                let is_pressed = self.flight.is_some() && queue.is_pressed();
                if !(waits || is_pressed) || !self.spool_first(at) {
                    break;
                }
            }
        }
    }

    /// Moves the first batch of a queue to the spool. Whether it did.
    fn spool_first(&mut self, at: usize) -> bool {
        let Some(lane) = &mut self.spool else { return false };
        if lane.is_broken(Instant::now()) {
            return false;
        }
        let mut batch = std::mem::take(&mut self.spare);
        let queue = &mut self.queues[at];
        queue.consumer.take(self.settings.batch, &mut batch);
        let name = self.settings.batch_name(&queue.consumer.batch_name());
        let result = lane.spool.put(&name, &batch);
        let counters = queue.consumer.counters();
        match &result {
            Ok(lost) => {
                counters.spooled(lines(&batch));
                counters.dropped_spool_full(lost.records);
                queue.consumer.advance(batch.len());
                queue.restart_clock();
                if self.flight == Some(Origin::Queue(queue.number)) {
                    self.flight = Some(Origin::Nowhere);
                }
                if lane.works() {
                    self.notes.add(Severity::Notice, "export: the spool takes records again");
                }
                if lost.records > 0 {
                    let count = lost.records;
                    let text = format!(
                        "export: the spool is full: {count} of the oldest records are dropped"
                    );
                    self.notes.add(Severity::Error, text);
                }
            }
            Err(error) => {
                counters.spool_failed();
                if lane.broke() {
                    let text = format!(
                        "export: the spool cannot be written to: {error}; records wait in memory alone"
                    );
                    self.notes.add(Severity::Error, text);
                }
            }
        }
        self.spare = batch;
        result.is_ok()
    }

    /// Gives the uplink the next batch, if it has none: queues and spool in turn.
    fn dispatch(&mut self) {
        let lanes = self.queues.len() + 1;
        for offset in 0..lanes {
            if self.flight.is_some() {
                return;
            }
            let lane = (self.turn + offset) % lanes;
            let sent = match lane.checked_sub(1) {
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
                self.turn = lane + 1;
            }
        }
    }

    fn dispatch_queued(&mut self, at: usize, limit: Option<Duration>) -> bool {
        let mut lines = std::mem::take(&mut self.spare);
        let queue = &mut self.queues[at];
        queue.consumer.take(self.settings.batch, &mut lines);
        queue.restart_clock();
        let name = self.settings.batch_name(&queue.consumer.batch_name());
        self.hand_over(Batch { name, lines, limit }, Origin::Queue(self.queues[at].number))
    }

    fn dispatch_spooled(&mut self) -> bool {
        let Some(lane) = &mut self.spool else { return false };
        if lane.attempts.is_pausing(Instant::now()) {
            return false;
        }
        let mut lost = Lost::default();
        let mut lines = std::mem::take(&mut self.spare);
        let name = match lane.current(&mut lost) {
            Ok(Some(batch)) => {
                lines.clear();
                lines.extend_from_slice(&batch.lines);
                Some(batch.name.clone())
            }
            Ok(None) => None,
            Err(error) => {
                self.notes
                    .add(Severity::Error, format!("export: the spool cannot be read: {error}"));
                None
            }
        };
        if lost.segments > 0 {
            self.counters().dropped_damaged(lost.records);
            let text = format!(
                "export: {} damaged places in the spool: about {} records are lost",
                lost.segments, lost.records
            );
            self.notes.add(Severity::Error, text);
        }
        match name {
            Some(name) => self.hand_over(Batch { name, lines, limit: None }, Origin::Spool),
            None => {
                self.spare = lines;
                false
            }
        }
    }

    fn hand_over(&mut self, parcel: Batch, origin: Origin) -> bool {
        match self.uplink.send(parcel) {
            Ok(()) => {
                self.flight = Some(origin);
                true
            }
            // The uplink is gone, which no code does. The batch stays where it is.
            Err(parcel) => {
                self.spare = parcel.lines;
                false
            }
        }
    }

    /// The last round, within the time that a worker has to end: what can be sent is sent, the rest is
    /// spooled. What is left then stays in shared memory, for the workers of the next generation.
    fn drain(mut self) {
        self.keep(StateFile::keep_now);
        let now = Instant::now();
        let deadline = now + self.settings.shutdown;
        let until = match self.spool {
            Some(_) => now + self.settings.shutdown / 2,
            None => deadline,
        };
        let is_known_away = self.away && self.spool.is_some();
        while !is_known_away && self.send_one_more(until) {}
        for at in 0..self.queues.len() {
            while !self.queues[at].consumer.is_empty()
                && Instant::now() < deadline
                && self.spool_first(at)
            {}
        }
        if let Some(lane) = &self.spool {
            self.hand.queue().set_spool_bytes(lane.spool.bytes());
        }
        let left: u64 = self.queues.iter().map(|queue| queue.consumer.waiting().0).sum();
        if left > 0 {
            let text = format!(
                "export: {left} records could not be handed over in time; they wait in memory for the next workers that have the same queue"
            );
            self.notes.add(Severity::Warning, text);
        }
        for queue in self.queues {
            queue.consumer.release();
        }
    }

    /// One batch of a queue, or the answer to the one in flight. Whether to go on.
    fn send_one_more(&mut self, until: Instant) -> bool {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        if self.flight.is_none() {
            let waiting = self.queues.iter().position(|queue| !queue.consumer.is_empty());
            let Some(at) = waiting else { return false };
            if !self.dispatch_queued(at, Some(left)) {
                return false;
            }
        }
        let Ok((parcel, answer)) = self.answers.recv_timeout(left) else { return false };
        self.answered(parcel, &answer);
        !matches!(answer, Answer::NotNow { .. })
    }

    fn queue(&mut self, number: u64) -> Option<&mut Queue> {
        self.queues.iter_mut().find(|queue| queue.number == number)
    }

    fn attempts_of(&mut self, origin: Origin) -> Option<&mut Attempts> {
        match origin {
            Origin::Queue(number) => self.queue(number).map(|queue| &mut queue.attempts),
            Origin::Spool => self.spool.as_mut().map(|lane| &mut lane.attempts),
            // Its queue was relieved; an answer to it is news of the cloud all the same.
            Origin::Nowhere => self.queues.first_mut().map(|queue| &mut queue.attempts),
        }
    }

    /// This worker's own.
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
