//! `/v1/denylist`: which sessions nodes refuse.

use api_sessions_wire::DenyEntry;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use crate::auth::Identity;
use crate::clock::now_ms;
use crate::error::AppError;
use crate::ingest::body;
use crate::state::AppState;
use crate::store::DenyChange;

/// Longest body, bytes.
const MAX_BODY: usize = 64 << 10;
/// Longest session id, bytes.
const MAX_SESSION: usize = 128;
/// Longest reason, bytes.
const MAX_REASON: usize = 1024;
/// Most applications of an entry.
const MAX_APPLICATIONS: usize = 64;
/// Longest name of an application, bytes.
const MAX_APPLICATION: usize = 256;
/// Longest time of an entry that ends, seconds: a hundred years.
const MAX_SECONDS: u64 = 100 * 366 * 86_400;

/// Sessions that are denied.
#[derive(Debug, Serialize)]
pub struct Denylist {
    denylist: Vec<DenyEntry>,
}

/// Body of a POST, as of `api_sessions_control`.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Deny {
    /// Session id.
    pub session: String,
    /// For how long; absent: for good.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// Applications it counts for; empty: all.
    #[serde(default)]
    pub applications: Vec<String>,
    /// Why.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Deny {
    /// The entry it asks for.
    ///
    /// # Errors
    /// 400 where a value is out of its limits.
    pub fn entry(self, by: &str, now: u64) -> Result<DenyEntry, AppError> {
        let wrong = |text: &str| Err(AppError::bad_request(text));
        if self.session.is_empty()
            || self.session.len() > MAX_SESSION
            || !self.session.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return wrong("session: a session id is needed");
        }
        if self.seconds.is_some_and(|seconds| seconds == 0 || seconds > MAX_SECONDS) {
            return wrong("seconds: 1 up to a hundred years; leave it out for good");
        }
        if self.applications.len() > MAX_APPLICATIONS
            || self.applications.iter().any(|name| name.is_empty() || name.len() > MAX_APPLICATION)
        {
            return wrong("applications: at most 64 names of 1 to 256 bytes");
        }
        if self.reason.as_ref().is_some_and(|reason| reason.len() > MAX_REASON) {
            return wrong("reason: at most 1024 bytes");
        }
        Ok(DenyEntry {
            session: self.session,
            since: now,
            until: self.seconds.map(|seconds| now + seconds * 1000),
            applications: self.applications,
            reason: self.reason,
            by: Some(by.to_owned()),
        })
    }
}

/// Sessions that are denied now.
pub async fn list(State(state): State<AppState>) -> Result<Json<Denylist>, AppError> {
    let denylist = state.read(|store| store.denylist(now_ms())).await?;
    Ok(Json(Denylist { denylist }))
}

/// Denies a session.
pub async fn add(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<(StatusCode, Json<DenyEntry>), AppError> {
    let sent = body::read(request.into_body(), MAX_BODY).await?;
    let deny: Deny =
        serde_json::from_slice(&sent).map_err(|error| AppError::bad_request(error.to_string()))?;
    let entry = deny.entry(&identity.name, now_ms())?;
    let kept = entry.clone();
    state.change(move |store| store.deny(&kept)).await?;
    tracing::info!(session = %entry.session, by = %identity.name, "session denied");
    Ok((StatusCode::CREATED, Json(entry)))
}

/// Takes a session off.
pub async fn remove(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    Path(session): Path<String>,
) -> Result<StatusCode, AppError> {
    tracing::info!(%session, by = %identity.name, "session no longer denied");
    match state.change(move |store| store.undeny(&session, &identity.name, now_ms())).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(AppError::not_found("the session is not on the denylist")),
    }
}

/// Query string of the history.
#[derive(Debug, Deserialize)]
pub struct HistoryQuery {
    session: Option<String>,
}

/// What was added and removed.
#[derive(Debug, Serialize)]
pub struct History {
    history: Vec<DenyChange>,
}

/// What was added and removed, newest first.
pub async fn history(
    State(state): State<AppState>,
    Query(query): Query<HistoryQuery>,
) -> Result<Json<History>, AppError> {
    let session = query.session.filter(|session| !session.is_empty());
    let history = state.read(move |store| store.deny_history(session.as_deref())).await?;
    Ok(Json(History { history }))
}
