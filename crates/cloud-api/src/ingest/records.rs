//! `POST /v1/records`

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::sync::SemaphorePermit;
use utoipa::ToSchema;

use super::batch::{self, LineError, Parsed, Period};
use super::body::{self, Encoding, Inflated};
use super::location;
use crate::error::AppError;
use crate::limits::{MAX_IDEMPOTENCY_KEY_BYTES, MAX_INFLATED_BYTES, MAX_SENT_BYTES};
use crate::state::AppState;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{Batch, FreshLinks, StoreError};

/// Compression ratio assumed when memory for a compressed batch is reserved.
const TYPICAL_RATIO: usize = 16;

/// Outcome of a batch.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Batch)]
pub struct Answer {
    /// Records made durable by this request.
    stored: u64,
    /// Records already stored under the same `Idempotency-Key`.
    duplicates: u64,
    /// Invalid lines.
    rejected: u64,
    /// Records older than the retention.
    expired: u64,
    /// The first invalid lines.
    errors: Vec<LineError>,
}

/// Stores a batch of records, one JSON object per line.
///
/// 200 means durable. Invalid lines are skipped and reported.
#[utoipa::path(
    post,
    path = "/v1/records",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "A batch sent again under the same key is stored once."),
        ("Content-Encoding" = Option<String>, Header, description = "`gzip`, `x-gzip` or `identity`.")
    ),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses(
        (status = 200, description = "The batch is durable.", body = Answer),
        (status = 408, description = "The body took too long."),
        (status = 413, description = "The batch is too large or has too many lines; send it in halves."),
        (status = 415, description = "The Content-Encoding is not supported."),
        (status = 422, description = "No line is valid.")
    )
)]
pub async fn post(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Answer>, AppError> {
    let result = ingest(&state, request).await;
    match &result {
        Ok(Json(answer)) => {
            state.metrics.batch(answer.stored, answer.duplicates, answer.rejected, answer.expired);
            if answer.rejected > 0 {
                tracing::warn!(rejected = answer.rejected, first = ?answer.errors.first(), "invalid lines");
            }
        }
        Err(error) => {
            state.metrics.batch_error();
            tracing::warn!(status = error.status.as_u16(), detail = %error.detail, "batch refused");
        }
    }
    result
}

async fn ingest(state: &AppState, request: Request) -> Result<Json<Answer>, AppError> {
    let (head, sent) = request.into_parts();
    let key = idempotency_key(&head.headers)?;
    let encoding = body::encoding(&head.headers)?;
    // Held until the batch is durable: a batch queued for the writer occupies memory too.
    let (parsed, _memory) = {
        let _receiving = state.memory.for_receiving(&head.headers).await?;
        let sent = body::read(sent, MAX_SENT_BYTES).await?;
        parse(state, sent, encoding).await?
    };
    if parsed.requests.is_empty() && parsed.expired == 0 {
        state.metrics.rejected(parsed.rejected);
        return Err(no_valid_line(&parsed));
    }
    let cut = parsed.cut;
    let samples = state.baseline.samples(&parsed.requests);
    let lines: Vec<u32> = parsed.requests.iter().map(|request| request.line).collect();
    let claims = FreshLinks::claims_of(&parsed.requests);
    let stored = append(state, Batch { key: key.clone(), requests: parsed.requests, cut }).await?;
    // Nothing is learned from a repeated batch, and only the remaining lines from the retry of a truncated one, so that
    // no request counts twice.
    if stored.stored > 0 {
        state.tell(claims);
        let learned = key.map_or(0, |key| state.cut_batches.advance(&key, cut));
        let new = lines.partition_point(|line| *line < learned);
        state.baseline.learn(samples.get(new..).unwrap_or_default());
    }
    Ok(Json(Answer {
        stored: stored.stored,
        duplicates: stored.duplicates,
        rejected: parsed.rejected,
        expired: parsed.expired,
        errors: parsed.errors,
    }))
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, AppError> {
    let Some(key) = headers.get(api_sessions_protocol::IDEMPOTENCY_KEY) else { return Ok(None) };
    match key.to_str() {
        Ok("") => Ok(None),
        Ok(key) if key.len() <= MAX_IDEMPOTENCY_KEY_BYTES => Ok(Some(key.to_owned())),
        _ => {
            let expected =
                format!("Idempotency-Key: at most {MAX_IDEMPOTENCY_KEY_BYTES} ASCII characters");
            Err(AppError::bad_request(expected))
        }
    }
}

fn no_valid_line(parsed: &Parsed) -> AppError {
    let Some(first) = parsed.errors.first() else {
        return AppError::bad_request("the batch is empty");
    };
    AppError::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "no_good_line",
        format!("all {} lines are invalid; line {}: {}", parsed.rejected, first.line, first.reason),
    )
}

/// Stores a batch and waits until it is durable.
async fn append(
    state: &AppState,
    mut batch: Batch,
) -> Result<api_sessions_store::Stored, AppError> {
    let (reply, durable) = tokio::sync::oneshot::channel();
    let state = state.clone();
    // Blocks while the writer's queue is full, which slows the nodes down.
    tokio::task::spawn_blocking(move || {
        location::add(&state.locations, &mut batch.requests);
        state.store.append(batch, Box::new(move |result| drop(reply.send(result))));
    })
    .await
    .map_err(|error| AppError::unavailable(format!("storing failed: {error}")))?;
    let stored = durable
        .await
        .unwrap_or_else(|_| Err(StoreError::Unavailable("the writer has stopped".into())))?;
    Ok(stored)
}

/// Decompresses and parses a body within the memory budget. The decompressed size is unknown in advance:
/// memory for a typical ratio is reserved first, and for the maximum if that is not enough.
async fn parse<'a>(
    state: &'a AppState,
    sent: Bytes,
    encoding: Encoding,
) -> Result<(Parsed, SemaphorePermit<'a>), AppError> {
    let typical = match encoding {
        Encoding::Identity => sent.len(),
        Encoding::Gzip => sent.len().saturating_mul(TYPICAL_RATIO).max(1 << 20),
    };
    for limit in [typical.min(MAX_INFLATED_BYTES), MAX_INFLATED_BYTES] {
        let memory = state.memory.for_inflating(limit).await?;
        let now = now_ms();
        let period = Period { oldest: state.config().first_day(now).start(), now };
        let sent = sent.clone();
        let parsed =
            tokio::task::spawn_blocking(move || match body::inflate(sent, encoding, limit)? {
                Inflated::Whole(lines) => batch::parse(&lines, false, period).map(Some),
                Inflated::Cut(lines) => batch::parse(&lines, true, period).map(Some),
                Inflated::Longer => Ok(None),
            })
            .await
            .map_err(|error| AppError::unavailable(format!("parsing failed: {error}")))??;
        if let Some(parsed) = parsed {
            return Ok((parsed, memory));
        }
    }
    Err(body::too_long())
}
