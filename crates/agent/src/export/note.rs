//! What an exporter wants to have logged.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Notes that wait at most; more are dropped, since the counters tell the same.
const CAPACITY: usize = 32;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Good news: the cloud is back.
    Notice,
    /// Records wait.
    Warning,
    /// Records were lost.
    Error,
}

/// One line for the error log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How bad it is.
    pub severity: Severity,
    /// What happened, without a trailing period.
    pub text: String,
}

/// The exporter's end.
#[derive(Debug, Clone)]
pub struct Notes(SyncSender<Note>);

/// A channel of notes from an exporter to the event loop.
pub fn notes() -> (Notes, Receiver<Note>) {
    let (sender, receiver) = sync_channel(CAPACITY);
    (Notes(sender), receiver)
}

impl Notes {
    /// Leaves a note.
    pub fn add(&self, severity: Severity, text: impl Into<String>) {
        // Full: the event loop is behind, or gone. Nobody waits for it.
        let _ = self.0.try_send(Note { severity, text: text.into() });
    }
}
