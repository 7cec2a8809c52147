//! `GET /v1/facets`, `GET /v1/users`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::query::RawQuery;
use crate::aggregate::{self, Facet, UserSummary};
use crate::error::AppError;
use crate::extractors::Query;
use crate::state::AppState;
use api_sessions_store::SessionPage;

/// What the sessions that match have in common.
#[derive(Debug, Serialize, ToSchema)]
pub struct Facets {
    /// Sessions counted: the most recently active ones.
    #[schema(maximum = 1000)]
    counted: u64,
    /// Sessions that match; at most 10,000.
    #[schema(maximum = 10_000)]
    total: u64,
    /// Frequent values by filter. A filter without a value is absent.
    facets: Vec<Facet>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<String>,
}

/// The users of the sessions that match.
#[derive(Debug, Serialize, ToSchema)]
pub struct Users {
    /// Sessions counted: the most recently active ones.
    #[schema(maximum = 1000)]
    counted: u64,
    /// Sessions that match; at most 10,000.
    #[schema(maximum = 10_000)]
    total: u64,
    /// Users, most recently active first.
    users: Vec<UserSummary>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<String>,
}

async fn matching(state: &AppState, query: &RawQuery) -> Result<SessionPage, AppError> {
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

/// Users of the sessions that match, with the totals of these sessions.
#[utoipa::path(
    get,
    path = "/v1/users",
    params(RawQuery),
    responses((status = 200, description = "Users.", body = Users))
)]
pub async fn users(
    State(state): State<AppState>,
    Query(query): Query<RawQuery>,
) -> Result<Json<Users>, AppError> {
    let page = matching(&state, &query).await?;
    Ok(Json(Users {
        counted: page.sessions.len() as u64,
        total: page.total,
        users: aggregate::users(&page.sessions),
        incomplete: page.incomplete,
    }))
}
