//! `GET /v1/sessions`, `GET /v1/sessions/{id}`

use axum::Json;
use axum::extract::State;

use super::query::RawQuery;
use crate::error::AppError;
use crate::extractors::{Path, Query};
use crate::state::AppState;
use api_sessions_store::{SessionDetail, SessionPage};

/// Sessions that match.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    params(RawQuery),
    responses((status = 200, description = "A page of sessions.", body = SessionPage))
)]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<RawQuery>,
) -> Result<Json<SessionPage>, AppError> {
    let query = query.sessions()?;
    state.list(move |store| store.sessions(&query)).await.map(Json)
}

/// One session, its days and its counts.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}",
    params(("id" = String, Path, description = "Session id.")),
    responses(
        (status = 200, description = "The session.", body = SessionDetail),
        (status = 404, description = "No such session.")
    )
)]
pub async fn detail(
    State(state): State<AppState>,
    Path(session): Path<String>,
) -> Result<Json<SessionDetail>, AppError> {
    state
        .read(move |store| store.session(&session))
        .await?
        .map(Json)
        .ok_or_else(|| AppError::not_found("no such session"))
}
