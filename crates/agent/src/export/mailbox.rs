//! What an exporter waits for.

use std::sync::mpsc::{Receiver, Sender, channel};

use super::client::Answer;
use super::uplink::Batch;

pub(super) enum Event {
    /// The worker ends.
    Stop,
    /// What became of a batch.
    Answered(Batch, Answer),
}

/// An exporter's end of the channel that tells it what happens.
pub struct Mailbox {
    pub(super) sender: Sender<Event>,
    pub(super) receiver: Receiver<Event>,
}

/// Ends an exporter: when it is dropped, at the latest.
pub struct Stop(Sender<Event>);

/// A mailbox, and the way to stop who reads it.
pub fn mailbox() -> (Stop, Mailbox) {
    let (sender, receiver) = channel();
    (Stop(sender.clone()), Mailbox { sender, receiver })
}

impl Drop for Stop {
    fn drop(&mut self) {
        // An exporter that is gone needs no telling.
        let _ = self.0.send(Event::Stop);
    }
}
