//! The web Console: pages made on the server, which ask the same store as the API.

mod html;
mod login;
mod session;
mod sessions;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;

use crate::auth::{self, Access};
use crate::state::AppState;

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// Routes of the Console.
pub fn routes(_state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/", get(sessions::list))
        .route("/sessions/{id}", get(session::open))
        .route("/login", get(login::login))
        .route("/logout", get(login::logout))
        .route("/style.css", get(style))
        .layer(map_response(async |mut response: Response| {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            response
        }))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("console/style.css"))
}

/// Whoever may read; others are sent to the login.
async fn viewer(state: &AppState, headers: &HeaderMap) -> Result<(), Response> {
    match auth::authenticate(state, &Method::GET, headers).await {
        Ok(identity) if Access::Read.allows(identity.role) => Ok(()),
        Err(error) if error.status != StatusCode::UNAUTHORIZED => Err(error.into_response()),
        _ => Err(Redirect::to("/login").into_response()),
    }
}
