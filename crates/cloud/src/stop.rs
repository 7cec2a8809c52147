//! Signals that end the server: SIGTERM, SIGINT and SIGQUIT.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
}

impl Signals {
    fn register() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
        })
    }

    async fn first(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.quit.recv() => {}
        }
    }
}

/// Handles the signals that end the server. Until [`Stop::requested`], a signal ends the process at once, whatever the
/// start waits for.
pub struct Stop {
    signals: Signals,
    during_start: JoinHandle<()>,
}

impl Stop {
    /// Installs the handlers. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// As sigaction(2).
    pub fn register() -> std::io::Result<Stop> {
        let mut during_start = Signals::register()?;
        let during_start = tokio::spawn(async move {
            during_start.first().await;
            std::process::exit(0);
        });
        Ok(Stop { signals: Signals::register()?, during_start })
    }

    /// Ends the start and waits for a signal. A signal since [`Stop::register`] counts.
    pub fn requested(mut self) -> impl Future<Output = ()> + Send {
        self.during_start.abort();
        async move { self.signals.first().await }
    }
}
