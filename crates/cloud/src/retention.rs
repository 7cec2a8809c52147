//! Deletes days past the retention, at start and every minute.

use std::time::Duration;

use crate::store::{self, StoreKind};
use api_sessions_cloud_api::state::AppState;
use api_sessions_cloud_config::config::Config;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{Day, StoreError};

/// Interval between checks: an expired day is deleted within it after midnight UTC.
const INTERVAL: Duration = Duration::from_secs(60);

/// Deletes expired days before the store is opened, since opening it may fail on a full disk. Returns the number
/// of deleted days.
pub async fn before_opening(config: &Config, kind: StoreKind) -> usize {
    let data = config.data.clone();
    let first = config.first_day(now_ms());
    // Deleting large files blocks.
    let work = move || store::drop_before(&kind, &data, first);
    let result = tokio::task::spawn_blocking(work).await;
    log(result.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string()))))
}

/// Deletes expired days once.
pub async fn enforce(state: &AppState) {
    let first = state.config().first_day(now_ms());
    let days = log(state.read(move |store| store.drop_before(first)).await);
    state.metrics.dropped(days);
}

fn log<E: std::fmt::Display>(result: Result<Vec<Day>, E>) -> usize {
    match result {
        Ok(days) => {
            for day in &days {
                tracing::info!(%day, "expired day deleted");
            }
            days.len()
        }
        Err(error) => {
            tracing::error!(%error, "cannot delete expired days");
            0
        }
    }
}

/// Deletes expired days until the task is aborted.
pub async fn run(state: AppState) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        enforce(&state).await;
    }
}
