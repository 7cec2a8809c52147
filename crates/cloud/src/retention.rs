//! Days that are over are deleted: at start, and while running.

use std::time::Duration;

use crate::clock::now_ms;
use crate::state::AppState;

/// How often it is looked. A day is over at midnight UTC, and goes within this.
const EVERY: Duration = Duration::from_secs(60);

/// Deletes what is older than is kept, once.
pub async fn enforce(state: &AppState) {
    let first = state.config.first_day(now_ms());
    match state.read(move |store| store.drop_before(first)).await {
        Ok(days) => {
            state.metrics.dropped(days.len());
            for day in days {
                tracing::info!(%day, "day deleted: older than is kept");
            }
        }
        Err(error) => tracing::error!(%error, "old days not deleted"),
    }
}

/// Deletes what is older than is kept, for ever.
pub async fn run(state: AppState) {
    loop {
        tokio::time::sleep(EVERY).await;
        enforce(&state).await;
    }
}
