//! The web Console: pages made on the server, which ask the same store as the API.
//!
//! Every view is a link: filters live in the address. What changes something is a form that is posted
//! by an admin from a page of ours ([`auth::authenticate`] tells other sites' posts apart). The one
//! script adds comfort (copying, refreshing, dragging, a preview); without it, all can be read and done.

mod chart;
mod denylist;
mod filters;
mod html;
mod login;
mod nodes;
mod parameters;
mod request;
mod sample;
mod session;
mod sessions;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use maud::html;

use crate::auth::{self, Access, Identity};
use crate::error::AppError;
use crate::state::AppState;
use api_sessions_store::Role;

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
    img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Routes of the Console.
pub fn routes(_state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/", get(sessions::list))
        .route("/sessions/{id}", get(session::open))
        .route("/requests/{id}", get(request::open))
        .route("/denylist", get(denylist::list).post(denylist::add))
        .route("/denylist/remove", post(denylist::remove))
        .route("/parameters", get(parameters::show).post(parameters::save))
        .route("/parameters/preview", post(parameters::preview))
        .route("/nodes", get(nodes::list))
        .route("/login", get(login::by_link).post(login::by_form))
        .route("/logout", post(login::logout))
        .route("/style.css", get(style))
        .route("/app.js", get(script))
        .layer(map_response(async |mut response: Response| {
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
            response
        }))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("console/style.css"))
}

async fn script() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("console/app.js"))
}

/// Who looks at a page.
#[derive(Debug, Clone, Copy)]
struct Viewer {
    /// May change things.
    is_admin: bool,
}

/// Whoever may read; others are sent to the login.
async fn viewer(state: &AppState, headers: &HeaderMap) -> Result<Viewer, Response> {
    match auth::authenticate(state, &Method::GET, headers).await {
        Ok(identity) if Access::Read.allows(identity.role) => {
            Ok(Viewer { is_admin: identity.role == Role::Admin })
        }
        Err(error) if error.status != StatusCode::UNAUTHORIZED => Err(error.into_response()),
        _ => Err(Redirect::to("/login").into_response()),
    }
}

/// Whoever may change things, on a page of ours.
async fn admin(state: &AppState, headers: &HeaderMap) -> Result<Identity, Response> {
    match auth::authenticate(state, &Method::POST, headers).await {
        Ok(identity) if Access::Change.allows(identity.role) => Ok(identity),
        Ok(_) => Err(page_of(AppError::forbidden("only an admin token may change something"))),
        Err(error) if error.status == StatusCode::UNAUTHORIZED => {
            Err(Redirect::to("/login").into_response())
        }
        Err(error) => Err(page_of(error)),
    }
}

/// An error, as a page.
fn page_of(error: AppError) -> Response {
    let viewer = Viewer { is_admin: false };
    let content = html! {
        h1 { (error.status.as_u16()) " " (error.status.canonical_reason().unwrap_or("Error")) }
        p.notice.bad { (error.detail) }
        p { a href="/" { "All sessions" } }
    };
    (error.status, html::page("Error", "", viewer, &content)).into_response()
}
