//! Files with countries and networks of addresses: read at start, on reload, and when they change.

use std::time::Duration;

use api_sessions_cloud_api::state::AppState;

/// Interval between checks for changed files.
const INTERVAL: Duration = Duration::from_secs(10);

/// Reads the configured files. Those that cannot be read are logged and left out.
pub async fn load(state: &AppState) {
    blocking(state, |state| state.locations.load(&state.config().mmdb)).await;
}

/// Rereads changed files until the task is aborted.
pub async fn keep_fresh(state: AppState) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        blocking(&state, |state| state.locations.refresh()).await;
    }
}

async fn blocking(state: &AppState, work: impl FnOnce(&AppState) + Send + 'static) {
    let state = state.clone();
    if let Err(error) = tokio::task::spawn_blocking(move || work(&state)).await {
        tracing::error!(%error, "mmdb: reading failed");
    }
}
