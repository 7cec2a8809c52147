//! Login, by the link that the first start prints or by a form.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{DOCTYPE, html};
use serde::Deserialize;

use super::destination::Destination;
use super::html::{encoded, head};
use api_sessions_cloud_api::auth::{self, Access};
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::{Form, Query};
use api_sessions_cloud_api::state::AppState;
use api_sessions_cloud_config::site::Site;

/// The token that a user logs in with.
#[derive(Deserialize)]
pub struct Login {
    #[serde(default)]
    token: String,
    /// The page that was asked for.
    #[serde(default)]
    next: String,
}

impl Login {
    fn destination(&self) -> Destination {
        Destination::checked(&self.next)
    }
}

/// Redirects a browser without a valid token to the login page, which leads on to the requested page.
pub fn required(method: &Method, uri: &Uri) -> Response {
    let asked = Destination::of(uri);
    if matches!(*method, Method::GET | Method::HEAD) && asked.is_stated() {
        Redirect::to(&format!("/login?next={}", encoded(asked.as_str()))).into_response()
    } else {
        Redirect::to("/login").into_response()
    }
}

/// Logs in with the token in the URL, and redirects to a URL without it.
pub async fn by_link(
    State(state): State<AppState>,
    Extension(site): Extension<Site>,
    Query(login): Query<Login>,
) -> Result<Response, AppError> {
    if login.token.is_empty() {
        return Ok(form(&site, &login.destination(), false).into_response());
    }
    enter(&state, &site, &login).await
}

/// Logs in with a form, which keeps the token out of URLs and browser histories.
pub async fn by_form(
    State(state): State<AppState>,
    Extension(site): Extension<Site>,
    Form(login): Form<Login>,
) -> Result<Response, AppError> {
    enter(&state, &site, &login).await
}

async fn enter(state: &AppState, site: &Site, login: &Login) -> Result<Response, AppError> {
    let (token, next) = (login.token.trim(), login.destination());
    match auth::identify(state, token).await? {
        Some(identity) if Access::Read.allows(identity.role) => {
            let cookie = format!("{}={token}; {}", auth::COOKIE, site.cookie_attributes());
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to(next.as_str())).into_response())
        }
        _ => Ok((StatusCode::UNAUTHORIZED, form(site, &next, !token.is_empty())).into_response()),
    }
}

fn form(site: &Site, next: &Destination, is_refused: bool) -> maud::Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head { (head("Log in", site)) }
            body { main.login {
                h1 { "API Sessions" }
                @if is_refused { p.notice.bad role="alert" { "This token is unknown, or may not read." } }
                form.card method="post" action=(site.link("/login")) {
                    label { "Viewer or admin token" input name="token" type="password" required autofocus autocomplete="off"; }
                    @if next.is_stated() { input type="hidden" name="next" value=(next.as_str()); }
                    button { "Log in" }
                    p.quiet { "The admin token is in the file " code { "admin.token" } " of the data directory." }
                }
            } }
        }
    }
}

/// Deletes the cookie. Other sites may not: a browser obeys the response even if it sent no cookie.
pub async fn logout(
    Extension(site): Extension<Site>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    auth::require_own_origin(&headers, &site)?;
    let cookie = format!("{}=; {}; Max-Age=0", auth::COOKIE, site.cookie_attributes());
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response())
}
