//! What an exporter wants to have logged.

use crossbeam_channel::{Receiver, Sender, bounded};

/// Events that wait at most; more are dropped, since the counters tell the same.
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
pub struct LogEvent {
    /// How bad it is.
    pub severity: Severity,
    /// What happened, without a trailing period.
    pub text: String,
}

/// The exporter's end.
#[derive(Debug, Clone)]
pub struct LogSender(Sender<LogEvent>);

/// A channel of notes from an exporter to the event loop.
pub fn log_channel() -> (LogSender, Receiver<LogEvent>) {
    let (sender, receiver) = bounded(CAPACITY);
    (LogSender(sender), receiver)
}

impl LogSender {
    /// Leaves a note.
    pub fn add(&self, severity: Severity, text: impl Into<String>) {
        // Full: the event loop is behind, or gone. Nobody waits for it.
        let _ = self.0.try_send(LogEvent { severity, text: text.into() });
    }
}
