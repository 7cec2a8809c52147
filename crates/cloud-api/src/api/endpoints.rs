//! `GET /v1/endpoints`, `GET /v1/endpoints.csv`, `GET /v1/endpoints/openapi.json`, `POST /v1/endpoints/compare`

use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::{optional, time, word};
use super::{csv, download};
use crate::error::AppError;
use crate::extractors::Query;
use crate::ingest::body;
use crate::limits::{MAX_OPENAPI_BYTES, MAX_PAGE_AGE};
use crate::state::AppState;
use api_sessions_endpoints::{Comparison, Document, Endpoint, assess, compare, describe};
use api_sessions_store::clock::now_ms;
use api_sessions_store::{EndpointPage, EndpointQuery};

/// Query string of the endpoints; an empty value counts as absent.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RawEndpointQuery {
    /// Earliest time: milliseconds since 1970 or RFC 3339.
    pub from: String,
    /// Latest time.
    pub to: String,
    /// Exact match.
    pub application: String,
    /// Part of an endpoint, ignoring case.
    pub endpoint: String,
    /// Exact match.
    pub method: String,
    /// `used` (not only by probes), `new`, `unused` or `probe`.
    pub kind: String,
}

/// Filter by usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Answered with 2xx in two sessions or more.
    Used,
    /// Used endpoints that are new.
    New,
    /// Used endpoints without recent requests.
    Unused,
    /// All others.
    Probe,
}

impl Kind {
    /// All kinds with their names.
    pub const ALL: [(Kind, &str); 4] = [
        (Kind::Used, "used"),
        (Kind::New, "new"),
        (Kind::Unused, "unused"),
        (Kind::Probe, "probe"),
    ];

    /// Whether an endpoint is of this kind.
    pub fn has(self, endpoint: &Endpoint) -> bool {
        match self {
            Kind::Used => !endpoint.is_probe,
            Kind::New => !endpoint.is_probe && endpoint.is_new,
            Kind::Unused => !endpoint.is_probe && endpoint.is_unused,
            Kind::Probe => endpoint.is_probe,
        }
    }
}

impl RawEndpointQuery {
    /// Parses the kind.
    ///
    /// # Errors
    /// 400, naming the valid values.
    pub fn kind(&self) -> Result<Option<Kind>, AppError> {
        optional("kind", &self.kind, "used, new, unused or probe expected", |text| {
            Kind::ALL.iter().find(|(_, name)| *name == text).map(|(kind, _)| *kind)
        })
    }

    fn query(&self) -> Result<EndpointQuery, AppError> {
        Ok(EndpointQuery {
            from: time("from", &self.from)?,
            to: time("to", &self.to)?,
            application: word("application", &self.application)?,
        })
    }
}

/// Endpoints of applications.
#[derive(Debug, Serialize, ToSchema)]
pub struct Endpoints {
    /// Endpoints, most requests first; at most 10,000 before the filters by endpoint, method and kind.
    pub endpoints: Vec<Endpoint>,
    /// When they were counted, milliseconds since 1970: up to ten minutes ago where they have 500,000 requests or more.
    /// Absent: now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<u64>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

/// The endpoints that match, and when they were counted, milliseconds since 1970, unless now.
async fn page(
    state: &AppState,
    query: EndpointQuery,
) -> Result<(EndpointPage, Option<u64>), AppError> {
    let Some(known) = state.endpoint_pages.find(&query, Instant::now()) else {
        return Ok((count(state, query).await?, None));
    };
    if known.is_due {
        let state = state.clone();
        // An error is one of the store's, which the next page without a kept one reports.
        tokio::spawn(async move { count(&state, query).await });
    }
    Ok((known.page, Some(known.as_of)))
}

async fn count(state: &AppState, query: EndpointQuery) -> Result<EndpointPage, AppError> {
    let wanted = query.clone();
    let page = state.list(move |store| store.endpoints(&wanted)).await?;
    state.endpoint_pages.keep(query, &page, Instant::now());
    Ok(page)
}

/// Counts the page without filters before it is asked for, at start and before it gets too old, until the task is aborted.
/// Takes at most a hundredth of a core.
pub async fn keep_counted(state: AppState) {
    loop {
        let start = Instant::now();
        // An error is one of the store's, which the next page without a kept one reports.
        count(&state, EndpointQuery::default()).await.ok();
        tokio::time::sleep((MAX_PAGE_AGE / 2).max(start.elapsed() * 100)).await;
    }
}

/// The endpoints that match, of every kind, for the API and the Console.
///
/// # Errors
/// 400 for an invalid value; the error of the store.
pub async fn matching(state: &AppState, raw: &RawEndpointQuery) -> Result<Endpoints, AppError> {
    let query = raw.query()?;
    let (part, method) = (word("endpoint", &raw.endpoint)?, word("method", &raw.method)?);
    let part = part.map(|part| part.to_lowercase());
    let (page, as_of) = page(state, query).await?;
    let mut all = assess(page.endpoints, now_ms());
    all.retain(|one| {
        part.as_ref().is_none_or(|part| one.endpoint.to_lowercase().contains(part))
            && method.as_ref().is_none_or(|method| one.method == *method)
    });
    Ok(Endpoints { endpoints: all, as_of, incomplete: page.incomplete })
}

async fn of_kind(state: &AppState, raw: &RawEndpointQuery) -> Result<Endpoints, AppError> {
    let kind = raw.kind()?;
    let mut found = matching(state, raw).await?;
    found.endpoints.retain(|one| kind.is_none_or(|kind| kind.has(one)));
    Ok(found)
}

/// Endpoints with their methods and usage.
#[utoipa::path(
    get,
    path = "/v1/endpoints",
    params(RawEndpointQuery),
    responses((status = 200, description = "Endpoints.", body = Endpoints))
)]
pub async fn list(
    State(state): State<AppState>,
    Query(raw): Query<RawEndpointQuery>,
) -> Result<Json<Endpoints>, AppError> {
    of_kind(&state, &raw).await.map(Json)
}

