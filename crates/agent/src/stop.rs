//! Stopping a thread.

use std::convert::Infallible;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

/// When dropped, ends the thread that holds the [`Stopped`]: at once, whatever it is waiting for.
#[derive(Debug)]
pub struct Stop {
    _open: Sender<Infallible>,
}

/// The thread's end.
#[derive(Debug)]
pub struct Stopped(Receiver<Infallible>);

/// Both ends. No message is ever sent: closing the channel is the signal.
pub fn stop_channel() -> (Stop, Stopped) {
    let (open, closed) = bounded(0);
    (Stop { _open: open }, Stopped(closed))
}

impl Stopped {
    /// Whether the thread should end.
    pub fn is_stopped(&self) -> bool {
        matches!(self.0.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Waits for `pause`, or until the thread should end. Returns whether it should.
    pub fn wait(&self, pause: Duration) -> bool {
        matches!(self.0.recv_timeout(pause), Err(RecvTimeoutError::Disconnected))
    }

    /// For `select!`: ready once the thread should end.
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
