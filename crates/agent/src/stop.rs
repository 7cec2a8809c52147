//! Ending a thread.

use std::convert::Infallible;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

/// Ends the thread that holds the [`Stopped`] when it is dropped: at once, whatever that waits for.
#[derive(Debug)]
pub struct Stop {
    _open: Sender<Infallible>,
}

/// The thread's end.
#[derive(Debug)]
pub struct Stopped(Receiver<Infallible>);

/// Both ends. No message passes: what counts is that the channel is closed.
pub fn stop_channel() -> (Stop, Stopped) {
    let (open, closed) = bounded(0);
    (Stop { _open: open }, Stopped(closed))
}

impl Stopped {
    /// Whether the thread is to end.
    pub fn is_stopped(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Waits that long, or until the thread is to end. Whether it is.
    pub fn wait(&self, pause: Duration) -> bool {
        matches!(self.0.recv_timeout(pause), Err(RecvTimeoutError::Disconnected))
    }

    /// For `select!`: ready once the thread is to end.
    pub(crate) fn closed(&self) -> &Receiver<Infallible> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_pauses_ends_at_once() {
        let (stop, stopped) = stop_channel();
        assert!(!stopped.is_stopped() && !stopped.wait(Duration::ZERO));
        let thread = std::thread::spawn(move || stopped.wait(Duration::from_secs(3600)));
        drop(stop);
        assert!(thread.join().unwrap());
    }
}
