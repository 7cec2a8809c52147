//! `GET /v1/sessions/{id}/changes`

use axum::Json;
use axum::extract::State;

use crate::changes::{self, Changes};
use crate::error::AppError;
use crate::extractors::{NoQuery, Path, Query};
use crate::state::AppState;

/// Changes within a session: network, country, User-Agent, JA4, user, identifiers, and rules that fired.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/changes",
    params(("id" = String, Path, description = "Session id, or an alias of it.")),
    responses(
        (status = 200, description = "The changes, oldest first.", body = Changes),
        (status = 404, description = "No such session.")
    )
)]
pub async fn list(
    State(state): State<AppState>,
    Path(session): Path<String>,
    _: Query<NoQuery>,
) -> Result<Json<Changes>, AppError> {
    state
        .read(move |store| {
            let found = changes::find(store, &session)?;
            let is_known = found.compared > 0 || store.session(&session)?.is_some();
            Ok(is_known.then_some(found))
        })
        .await?
        .map(Json)
        .ok_or_else(|| AppError::not_found("no such session"))
}
