//! `GET /v1/endpoints/neighbours`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::query::{time, word};
use crate::error::AppError;
use crate::extractors::Query;
use crate::neighbours::{self, Neighbours, Wanted};
use crate::state::AppState;

/// Query string that names one endpoint; an empty value counts as absent.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RawNeighboursQuery {
    /// Template of the path, such as `/users/{int}`; required.
    #[param(required = true)]
    pub endpoint: String,
    /// Method; absent: any.
    pub method: String,
    /// Application; absent: any.
    pub application: String,
    /// Earliest time: milliseconds since 1970 or RFC 3339.
    pub from: String,
    /// Latest time.
    pub to: String,
}

impl RawNeighboursQuery {
    /// Parses the query.
    ///
    /// # Errors
    /// 400, naming the parameter and what is expected.
    pub fn wanted(&self) -> Result<Wanted, AppError> {
        let endpoint = word("endpoint", &self.endpoint)?;
        Ok(Wanted {
            endpoint: endpoint.ok_or_else(|| {
                AppError::bad_request("endpoint is missing: the template of a path is expected")
            })?,
            method: word("method", &self.method)?,
            application: word("application", &self.application)?,
            from: time("from", &self.from)?,
            to: time("to", &self.to)?,
        })
    }
}

/// What sessions request before and after an endpoint, and the rules that fire there. Covers its 50 most recently
/// active sessions, and the newest 500 requests of each.
#[utoipa::path(
    get,
    path = "/v1/endpoints/neighbours",
    params(RawNeighboursQuery),
    responses((status = 200, description = "Neighbours and rules.", body = Neighbours))
)]
pub async fn list(
    State(state): State<AppState>,
    Query(raw): Query<RawNeighboursQuery>,
) -> Result<Json<Neighbours>, AppError> {
    let wanted = raw.wanted()?;
    state.list(move |store| neighbours::find(store, &wanted)).await.map(Json)
}
