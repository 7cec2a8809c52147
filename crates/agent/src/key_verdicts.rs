//! Verdicts on session keys where no cloud gives them: each worker posts what it has measured to a mailbox, one worker
//! merges and judges it, and all of them leave out what is demoted.
//!
//! What stands is in shared memory, so that it survives a reload and a killed worker.

mod judge;
mod shared;

use std::collections::VecDeque;

use api_sessions_key_facts::{ApplicationFacts, Kind, WindowFacts};
use api_sessions_shm::PostError;

use crate::export::LogEvent;
use crate::limits::{MAX_POSTED_KEYS, MAX_WAITING_KEYS};
use judge::Judge;
pub use shared::{BadKey, SharedVerdicts};

/// A worker's part in the verdicts.
#[derive(Default)]
pub struct KeyVerdicts {
    /// Facts to post, each of one key.
    waiting: VecDeque<WindowFacts>,
    /// Only in the worker that judges.
    judge: Option<Judge>,
    pid: u32,
}

impl KeyVerdicts {
    /// Creates the part of process `pid`.
    pub fn new(pid: u32) -> Self {
        Self { pid, ..Self::default() }
    }

    /// Posts windows that have ended. In the one worker that judges, `judges_at` is the time, milliseconds since 1970.
    /// To be called once a second; returns what is to be logged.
    pub fn once_a_second(
        &mut self,
        shared: SharedVerdicts,
        windows: Vec<WindowFacts>,
        judges_at: Option<u64>,
    ) -> Vec<LogEvent> {
        self.add(windows);
        self.post(shared, MAX_POSTED_KEYS);
        match judges_at {
            Some(now) => self.judge.get_or_insert_default().judge(shared, self.pid, now),
            None => {
                self.hand_over();
                Vec::new()
            }
        }
    }

    /// Leaves the last windows to the others. Called when the worker exits.
    pub fn end(mut self, shared: SharedVerdicts, windows: Vec<WindowFacts>) {
        self.add(windows);
        self.hand_over();
        self.post(shared, usize::MAX);
    }

    /// The next judge gets the windows that this one has not closed.
    fn hand_over(&mut self) {
        if let Some(judge) = self.judge.take() {
            self.add(judge.into_open());
        }
    }

    /// Adds the keys that are judged. The oldest give way.
    fn add(&mut self, windows: Vec<WindowFacts>) {
        for WindowFacts { start, length, application } in windows {
            let ApplicationFacts { name, mut requests, report, keys } = application;
            for key in keys.into_iter().filter(|it| matches!(it.kind, Kind::Own | Kind::Builtin)) {
                if self.waiting.len() >= MAX_WAITING_KEYS {
                    self.waiting.pop_front();
                }
                // The requests of the application count once.
                let requests = std::mem::take(&mut requests);
                let (name, keys) = (name.clone(), vec![key]);
                let application = ApplicationFacts { name, requests, report, keys };
                self.waiting.push_back(WindowFacts { start, length, application });
            }
        }
    }

    /// Posts at most `most` messages. What finds no room waits.
    fn post(&mut self, shared: SharedVerdicts, most: usize) {
        for _ in 0..most {
            let Some(window) = self.waiting.front() else { return };
            let mut line = Vec::new();
            window.write_line(&mut line);
            match shared.mailbox.post(&line, self.pid) {
                Ok(()) | Err(PostError::TooLong) => self.waiting.pop_front(),
                Err(PostError::Full | PostError::Busy) => return,
            };
        }
    }
}

#[cfg(test)]
mod tests;
