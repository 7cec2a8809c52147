//! The thread that posts to the cloud: one batch at a time, however long it takes, while the exporter keeps serving the
//! queue.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::client::{Answer, Client};
use super::pressure::{ThreadPriority, ThreadRole};
use super::settings::ExportSettings;

/// A batch and its name.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) name: String,
    pub(super) lines: Vec<u8>,
    /// The lines are key facts, not records.
    pub(super) are_facts: bool,
    /// Shorter than the configured timeout when the worker is ending.
    pub(super) limit: Option<Duration>,
}

/// A batch and its outcome.
pub(super) type Answered = (Batch, Answer);

pub(super) struct Uplink(Sender<Batch>);

impl Uplink {
    /// Starts the uplink and returns it with the receiver of its answers. The thread inherits the signal mask of the
    /// calling thread and reads TLS roots itself. It ends once the uplink is dropped, after the batch it is posting;
    /// nobody waits for that.
    ///
    /// # Errors
    /// No thread could be started.
    pub(super) fn start(
        settings: &ExportSettings,
        priority: Arc<dyn ThreadPriority>,
    ) -> io::Result<(Self, Receiver<Answered>)> {
        // The thread takes a batch off at once, and each batch has one answer.
        let ((sender, batches), (answer, answers)) = (bounded(1), bounded(1));
        let settings = settings.clone();
        thread::Builder::new().name("api-sessions-tx".to_owned()).spawn(move || {
            priority.join(ThreadRole::Uplink);
            deliver(&settings, &batches, &answer);
        })?;
        Ok((Self(sender), answers))
    }

    /// Passes a batch to the thread. Returns the batch if it cannot.
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
