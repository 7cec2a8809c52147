//! The thread that talks to the cloud: one batch at a time, however long it takes, while the exporter
//! goes on looking after the queue.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::client::{Answer, Client};
use super::pressure::{ThreadPriority, ThreadRole};
use super::settings::ExportSettings;

/// A batch under its name.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) name: String,
    pub(super) lines: Vec<u8>,
    /// They are facts of keys, no records.
    pub(super) are_facts: bool,
    /// Shorter than the configured timeout, where the worker is ending.
    pub(super) limit: Option<Duration>,
}

/// A batch and its outcome.
pub(super) type Answered = (Batch, Answer);

pub(super) struct Uplink(Sender<Batch>);

impl Uplink {
    /// The uplink, and where its answers come. The thread inherits the signal mask of the calling one; it reads
    /// TLS roots itself. It ends when the uplink is dropped, after the batch that it has; nobody
    /// waits for that.
    ///
    /// # Errors
    /// No thread could be started.
    pub(super) fn start(
        settings: &ExportSettings,
        priority: Arc<dyn ThreadPriority>,
    ) -> io::Result<(Self, Receiver<Answered>)> {
        // A batch is taken off at once, and each has one answer.
        let ((sender, batches), (answer, answers)) = (bounded(1), bounded(1));
        let settings = settings.clone();
        thread::Builder::new().name("api-sessions-tx".to_owned()).spawn(move || {
            priority.join(ThreadRole::Uplink);
            deliver(&settings, &batches, &answer);
        })?;
        Ok((Self(sender), answers))
    }

    /// Takes a batch.
    pub(super) fn send(&self, batch: Batch) -> Result<(), Batch> {
        self.0.try_send(batch).map_err(|error| match error {
            TrySendError::Full(batch) | TrySendError::Disconnected(batch) => batch,
        })
    }
}

fn deliver(settings: &ExportSettings, batches: &Receiver<Batch>, answers: &Sender<Answered>) {
    let mut client = Client::new(settings);
    for batch in batches {
        let post = || client.post((&batch.name, &batch.lines), batch.are_facts, batch.limit);
        let answer = catch_unwind(AssertUnwindSafe(post)).unwrap_or_else(|_| {
            client = Client::new(settings);
            Answer::NotNow { reason: "the sender failed".to_owned(), after: None }
        });
        if answers.send((batch, answer)).is_err() {
            return;
        }
    }
}
