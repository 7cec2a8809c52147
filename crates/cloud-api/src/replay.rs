//! Replays of stored requests: one at a time, cancelled when the client disconnects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde_json::Value;

use crate::error::AppError;
use crate::state::AppState;
use api_sessions_store::clock::parse_ms;
use api_sessions_store::{Store, StoreError};

/// Sets its flag when the client's request is dropped.
struct Cancel(Arc<AtomicBool>);

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Runs `work` with the store and a function that returns whether the replay is cancelled.
///
/// # Errors
/// 503 while another replay runs; the error of the store.
pub async fn exclusively<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce(&dyn Store, &dyn Fn() -> bool) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, AppError> {
    let Ok(permit) = Arc::clone(&state.trials).try_acquire_owned() else {
        return Err(AppError::unavailable("another rule or key is being tried"));
    };
    let cancelled = Arc::new(AtomicBool::new(false));
    let _cancel = Cancel(Arc::clone(&cancelled));
    state
        .read(move |store| {
            let done = work(store, &|| cancelled.load(Relaxed));
            // Held until the replay ends, even if the client has disconnected.
            drop(permit);
            done
        })
        .await
}

/// Parses a time in a JSON body: a number or a string, in milliseconds since 1970 or RFC 3339.
///
/// # Errors
/// 400, naming the member.
pub(crate) fn time(name: &str, value: Option<Value>) -> Result<Option<u64>, AppError> {
    let Some(value) = value.filter(|value| !value.is_null()) else { return Ok(None) };
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    parse_ms(&text).map(Some).ok_or_else(|| {
        let expected = "milliseconds since 1970 or RFC 3339 expected";
        AppError::bad_request(format!("invalid value of {name}: {expected}"))
    })
}
