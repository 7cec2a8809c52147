//! `GET /v1/sessions/{id}/requests`, the same as `.csv`, `GET /v1/requests/{id}`

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::query::{MAX_LIMIT, RawQuery};
use crate::csv;
use crate::error::AppError;
use crate::extract::{Path, Query};
use crate::state::AppState;
use crate::store::{RequestQuery, StoredRequest};

/// A page of requests.
#[derive(Debug, Serialize)]
pub struct RequestPage {
    requests: Vec<StoredRequest>,
    next: Option<String>,
}

/// A page of a session's requests.
pub async fn list(
    State(state): State<AppState>,
    Path(session): Path<String>,
    Query(query): Query<RawQuery>,
) -> Result<Json<RequestPage>, AppError> {
    let query = query.requests(session)?;
    let page = state
        .read(move |store| {
            let mut page = store.requests(&query)?;
            page.next = query.seal(page.next);
            let known = !page.items.is_empty() || store.session(&query.session)?.is_some();
            Ok(known.then_some(page))
        })
        .await?
        .ok_or_else(|| AppError::not_found("there is no such session"))?;
    Ok(Json(RequestPage { requests: page.items, next: page.next }))
}

/// All of a session's requests that match, as CSV, page after page while it is sent.
pub async fn download(
    State(state): State<AppState>,
    Path(session): Path<String>,
    Query(query): Query<RawQuery>,
) -> Result<Response, AppError> {
    let mut query = query.requests(session.clone())?;
    query.limit = MAX_LIMIT;
    let known = state.read(move |store| store.session(&session)).await?;
    let known = known.ok_or_else(|| AppError::not_found("there is no such session"))?;
    let name: String = known
        .summary
        .session
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric())
        .take(64)
        .collect();
    let first = Some((query, true));
    let lines = futures_util::stream::try_unfold(first, move |step| {
        let state = state.clone();
        async move {
            let Some((query, first)) = step else { return Ok::<_, AppError>(None) };
            let (text, next) = page(&state, query, first).await?;
            Ok(Some((text, next.map(|query| (query, false)))))
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"session-{name}.csv\"")),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

async fn page(
    state: &AppState,
    mut query: RequestQuery,
    first: bool,
) -> Result<(Vec<u8>, Option<RequestQuery>), AppError> {
    state
        .read(move |store| {
            let page = store.requests(&query)?;
            let text = csv::render(&page.items, first);
            query.cursor = page.next;
            Ok((text, query.cursor.is_some().then_some(query)))
        })
        .await
}

/// One request in full.
pub async fn detail(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<StoredRequest>, AppError> {
    state
        .read(move |store| store.request(&id))
        .await?
        .map(Json)
        .ok_or_else(|| AppError::not_found("there is no such request"))
}
