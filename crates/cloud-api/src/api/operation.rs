//! `/healthz` and `/metrics`

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::error::AppError;
use crate::state::AppState;

/// Liveness.
#[utoipa::path(
    get,
    path = "/healthz",
    responses((status = 200, description = "The server is running.", body = String, content_type = "text/plain"))
)]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// Metrics in Prometheus text format.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "Metrics.", body = String, content_type = "text/plain"))
)]
pub async fn metrics(State(state): State<AppState>) -> Result<impl IntoResponse, AppError> {
    let health = state.read(|store| Ok(store.health())).await?;
    state.metrics.key_windows_late(state.keys.late());
    let text = state
        .metrics
        .render(&health, state.nodes.len())
        .map_err(|error| AppError::unavailable(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}
