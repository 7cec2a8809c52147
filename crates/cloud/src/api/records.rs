//! `POST /v1/records`

use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Serialize;

use crate::clock::now_ms;
use crate::error::AppError;
use crate::ingest::batch::{self, LineError, Period};
use crate::ingest::body;
use crate::state::AppState;
use crate::store::{Batch, StoreError};

/// Longest `Idempotency-Key`, bytes.
pub const MAX_KEY: usize = 256;

/// What became of a batch.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Records made durable now.
    stored: u64,
    /// Records that an earlier batch of the same key had brought.
    duplicates: u64,
    /// Bad lines.
    rejected: u64,
    /// Records older than what is kept.
    expired: u64,
    /// The first bad lines.
    errors: Vec<LineError>,
}

/// Takes a batch: 200 once it is durable.
pub async fn post(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Answer>, AppError> {
    let result = take(&state, request).await;
    match &result {
        Ok(Json(answer)) => {
            state.metrics.batch(answer.stored, answer.duplicates, answer.rejected, answer.expired);
            if answer.rejected > 0 {
                tracing::warn!(rejected = answer.rejected, first = ?answer.errors.first(), "bad lines");
            }
        }
        Err(error) => {
            state.metrics.batch_error();
            tracing::warn!(status = error.status.as_u16(), detail = %error.detail, "batch not taken");
        }
    }
    result
}

async fn take(state: &AppState, request: Request) -> Result<Json<Answer>, AppError> {
    let (head, sent) = request.into_parts();
    let key = match head.headers.get(api_sessions_wire::IDEMPOTENCY_KEY) {
        None => None,
        Some(key) => match key.to_str() {
            Ok("") => None,
            Ok(key) if key.len() <= MAX_KEY => Some(key.to_owned()),
            _ => {
                return Err(AppError::bad_request(format!(
                    "Idempotency-Key: at most {MAX_KEY} ASCII characters"
                )));
            }
        },
    };
    let encoding = body::encoding(&head.headers)?;
    let sent = body::read(sent, body::MAX_SENT).await?;
    let _permit = state.batches.acquire().await.map_err(|_| AppError::unavailable("stopping"))?;
    let now = now_ms();
    let period = Period { oldest: state.config.first_day(now).start(), now };
    let parsed = tokio::task::spawn_blocking(move || {
        let (lines, cut) = body::inflate(sent, encoding)?;
        Ok::<_, AppError>(batch::parse(&lines, cut, period))
    })
    .await
    .map_err(|error| AppError::unavailable(format!("reading failed: {error}")))??;

    if parsed.requests.is_empty() && parsed.expired == 0 {
        return Err(match parsed.errors.first() {
            None => AppError::bad_request("the batch is empty"),
            Some(first) => AppError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "no_good_line",
                format!(
                    "all {} lines are bad; line {}: {}",
                    parsed.rejected, first.line, first.reason
                ),
            ),
        });
    }
    let (reply, durable) = tokio::sync::oneshot::channel();
    let store = std::sync::Arc::clone(&state.store);
    let requests = parsed.requests;
    state.usual.learn(&requests);
    // Where the writer is behind, this waits: so the nodes do.
    tokio::task::spawn_blocking(move || {
        store.append(Batch { key, requests }, Box::new(move |result| drop(reply.send(result))));
    })
    .await
    .map_err(|error| AppError::unavailable(format!("storing failed: {error}")))?;
    let stored = durable
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable("the writer has stopped".into())))?;
    Ok(Json(Answer {
        stored: stored.stored,
        duplicates: stored.duplicates,
        rejected: parsed.rejected,
        expired: parsed.expired,
        errors: parsed.errors,
    }))
}
