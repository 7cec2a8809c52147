//! `GET /v1/sessions/{id}/facts`

use std::time::Duration;

use api_sessions_session_facts::{Facts, measure};
use api_sessions_store::clock::now_ms;
use axum::Json;
use axum::extract::State;

use crate::error::AppError;
use crate::extractors::{NoQuery, Path, Query};
use crate::state::AppState;

/// Longest wait while other samples are measured.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is unusual about a session: facts of its last day compared with normal values of its application, and a score.
/// Normal values are cached for ten minutes; measuring them reads up to 300 sessions of the application.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/facts",
    params(("id" = String, Path, description = "Session id, or an alias of it.")),
    responses(
        (status = 200, description = "The facts.", body = Facts),
        (status = 404, description = "No such session.")
    )
)]
pub async fn list(
    State(state): State<AppState>,
    Path(session): Path<String>,
    _: Query<NoQuery>,
) -> Result<Json<Facts>, AppError> {
    let reader = state.clone();
    let found = state.read(move |store| {
        let Some(detail) = store.session(&session)? else { return Ok(None) };
        let summary = detail.summary;
        let application = summary.applications.first().cloned();
        let now = now_ms();
        let measured = measure(store, &summary.session, summary.last_ts)?;
        let normal = reader.normals.get(store, application.as_deref(), now, PATIENCE)?;
        let facts = normal.map(|it| Facts::of(application, &measured, &it, summary.last_ts, now));
        Ok(Some(facts))
    });
    let found = found.await?.ok_or_else(|| AppError::not_found("no such session"))?;
    let busy = || AppError::unavailable("what is normal is being counted; try again");
    found.map(Json).ok_or_else(busy)
}
