//! `GET /v1/sessions/{id}/requests`, `GET /v1/sessions/{id}/requests.csv`, `GET /v1/requests/{id}`

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Serialize;
use utoipa::ToSchema;

use super::query::RawQuery;
use super::{csv, download};
use crate::error::AppError;
use crate::extractors::{Path, Query};
use crate::limits::MAX_PAGE_ITEMS;
use crate::state::AppState;
use api_sessions_store::{RequestQuery, StoredRequest};

/// A page of requests.
#[derive(Debug, Serialize, ToSchema)]
pub struct RequestPage {
    /// Requests in order, without their full content.
    requests: Vec<StoredRequest>,
    /// Cursor of the next page; null on the last.
    #[schema(required = true)]
    next: Option<String>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    incomplete: Vec<String>,
}

/// Requests of a session, in order.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/requests",
    params(("id" = String, Path, description = "Session id."), RawQuery),
    responses(
        (status = 200, description = "A page of requests.", body = RequestPage),
        (status = 404, description = "No such session.")
    )
)]
pub async fn list(
    State(state): State<AppState>,
    Path(session): Path<String>,
    Query(query): Query<RawQuery>,
) -> Result<Json<RequestPage>, AppError> {
    let query = query.requests(session)?;
    let page = state
        .read(move |store| {
            let page = store.requests(&query)?;
            let known = !page.items.is_empty() || store.session(&query.session)?.is_some();
            Ok(known.then_some(page))
        })
        .await?
        .ok_or_else(|| AppError::not_found("no such session"))?;
    Ok(Json(RequestPage { requests: page.items, next: page.next, incomplete: page.incomplete }))
}

/// All requests of a session that match, as CSV.
///
/// The response is streamed page by page.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}/requests.csv",
    params(("id" = String, Path, description = "Session id."), RawQuery),
    responses(
        (
            status = 200,
            description = "The requests.",
            body = String,
            content_type = "text/csv",
            headers((
                "x-incomplete-days" = String,
                description = "Days that could not be read completely, separated by commas. Absent if there are none."
            ))
        ),
        (status = 404, description = "No such session.")
    )
)]
pub async fn download(
    State(state): State<AppState>,
    Path(session): Path<String>,
    Query(query): Query<RawQuery>,
) -> Result<Response, AppError> {
    let mut query = query.requests(session.clone())?;
    query.limit = MAX_PAGE_ITEMS;
    let known = state.read(move |store| store.session(&session)).await?;
    let known = known.ok_or_else(|| AppError::not_found("no such session"))?;
    let name: String = known
        .summary
        .session
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric())
        .take(64)
        .collect();
    let (text, next, incomplete) = page(&state, query, true).await?;
    let headers = download::headers(&format!("session-{name}"), &incomplete);
    let announced = Arc::new(incomplete);
    let rest = futures_util::stream::try_unfold(next, move |next| {
        let (state, announced) = (state.clone(), Arc::clone(&announced));
        async move {
            let Some(query) = next else { return Ok::<_, AppError>(None) };
            let (text, next, incomplete) = page(&state, query, false).await?;
            match incomplete.iter().find(|day| !announced.contains(day)) {
                // The header does not list this day: abort the download rather than leave it silently incomplete.
                Some(day) => Err(AppError::unavailable(format!("{day} is no longer readable"))),
                None => Ok(Some((text, next))),
            }
        }
    });
    let first = futures_util::stream::iter([Ok(text)]);
    Ok((headers, Body::from_stream(first.chain(rest))).into_response())
}

/// A page as CSV, the query for the next one, and the days that could not be read completely.
async fn page(
    state: &AppState,
    mut query: RequestQuery,
    first: bool,
) -> Result<(Vec<u8>, Option<RequestQuery>, Vec<String>), AppError> {
    state
        .read(move |store| {
            let page = store.requests(&query)?;
            let text = csv::render(&page.items, first);
            query.cursor = page.next;
            Ok((text, query.cursor.is_some().then_some(query), page.incomplete))
        })
        .await
}

/// One request with its full content.
#[utoipa::path(
    get,
    path = "/v1/requests/{id}",
    params(("id" = String, Path, description = "NGINX's `$request_id`.")),
    responses(
        (status = 200, description = "The request.", body = StoredRequest),
        (status = 404, description = "No such request.")
    )
)]
pub async fn detail(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<StoredRequest>, AppError> {
    state
        .read(move |store| store.request(&id))
        .await?
        .map(Json)
        .ok_or_else(|| AppError::not_found("no such request"))
}
