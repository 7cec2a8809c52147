//! `/openapi.json`

use axum::http::header;
use axum::response::IntoResponse;

/// The description of the API.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// The description of the API.
pub async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
