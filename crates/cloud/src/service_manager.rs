//! Notifications to the service manager (systemd, `Type=notify`). Without `NOTIFY_SOCKET` nothing is sent.

use sd_notify::NotifyState;

/// The server accepts connections and the token files are there.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload has begun. [`reloaded`] or [`reload_failed`] ends it.
pub fn reloading() {
    // A clock that cannot be read is an error of the system; without its time systemd ignores the message.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// A reload has ended, and the server goes on as before, which `systemctl status` explains by `error`.
pub fn reload_failed(error: &str) {
    // A message has lines.
    let status = format!("reload failed: {}", error.replace('\n', " "));
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// A reload has ended.
pub fn reloaded() {
    tell(&[NotifyState::Ready, NotifyState::Status("")]);
}

/// The server completes what is in flight, and ends.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager was not told: {states:?}");
    }
}
