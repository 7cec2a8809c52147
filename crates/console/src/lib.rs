//! The web Console: pages rendered on the server from the same store as the API.
//!
//! Filters live in the URL, so every view is a link. Changes are forms posted by an admin
//! ([`api_sessions_cloud_api::auth`] refuses posts from other sites). The script adds convenience (copying, refreshing,
//! drag and drop, a preview); every page works without it.
#![forbid(unsafe_code)]

mod activity_chart;
pub mod assets;
mod changes;
pub mod comparison;
pub mod denylist;
mod destination;
pub mod endpoints;
mod facets;
mod facts;
mod fields;
mod filters;
mod html;
pub mod identity;
pub mod keys;
mod limits;
mod links;
pub mod login;
pub mod neighbours;
pub mod nodes;
pub mod parameters;
pub mod request;
pub mod rule_editor;
pub mod rules;
mod sample;
mod sequence;
pub mod session;
pub mod sessions;
mod timeline;
mod traffic;
pub mod user;
pub mod users;
mod viewer;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use maud::html;

use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::Rejection;
use api_sessions_cloud_config::site::Site;
pub use viewer::Viewer;

/// Allows the Console's own resources only, nothing inline, and no framing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
    connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Completes a response to a browser: adds the policy and the prefix of redirects, and turns a JSON error into a page.
pub fn finish(mut response: Response, site: &Site, is_browser: bool) -> Response {
    let extensions = response.extensions();
    let rejection = || extensions.get::<Rejection>().map(|rejection| rejection.0.clone());
    let error = extensions.get().cloned().or_else(|| rejection().filter(|_| is_browser));
    if let Some(error) = error {
        response = refusal(error, site);
    }
    let headers = response.headers_mut();
    headers
        .insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    // Handlers redirect to paths without the prefix.
    let path = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    if let Some(location) = path.and_then(|path| site.link(path).parse().ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}

/// The page for an error.
fn refusal(error: AppError, site: &Site) -> Response {
    let viewer = Viewer { is_admin: false, site: site.clone() };
    let content = html! {
        h1 { (error.status.as_u16()) " " (error.status.canonical_reason().unwrap_or("Error")) }
        p.notice.bad { (error.detail) }
        p { a href=(viewer.link("/")) { "All sessions" } }
    };
    (error.status, html::page("Error", "", &viewer, &content)).into_response()
}
