//! `POST /v1/records`

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use serde::Serialize;
use tokio::sync::SemaphorePermit;

use crate::error::AppError;
use crate::ingest::batch::{self, LineError, Parsed, Period};
use crate::ingest::body::{self, Encoding, Inflated};
use crate::state::AppState;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{Batch, StoreError};

/// Longest `Idempotency-Key`, bytes.
pub const MAX_KEY: usize = 256;

/// To how many times its size a compressed batch inflates, at most, as a rule.
const USUAL_RATIO: usize = 16;

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
    let key = match head.headers.get(api_sessions_protocol::IDEMPOTENCY_KEY) {
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
    // Held until the batch is durable: what waits for the writer is in memory too.
    let (parsed, _room) = {
        let _arriving = state.room.to_arrive(&head.headers).await?;
        let sent = body::read(sent, body::MAX_SENT).await?;
        parse(state, sent, encoding).await?
    };
    if parsed.requests.is_empty() && parsed.expired == 0 {
        state.metrics.rejected(parsed.rejected);
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
    let (requests, cut) = (parsed.requests, parsed.cut);
    state.usual.learn(&requests);
    // Where the writer is behind, this waits: so the nodes do.
    tokio::task::spawn_blocking(move || {
        let batch = Batch { key, requests, cut };
        store.append(batch, Box::new(move |result| drop(reply.send(result))));
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

/// Inflates and reads a body, in the room that it takes. How much a compressed one takes is known when it is
/// inflated: it gets room for what is usual, and begins again with room for the most where that was too little.
async fn parse<'a>(
    state: &'a AppState,
    sent: Bytes,
    encoding: Encoding,
) -> Result<(Parsed, SemaphorePermit<'a>), AppError> {
    let usual = match encoding {
        Encoding::Identity => sent.len(),
        Encoding::Gzip => sent.len().saturating_mul(USUAL_RATIO).max(1 << 20),
    };
    for limit in [usual.min(body::MAX_INFLATED), body::MAX_INFLATED] {
        let room = state.room.to_inflate(limit).await?;
        let now = now_ms();
        let period = Period { oldest: state.config.first_day(now).start(), now };
        let sent = sent.clone();
        let parsed =
            tokio::task::spawn_blocking(move || match body::inflate(sent, encoding, limit)? {
                Inflated::Whole(lines) => batch::parse(&lines, false, period).map(Some),
                Inflated::Cut(lines) => batch::parse(&lines, true, period).map(Some),
                Inflated::Longer => Ok(None),
            })
            .await
            .map_err(|error| AppError::unavailable(format!("reading failed: {error}")))??;
        if let Some(parsed) = parsed {
            return Ok((parsed, room));
        }
    }
    Err(body::too_long())
}
