//! Errors as clients see them: JSON `{error, detail}` and a status.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use api_sessions_protocol::InvalidDenyOrder;
use api_sessions_store::StoreError;

use crate::limits::MAX_ERROR_DETAIL_BYTES;

/// An error response. It is kept in the extensions of the response, so that the Console can show a page instead.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{error}: {detail}")]
pub struct AppError {
    /// Status.
    pub status: StatusCode,
    /// Machine-readable code.
    pub error: &'static str,
    /// Human-readable message.
    pub detail: String,
}

/// Makes `text` safe to quote in a response or in the log: at most `max` bytes, without control characters.
pub fn brief(text: &str, max: usize) -> String {
    let end = (0..=max.min(text.len())).rfind(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let mut brief = text.get(..end).unwrap_or_default().replace(char::is_control, "\u{fffd}");
    if end < text.len() {
        brief.push('…');
    }
    brief
}

/// Body of an error.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody<'a> {
    /// Machine-readable code, such as `not_found`, `unavailable` or `damaged` (a file cannot be read; retrying does not
    /// help).
    error: &'a str,
    /// Human-readable message.
    detail: &'a str,
}

impl AppError {
    /// An error of any status.
    pub fn new(status: StatusCode, error: &'static str, detail: impl Into<String>) -> Self {
        Self { status, error, detail: brief(&detail.into(), MAX_ERROR_DETAIL_BYTES) }
    }

    /// 400
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }

    /// 404
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 401
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", detail)
    }

    /// 403
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// 413
    pub fn too_large(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// 503: nodes keep their records and retry.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    }
}

impl From<InvalidDenyOrder> for AppError {
    fn from(error: InvalidDenyOrder) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Invalid(detail) => Self::bad_request(detail),
            StoreError::Unavailable(detail) => {
                tracing::error!(error = %detail, "store");
                Self::unavailable(detail)
            }
            StoreError::Damaged(detail) => {
                tracing::error!(error = %detail, "store");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "damaged", detail)
            }
        }
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let body = Json(ErrorBody { error: self.error, detail: &self.detail });
        let mut response = (self.status, body).into_response();
        let hint: Option<(HeaderName, HeaderValue)> = match self.status {
            StatusCode::UNAUTHORIZED => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("5")))
            }
            _ => None,
        };
        if let Some((name, value)) = hint {
            response.headers_mut().insert(name, value);
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_request_is_cut_and_stays_on_one_line() {
        assert_eq!(brief("a\nb", 10), "a\u{fffd}b");
        assert_eq!(brief("aé", 2), "a…");
        assert_eq!(AppError::bad_request("x".repeat(9999)).detail.chars().count(), 501);
    }
}