/// Endpoints as CSV.
#[utoipa::path(
    get,
    path = "/v1/endpoints.csv",
    params(RawEndpointQuery),
    responses((status = 200, description = "Endpoints.", body = String, content_type = "text/csv"))
)]
pub async fn download(
    State(state): State<AppState>,
    Query(raw): Query<RawEndpointQuery>,
) -> Result<impl IntoResponse, AppError> {
    let found = of_kind(&state, &raw).await?;
    let headers = download::headers("endpoints", &found.incomplete);
    Ok((headers, csv::render_endpoints(&found.endpoints)))
}

/// The observed endpoints as an OpenAPI document, without probes.
#[utoipa::path(
    get,
    path = "/v1/endpoints/openapi.json",
    params(RawEndpointQuery),
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"))
)]
pub async fn export(
    State(state): State<AppState>,
    Query(raw): Query<RawEndpointQuery>,
) -> Result<impl IntoResponse, AppError> {
    let found = of_kind(&state, &raw).await?;
    let headers = [(header::CONTENT_DISPOSITION, "attachment; filename=\"openapi.json\"")];
    Ok((headers, Json(describe(&found.endpoints, &raw.application))))
}

/// Compares the observed endpoints with an OpenAPI 3 or Swagger 2 document, in JSON or YAML. The document is not
/// stored.
#[utoipa::path(
    post,
    path = "/v1/endpoints/compare",
    params(RawEndpointQuery),
    request_body(content((Object = "application/json"), (String = "application/yaml"))),
    responses(
        (status = 200, description = "What differs.", body = Comparison),
        (status = 408, description = "The body took too long."),
        (status = 413, description = "The body is too large."),
        (status = 422, description = "It is no such document.")
    )
)]
pub async fn compare_with(
    State(state): State<AppState>,
    Query(raw): Query<RawEndpointQuery>,
    request: Request,
) -> Result<Json<Comparison>, AppError> {
    let sent = body::read(request.into_body(), MAX_OPENAPI_BYTES).await?;
    comparison(&state, &raw, sent).await.map(Json)
}

/// Compares the endpoints that match with a document, for the API and the Console.
///
/// # Errors
/// 400 for an invalid value, 422 for an invalid document; the error of the store.
pub async fn comparison(
    state: &AppState,
    raw: &RawEndpointQuery,
    document: impl AsRef<[u8]> + Send + 'static,
) -> Result<Comparison, AppError> {
    let wrong = |text: String| AppError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", text);
    // On a thread that may block: megabytes take a while.
    let document = state.read(move |_| Ok(Document::read(document.as_ref()))).await?;
    let document = document.map_err(wrong)?;
    let found = of_kind(state, raw).await?;
    Ok(compare(document, found.endpoints))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use api_sessions_store_sqlite::SqliteStore;

    #[tokio::test]
    async fn the_first_page_after_a_start_was_counted_while_somebody_waited() {
        let dir = tempfile::tempdir().unwrap();
        let state = AppState::keeping_all_pages(Arc::new(SqliteStore::open(dir.path()).unwrap()));
        let counting = tokio::spawn(keep_counted(state.clone()));
        while state.endpoint_pages.find(&EndpointQuery::default(), Instant::now()).is_none() {
            assert!(!counting.is_finished());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        counting.abort();
        let page = matching(&state, &RawEndpointQuery::default()).await.unwrap();
        assert!(page.as_of.is_some());
    }
}
