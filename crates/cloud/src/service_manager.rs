//! Notifications to the service manager (systemd, `Type=notify`). Without `NOTIFY_SOCKET` nothing is sent.

use sd_notify::NotifyState;

/// The server accepts connections, and the token files exist.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// A reload has begun. [`reloaded`] or [`reload_failed`] ends it.
pub fn reloading() {
    // systemd ignores the message without the monotonic time.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
}

/// A reload has failed, and the server continues as before; `systemctl status` shows `error`.
pub fn reload_failed(error: &str) {
    // Newlines separate the variables of a message.
    let status = format!("reload failed: {}", error.replace('\n', " "));
    tell(&[NotifyState::Ready, NotifyState::Status(&status)]);
}

/// A reload has ended.
pub fn reloaded() {
    tell(&[NotifyState::Ready, NotifyState::Status("")]);
}

/// The server completes the requests in flight, then exits.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager was not told: {states:?}");
    }
}
