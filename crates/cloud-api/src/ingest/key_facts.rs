//! `POST /v1/key-facts`

use axum::extract::{Request, State};
use axum::http::StatusCode;

use super::body::{self, Inflated};
use super::records::idempotency_key;
use crate::error::AppError;
use crate::limits::{MAX_KEY_FACTS_BYTES, MAX_SENT_BYTES};
use crate::state::AppState;
use api_sessions_key_facts::WindowFacts;
use api_sessions_store::clock::now_ms;

/// Accepts the key facts of a worker: one JSON object per line, each for an application and a window.
///
/// Facts are kept in memory until their window is over. A batch sent again under the same key counts once.
#[utoipa::path(
    post,
    path = "/v1/key-facts",
    params(
        ("Idempotency-Key" = Option<String>, Header, description = "A batch sent again under the same key counts once."),
        ("Content-Encoding" = Option<String>, Header, description = "`gzip`, `x-gzip` or `identity`.")
    ),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses(
        (status = 204, description = "Taken."),
        (status = 408, description = "The body took too long."),
        (status = 413, description = "The body is too large."),
        (status = 415, description = "The Content-Encoding is not supported."),
        (status = 422, description = "A line is invalid.")
    )
)]
pub async fn post(State(state): State<AppState>, request: Request) -> Result<StatusCode, AppError> {
    let (head, sent) = request.into_parts();
    let key = idempotency_key(&head.headers)?;
    let encoding = body::encoding(&head.headers)?;
    let _receiving = state.memory.for_receiving(&head.headers).await?;
    let sent = body::read(sent, MAX_SENT_BYTES).await?;
    let _memory = state.memory.for_inflating(MAX_KEY_FACTS_BYTES).await?;
    let lines = match body::inflate(sent, encoding, MAX_KEY_FACTS_BYTES)? {
        Inflated::Whole(lines) => lines,
        Inflated::Cut(_) => {
            return Err(AppError::bad_request("the gzip stream is truncated or corrupt"));
        }
        Inflated::Longer => {
            return Err(AppError::too_large(format!(
                "at most {MAX_KEY_FACTS_BYTES} bytes are accepted"
            )));
        }
    };
    let mut windows = Vec::new();
    for (at, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        let window = WindowFacts::parse(line).map_err(|error| {
            let text = format!("line {}: {error}", at + 1);
            AppError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_facts", text)
        })?;
        windows.push(window);
    }
    let with = state.clone();
    state.read(move |store| with.keys.add(store, key, windows, now_ms())).await?;
    state.metrics.key_facts();
    Ok(StatusCode::NO_CONTENT)
}
