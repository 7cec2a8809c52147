//! `GET /v1/facets`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::query::RawQuery;
use crate::aggregate::{self, Facet};
use crate::error::AppError;
use crate::extractors::Query;
use crate::state::AppState;
use api_sessions_store::SessionPage;

/// Frequent values of the sessions that match.
#[derive(Debug, Serialize, ToSchema)]
pub struct Facets {
    /// Number of sessions counted: the most recently active ones.
    #[schema(maximum = 1000)]
    counted: u64,
    /// Number of sessions that match; at most 10,000.
    #[schema(maximum = 10_000)]
    total: u64,
    /// Frequent values by filter. A filter without a value is absent.
    facets: Vec<Facet>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<String>,
}

/// The sessions that match: the most recently active ones.
///
/// # Errors
/// 400 for an invalid filter; the error of the store.
pub(super) async fn matching(state: &AppState, query: &RawQuery) -> Result<SessionPage, AppError> {
    let filter = query.filter_alone()?;
    state.list(move |store| aggregate::matching(store, filter)).await
}

/// Frequent values of the sessions that match, with the number of sessions that have them.
#[utoipa::path(
    get,
    path = "/v1/facets",
    params(RawQuery),
    responses((status = 200, description = "Values by filter.", body = Facets))
)]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<RawQuery>,
) -> Result<Json<Facets>, AppError> {
    let page = matching(&state, &query).await?;
    Ok(Json(Facets {
        counted: page.sessions.len() as u64,
        total: page.total,
        facets: aggregate::facets(&page.sessions),
        incomplete: page.incomplete,
    }))
}
