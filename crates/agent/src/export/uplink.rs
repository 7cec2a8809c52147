//! The thread that talks to the cloud: one batch at a time, however long it takes, while the exporter
//! goes on looking after the queue.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use super::client::{Answer, Client};
use super::mailbox::Event;
use super::settings::ExportSettings;

/// A batch under its name.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) name: String,
    pub(super) lines: Vec<u8>,
    /// Shorter than the configured timeout, where the worker is ending.
    pub(super) limit: Option<Duration>,
}

pub(super) struct Uplink(SyncSender<Batch>);

impl Uplink {
    /// Inherits signal mask and priority of the calling thread. TLS roots are read on the new one. It
    /// ends when the courier is dropped, after the batch that it has; nobody waits for that.
    ///
    /// # Errors
    /// No thread could be started.
    pub(super) fn start(settings: &ExportSettings, answers: Sender<Event>) -> io::Result<Self> {
        // One that is being sent is taken off at once.
        let (sender, parcels) = sync_channel(1);
        let settings = settings.clone();
        thread::Builder::new()
            .name("api-sessions-tx".to_owned())
            .spawn(move || deliver(&settings, &parcels, &answers))?;
        Ok(Self(sender))
    }

    /// Takes a batch; its answer comes as an event.
    pub(super) fn send(&self, parcel: Batch) -> Result<(), Batch> {
        self.0.try_send(parcel).map_err(|error| match error {
            TrySendError::Full(parcel) | TrySendError::Disconnected(parcel) => parcel,
        })
    }
}

fn deliver(settings: &ExportSettings, parcels: &Receiver<Batch>, answers: &Sender<Event>) {
    let mut client = Client::new(settings);
    for parcel in parcels {
        let post = || client.post(&parcel.name, &parcel.lines, parcel.limit);
        let answer = catch_unwind(AssertUnwindSafe(post)).unwrap_or_else(|_| {
            client = Client::new(settings);
            Answer::NotNow { reason: "the sender failed".to_owned(), after: None }
        });
        if answers.send(Event::Answered(parcel, answer)).is_err() {
            return;
        }
    }
}
