//! `GET /v1/sessions`, `GET /v1/sessions/{id}`

use axum::Json;
use axum::extract::State;

use super::query::RawQuery;
use crate::error::AppError;
use crate::extractors::{Path, Query};
use crate::state::AppState;
use api_sessions_store::{SessionDetail, SessionPage};

/// A page of sessions.
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<RawQuery>,
) -> Result<Json<SessionPage>, AppError> {
    let query = query.sessions()?;
    state.list(move |store| store.sessions(&query)).await.map(Json)
}

/// One session.
pub async fn detail(
    State(state): State<AppState>,
    Path(session): Path<String>,
) -> Result<Json<SessionDetail>, AppError> {
    state
        .read(move |store| store.session(&session))
        .await?
        .map(Json)
        .ok_or_else(|| AppError::not_found("there is no such session"))
}
