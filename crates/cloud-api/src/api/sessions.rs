//! `GET /v1/sessions`, `GET /v1/sessions/{id}`, `DELETE /v1/sessions/{id}/identifiers/{alias}`

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;

use super::query::RawQuery;
use super::{csv, download};
use crate::auth;
use crate::error::AppError;
use crate::extractors::{Path, Query};
use crate::scored::{self, SessionList};
use crate::state::AppState;
use api_sessions_cloud_keys::why::Why;
use api_sessions_store::{Identity, SessionDetail};

/// Longest time that a list in the order of scores waits for them, and its CSV.
const SCORE_WAIT: Duration = Duration::from_secs(5);
/// Longest time that a list in another order waits for scores.
const SHORT_WAIT: Duration = Duration::from_millis(100);

/// Sessions that match, with their scores.
///
/// With `sort=score`, those with the highest or lowest scores of the 300 most recently active ones, on one page.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    params(RawQuery),
    responses((status = 200, description = "A page of sessions.", body = SessionList))
)]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<RawQuery>,
) -> Result<Json<SessionList>, AppError> {
    let wait = if query.is_by_score() { SCORE_WAIT } else { SHORT_WAIT };
    scored::list(&state, &query, wait).await.map(Json)
}

/// The same page as CSV.
#[utoipa::path(
    get,
    path = "/v1/sessions.csv",
    params(RawQuery),
    responses((status = 200, description = "A page of sessions.", body = String, content_type = "text/csv"))
)]
pub async fn download(
    State(state): State<AppState>,
    Query(query): Query<RawQuery>,
) -> Result<impl IntoResponse, AppError> {
    let page = scored::list(&state, &query, SCORE_WAIT).await?;
    let headers = download::headers("sessions", &page.incomplete);
    Ok((headers, csv::render_sessions(&page.sessions)))
}

/// A session, its identifiers, and why its requests were grouped.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    #[serde(flatten)]
    detail: SessionDetail,
    #[serde(flatten)]
    identity: Identity,
    why: Why,
}

/// One session with its days, counts and identifiers. An alias returns the session it belongs to.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}",
    params(("id" = String, Path, description = "Session id, or an alias of it.")),
    responses(
        (status = 200, description = "The session.", body = Session),
        (status = 404, description = "No such session.")
    )
)]
pub async fn detail(
    State(state): State<AppState>,
    Path(session): Path<String>,
) -> Result<Json<Session>, AppError> {
    state
        .read(move |store| {
            let identity = store.identity(&session)?;
            let Some(detail) = store.session(&identity.session)? else { return Ok(None) };
            let why = Why::of(store, &detail.summary, identity.identifiers.len())?;
            Ok(Some(Session { detail, identity, why }))
        })
        .await?
        .map(Json)
        .ok_or_else(|| AppError::not_found("no such session"))
}

/// Removes an alias of a session: requests with this id are a session of their own from now on. Requests already joined
/// stay.
#[utoipa::path(
    delete,
    path = "/v1/sessions/{id}/identifiers/{alias}",
    params(
        ("id" = String, Path, description = "Session id."),
        ("alias" = String, Path, description = "One of its identifiers.")
    ),
    responses(
        (status = 204, description = "Split."),
        (status = 404, description = "It is no alias of this session.")
    )
)]
pub async fn split(
    State(state): State<AppState>,
    Extension(by): Extension<auth::Identity>,
    Path((session, alias)): Path<(String, String)>,
) -> Result<StatusCode, AppError> {
    match split_alias(&state, session, alias, &by).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(AppError::not_found("it is no alias of this session")),
    }
}

/// Removes an alias of a session. Returns whether it was one.
///
/// # Errors
/// The error of the store.
pub async fn split_alias(
    state: &AppState,
    session: String,
    alias: String,
    by: &auth::Identity,
) -> Result<bool, AppError> {
    let (of, id) = (session.clone(), alias.clone());
    let is_split = state
        .change(move |store| {
            let is_its = id != of && store.identity(&id)?.session == of;
            Ok(is_its && store.split(&id)?)
        })
        .await?;
    if is_split {
        state.tell(alias.parse().map(|alias| (alias, None)));
        tracing::info!(%session, %alias, by = %by.name, "an alias was split off");
    }
    Ok(is_split)
}
