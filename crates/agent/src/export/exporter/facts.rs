//! Key facts on their way to the cloud: they alternate with batches of records and are never stored on disk.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use api_sessions_key_facts::WindowFacts;
use api_sessions_shm::ExportCounters;
use crossbeam_channel::{Receiver, never};

use super::super::client::Answer;
use super::super::settings::ExportSettings;
use super::super::uplink::Batch;
use super::{Exporter, Origin};
use crate::clock::now_ms;
use crate::limits::MAX_WAITING_KEY_FACTS;

/// Pause after a failed attempt.
const PAUSE: Duration = Duration::from_secs(5);

/// Key facts waiting to be sent.
pub(super) struct FactsSource {
    received: Receiver<Vec<WindowFacts>>,
    waiting: VecDeque<Batch>,
    /// No attempt before this time.
    next: Option<Instant>,
    /// Distinguishes this process's batches from all others.
    began_ms: u64,
    number: u64,
    /// The last batch passed to the uplink contained key facts.
    pub(super) had_turn: bool,
    /// Batches dropped to make room for newer ones, or not accepted.
    lost: u64,
}

impl Default for FactsSource {
    fn default() -> Self {
        Self::new(never())
    }
}

impl FactsSource {
    pub(super) fn new(received: Receiver<Vec<WindowFacts>>) -> Self {
        let waiting = VecDeque::new();
        let began_ms = now_ms();
        Self { received, waiting, next: None, began_ms, number: 0, had_turn: false, lost: 0 }
    }

    pub(super) fn received(&self) -> &Receiver<Vec<WindowFacts>> {
        &self.received
    }

    /// Queues windows that have ended, as one batch. `None`: no more will come.
    pub(super) fn take(&mut self, windows: Option<Vec<WindowFacts>>, settings: &ExportSettings) {
        let Some(windows) = windows else {
            self.received = never();
            return;
        };
        let mut lines = Vec::new();
        windows.iter().for_each(|window| window.write_line(&mut lines));
        self.number += 1;
        let process = std::process::id();
        let name = format!("facts-{process}-{}-{}", self.began_ms, self.number);
        let name = settings.batch_name(&name);
        if self.waiting.len() >= MAX_WAITING_KEY_FACTS {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(Batch { name, lines, limit: None, are_facts: true });
    }

    /// Queues everything that has arrived, to be sent without a pause.
    pub(super) fn take_all(&mut self, settings: &ExportSettings) {
        let windows: Vec<_> = self.received.try_iter().collect();
        windows.into_iter().for_each(|windows| self.take(Some(windows), settings));
        self.next = None;
    }

    pub(super) fn answered(&mut self, batch: Batch, answer: &Answer, counters: ExportCounters<'_>) {
        match answer {
            Answer::Stored => self.next = None,
            Answer::NotNow { .. } if self.waiting.len() < MAX_WAITING_KEY_FACTS => {
                self.waiting.push_front(batch);
                self.next = Some(Instant::now() + PAUSE);
            }
            _ => self.lost += 1,
        }
        for _ in 0..std::mem::take(&mut self.lost) {
            counters.lost_key_facts();
        }
    }
}

impl Exporter {
    /// Passes the next facts to the uplink if it has no batch.
    pub(super) fn dispatch_facts(&mut self, limit: Option<Duration>) -> bool {
        let is_pausing = self.facts.next.is_some_and(|next| Instant::now() < next);
        if self.in_flight.is_some() || self.cloud_down || is_pausing {
            return false;
        }
        let Some(batch) = self.facts.waiting.pop_front() else { return false };
        self.hand_over(Batch { limit, ..batch }, Origin::Facts)
    }
}
