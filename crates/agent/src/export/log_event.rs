//! Log messages of an exporter.

use crossbeam_channel::{Receiver, Sender, bounded};

/// Limit on waiting events. Further ones are dropped; the counters tell the same story.
const CAPACITY: usize = 32;

/// How serious an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A problem has ended: the cloud is back.
    Notice,
    /// Records have to wait.
    Warning,
    /// Records were lost.
    Error,
}

/// One line for the error log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// Severity.
    pub severity: Severity,
    /// What happened, without a trailing period.
    pub text: String,
}

/// The exporter's end.
#[derive(Debug, Clone)]
pub struct LogSender(Sender<LogEvent>);

/// A channel of log events from an exporter to the event loop.
pub fn log_channel() -> (LogSender, Receiver<LogEvent>) {
    let (sender, receiver) = bounded(CAPACITY);
    (LogSender(sender), receiver)
}

impl LogSender {
    /// Sends an event.
    pub fn add(&self, severity: Severity, text: impl Into<String>) {
        // Full: the event loop is behind or gone; do not wait for it.
        let _ = self.0.try_send(LogEvent { severity, text: text.into() });
    }
}
