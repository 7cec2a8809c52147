//! Judges windows of key facts once they are over.

use std::time::Duration;

use crate::state::AppState;
use api_sessions_store::clock::now_ms;

/// Interval between checks.
const INTERVAL: Duration = Duration::from_millis(500);

/// Closes windows until the task is aborted.
pub async fn run(state: AppState) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        let with = state.clone();
        match state.read(move |store| with.keys.close_and_keep(store, now_ms())).await {
            Ok(false) => {}
            Ok(true) => state.changed.send_replace(()),
            Err(error) => tracing::error!(detail = %error.detail, "facts of keys are not kept"),
        }
    }
}
