//! Signals of a running server: SIGHUP reloads the configuration, SIGUSR1 reopens the log, SIGUSR2 is ignored.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::log::Log;
use crate::mmdb;
use crate::service_manager;
use crate::store::StoreKind;
use api_sessions_cloud_api::state::AppState;
use api_sessions_cloud_config::config::Config;
use api_sessions_cloud_config::options::Options;
use api_sessions_cloud_config::site::TrustedProxy;

/// SIGHUP, SIGUSR1 and SIGUSR2, which end a process that does not handle them (signal(7)). A signal during the start
/// takes effect after it.
pub struct Signals {
    hangup: Signal,
    user1: Signal,
    user2: Signal,
}

impl Signals {
    /// Installs the handlers; signals take effect in [`Signals::run`]. Must be called within a Tokio runtime.
    ///
    /// # Errors
    /// As sigaction(2).
    pub fn register() -> std::io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
        })
    }

    /// Handles the signals until the task is aborted. `options` are those of the command line and the environment.
    pub async fn run(mut self, state: AppState, options: Options, log: Log) {
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    service_manager::reloading();
                    match reload(&state, options.clone(), &log) {
                        Ok(()) => {
                            mmdb::load(&state).await;
                            tracing::info!("configuration reloaded");
                            service_manager::reloaded();
                        }
                        Err(error) => {
                            tracing::error!(%error, "reload failed, the previous configuration stays");
                            service_manager::reload_failed(&error);
                        }
                    }
                }
                _ = self.user1.recv() => match log.reopen() {
                    Ok(true) => tracing::info!("log reopened"),
                    Ok(false) => tracing::info!("SIGUSR1 ignored: the log is standard error"),
                    Err(error) => tracing::error!(%error, "log not reopened"),
                },
                _ = self.user2.recv() => tracing::info!("SIGUSR2 ignored"),
            }
        }
    }
}

/// Warns of networks with meaningless low address bits, as NGINX does.
pub fn warn_of_low_bits(config: &Config) {
    for network in config.trusted_proxies.iter().filter_map(TrustedProxy::with_low_bits) {
        tracing::warn!("trusted-proxy: low address bits of {network} are meaningless");
    }
}

/// Loads the configuration and applies what a running server can change; after an error, nothing changes.
fn reload(state: &AppState, options: Options, log: &Log) -> Result<(), String> {
    let new = Config::load(options).map_err(|error| error.to_string())?;
    StoreKind::of(&new).map_err(|error| error.to_string())?;
    log.set_filter(new.log_filter())?;
    let old = state.config();
    for option in new.fixed_changes(&old) {
        tracing::warn!(option, "the change takes effect after a restart");
    }
    warn_of_low_bits(&new);
    state.set_config(new.with_fixed_of(&old));
    Ok(())
}
