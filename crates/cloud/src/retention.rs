//! Days that are over are deleted: at start, and while running.

use std::time::Duration;

use crate::config::Config;
use crate::state::AppState;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{Day, StoreError};

/// How often it is looked. A day is over at midnight UTC, and goes within this.
const EVERY: Duration = Duration::from_secs(60);

/// Deletes what is older than is kept before the store is opened, since a full disk may have no room to
/// open it. Gives how many days went.
pub async fn before_opening(config: &Config) -> usize {
    let (kind, data) = (config.store.clone(), config.data.clone());
    let first = config.first_day(now_ms());
    // Files are deleted: that may take a while.
    let work = move || api_sessions_store::drop_before(&kind, &data, first);
    let result = tokio::task::spawn_blocking(work).await;
    told(result.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string()))))
}

/// Deletes what is older than is kept, once.
pub async fn enforce(state: &AppState) {
    let first = state.config.first_day(now_ms());
    let days = told(state.read(move |store| store.drop_before(first)).await);
    state.metrics.dropped(days);
}

fn told<E: std::fmt::Display>(result: Result<Vec<Day>, E>) -> usize {
    match result {
        Ok(days) => {
            for day in &days {
                tracing::info!(%day, "day deleted: older than is kept");
            }
            days.len()
        }
        Err(error) => {
            tracing::error!(%error, "old days not deleted");
            0
        }
    }
}

/// Deletes what is older than is kept, for ever.
pub async fn run(state: AppState) {
    loop {
        tokio::time::sleep(EVERY).await;
        enforce(&state).await;
    }
}
