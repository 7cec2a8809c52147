//! The web Console: pages rendered on the server from the same store as the API.
//!
//! Filters live in the URL, so every view is a link. Changes are forms posted by an admin
//! ([`crate::auth::guard`] refuses posts from other sites). The script adds convenience (copying, refreshing,
//! drag and drop, a preview); every page works without it.

pub(crate) mod assets;
mod chart;
pub(crate) mod denylist;
mod filters;
mod html;
pub(crate) mod login;
pub(crate) mod nodes;
pub(crate) mod parameters;
pub(crate) mod request;
mod sample;
pub(crate) mod session;
pub(crate) mod sessions;
mod viewer;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;

use crate::error::AppError;
use viewer::Viewer;

/// Own resources only, nothing inline, never framed.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Headers of every page.
pub(crate) async fn security_headers(mut response: Response) -> Response {
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}

/// What a browser gets instead of a page: the login page if it has no valid token, else the error.
pub(crate) fn refusal(error: AppError) -> Response {
    match error.status {
        StatusCode::UNAUTHORIZED => Redirect::to("/login").into_response(),
        _ => error_page(error),
    }
}

fn error_page(error: AppError) -> Response {
    let viewer = Viewer { is_admin: false };
    let content = html! {
        h1 { (error.status.as_u16()) " " (error.status.canonical_reason().unwrap_or("Error")) }
        p.notice.bad { (error.detail) }
        p { a href="/" { "All sessions" } }
    };
    (error.status, html::page("Error", "", viewer, &content)).into_response()
}
