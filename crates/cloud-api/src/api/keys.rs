//! `/v1/keys`: quality of session keys, and decisions about them.

pub mod trial;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::api::query::time;
use crate::auth::Identity;
use crate::error::AppError;
use crate::extractors::Query;
use crate::ingest::body;
use crate::json;
use crate::limits::{MAX_KEY_DECISIONS, MAX_KEYS_BODY_BYTES};
use crate::state::AppState;
use api_sessions_cloud_keys::overview::{self, DEFAULT_PERIOD, KeyOverview};
use api_sessions_store::clock::now_ms;
use api_sessions_store::{KeyDecisions, KeyOf};

/// Query string; an empty value counts as absent.
#[derive(Debug, Default, Clone, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RawKeysQuery {
    /// Application; absent: all.
    pub application: String,
    /// Earliest start of a window: milliseconds since 1970 or RFC 3339; absent: a day before `to`.
    pub from: String,
    /// Latest start; absent: now.
    pub to: String,
}

impl RawKeysQuery {
    /// First and last time, ms since 1970.
    ///
    /// # Errors
    /// 400 for an invalid time.
    pub fn period(&self) -> Result<(u64, u64), AppError> {
        let to = time("to", &self.to)?.unwrap_or_else(now_ms);
        Ok((time("from", &self.from)?.unwrap_or_else(|| to.saturating_sub(DEFAULT_PERIOD)), to))
    }
}

/// Figures of session keys, by application.
///
/// Nodes with `sync=on` measure their keys, and other values that requests carry, in windows of ten minutes. Only
/// 32-bit fingerprints of the values are used.
#[utoipa::path(
    get,
    path = "/v1/keys",
    params(RawKeysQuery),
    responses((status = 200, description = "Keys, suggestions and candidates.", body = KeyOverview))
)]
pub async fn list(
    State(state): State<AppState>,
    Query(raw): Query<RawKeysQuery>,
) -> Result<Json<KeyOverview>, AppError> {
    overview(&state, raw).await.map(Json)
}

/// Figures of session keys, for the API and the Console.
///
/// # Errors
/// 400 for an invalid time; the error of the store.
pub async fn overview(state: &AppState, raw: RawKeysQuery) -> Result<KeyOverview, AppError> {
    let (from, to) = raw.period()?;
    let application = Some(raw.application).filter(|text| !text.is_empty());
    state.read(move |store| overview::read(store, application.as_deref(), from, to)).await
}

/// A key of an application.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyName {
    /// The application; absent: requests without one.
    #[serde(default)]
    pub application: String,
    /// Label of the key, or point of a candidate.
    pub name: String,
}

/// Dismisses a suggestion: the candidate is not suggested again.
#[utoipa::path(
    post,
    path = "/v1/keys/dismiss",
    request_body = KeyName,
    responses((status = 204, description = "Dismissed."), (status = 408, description = "The body took too long."),
        (status = 413, description = "The body is too large."))
)]
pub async fn dismiss(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<StatusCode, AppError> {
    let sent = body::read(request.into_body(), MAX_KEYS_BODY_BYTES).await?;
    change(&state, Change::Dismiss, json::object(&sent)?, &identity).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Undoes the demotion of a built-in key: nodes use it again, and it is not demoted again.
#[utoipa::path(
    post,
    path = "/v1/keys/undo",
    request_body = KeyName,
    responses((status = 204, description = "Undone."), (status = 404, description = "It is not demoted."),
        (status = 408, description = "The body took too long."), (status = 413, description = "The body is too large."))
)]
pub async fn undo(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<StatusCode, AppError> {
    let sent = body::read(request.into_body(), MAX_KEYS_BODY_BYTES).await?;
    match change(&state, Change::Undo, json::object(&sent)?, &identity).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(AppError::not_found("the key is not demoted")),
    }
}

/// A decision about a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Dismiss a suggestion.
    Dismiss,
    /// Undo a demotion.
    Undo,
}

/// Applies a decision about a key, for the API and the Console. Returns whether it changed anything.
///
/// # Errors
/// 400 if the name is empty; the error of the store.
pub async fn change(
    state: &AppState,
    change: Change,
    name: KeyName,
    by: &Identity,
) -> Result<bool, AppError> {
    if name.name.is_empty() {
        return Err(AppError::bad_request("name: the label of a key or a point is expected"));
    }
    let of = KeyOf { application: name.application, name: name.name };
    let (author, told) = (by.name.clone(), of.clone());
    let is_changed = state
        .change(move |store| {
            let mut decisions = store.key_decisions()?;
            let is_changed = apply(&mut decisions, change, of);
            if is_changed {
                store.set_key_decisions(&decisions, &author, now_ms())?;
            }
            Ok(is_changed)
        })
        .await?;
    if is_changed {
        tracing::info!(?change, application = told.application, key = told.name, by = %by.name, "decided about a key");
    }
    Ok(is_changed)
}

fn apply(decisions: &mut KeyDecisions, change: Change, of: KeyOf) -> bool {
    let list = match change {
        Change::Dismiss => &mut decisions.dismissed,
        Change::Undo => {
            let before = decisions.demoted.len();
            let is_it =
                |application: &str, key: &str| application == of.application && key == of.name;
            decisions.demoted.retain(|demoted| !is_it(&demoted.application, &demoted.key));
            if decisions.demoted.len() == before {
                return false;
            }
            &mut decisions.kept
        }
    };
    if list.contains(&of) {
        return change == Change::Undo;
    }
    if list.len() >= MAX_KEY_DECISIONS {
        list.remove(0);
    }
    list.push(of);
    true
}
