//! Style sheet, script and icon, embedded in the binary.

use axum::http::header;
use axum::response::IntoResponse;

/// `GET /style.css`
pub async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

/// `GET /app.js`: all scripts as one file.
pub async fn script() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        concat!(
            include_str!("app.js"),
            include_str!("refresh.js"),
            include_str!("time.js"),
            include_str!("views.js"),
            include_str!("document.js"),
            include_str!("chart.js"),
            include_str!("requests.js"),
            include_str!("rules.js")
        ),
    )
}

/// `GET /favicon.svg`
pub async fn icon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("favicon.svg"))
}
