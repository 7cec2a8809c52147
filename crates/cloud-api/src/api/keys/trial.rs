//! `POST /v1/keys/try`: the sessions that other keys would make of stored requests.

use api_sessions_cloud_keys::regroup::{self, Regrouped, Regrouping};
use api_sessions_protocol::Parameter;
use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::DEFAULT_PERIOD;
use crate::error::AppError;
use crate::ingest::body;
use crate::limits::{MAX_KEYS_BODY_BYTES, MAX_TRIAL_TIME};
use crate::state::AppState;
use crate::{json, replay};
use api_sessions_store::ReplayQuery;
use api_sessions_store::clock::now_ms;

/// Keys to try, and the requests to try them on.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KeysTrial {
    /// Application; empty: requests without one; absent: all.
    application: Option<String>,
    /// Earliest start of a request: milliseconds since 1970 or RFC 3339; absent: a day before `to`.
    #[schema(value_type = Option<String>)]
    from: Option<Value>,
    /// Latest start of a request; absent: now.
    #[schema(value_type = Option<String>)]
    to: Option<Value>,
    /// Points to try before the keys in use, in order of priority; at most 16.
    keys: Vec<String>,
    /// Whether to use the built-in set; absent: true. Without it, the requests that it grouped are grouped by address
    /// and `User-Agent`.
    builtin: Option<bool>,
}

/// The sessions that other keys would make of stored requests.
///
/// Requests are regrouped by the values in their records: parameters with the same point, plain or hashed, and the
/// value that grouped the request. A request without such a value stays in its session. Requests before the first one
/// with a cookie join its session, since nodes follow cookies. A trial takes at most a minute. Only one runs at a time;
/// it stops when its client disconnects.
#[utoipa::path(
    post,
    path = "/v1/keys/try",
    request_body = KeysTrial,
    responses(
        (status = 200, description = "The sessions before and after.", body = Regrouped),
        (status = 408, description = "The body took too long."),
        (status = 413, description = "The body is too large.")
    )
)]
pub async fn post(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Regrouped>, AppError> {
    let sent = body::read(request.into_body(), MAX_KEYS_BODY_BYTES).await?;
    let KeysTrial { application, from, to, keys, builtin } = json::object(&sent)?;
    let builtin = builtin.unwrap_or(true);
    if keys.is_empty() && builtin {
        return Err(AppError::bad_request("keys: a point is expected, or builtin: false"));
    }
    let keys = regroup::points(&keys).map_err(AppError::bad_request)?;
    let to = replay::time("to", to)?.unwrap_or_else(now_ms);
    let from = replay::time("from", from)?.unwrap_or_else(|| to.saturating_sub(DEFAULT_PERIOD));
    if from > to {
        return Err(AppError::bad_request("from: it is later than to"));
    }
    let query = ReplayQuery { from, to, with_rules: false };
    let trial = move |known: &[Parameter]| Regrouping::new(keys, builtin, application, known);
    try_keys(&state, trial, query).await.map(Json)
}

/// Runs the trial that `trial` creates from the current parameters, for the API and the Console.
///
/// # Errors
/// 503 while another trial runs; the error of the store.
pub async fn try_keys(
    state: &AppState,
    trial: impl FnOnce(&[Parameter]) -> Regrouping + Send + 'static,
    query: ReplayQuery,
) -> Result<Regrouped, AppError> {
    replay::exclusively(state, move |store, is_cancelled| {
        let parameters = store.parameters()?.parameters;
        let mut all = [trial(&parameters)];
        let missing = regroup::run(store, &mut all, &query, MAX_TRIAL_TIME, is_cancelled)?;
        let [tried] = all.map(Regrouping::finish);
        Ok(Regrouped { incomplete: [missing, tried.incomplete].concat(), ..tried })
    })
    .await
}
