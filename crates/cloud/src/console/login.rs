//! Logging in by the link that the first start prints, or by a form.

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use serde::Deserialize;

use super::html::page;
use crate::auth::{self, Access};
use crate::error::AppError;
use crate::state::AppState;

#[derive(Deserialize)]
pub(super) struct Login {
    #[serde(default)]
    token: String,
}

/// Token to cookie; then the token is no longer in the address.
pub(super) async fn login(
    State(state): State<AppState>,
    Query(login): Query<Login>,
) -> Result<Response, AppError> {
    match auth::identify(&state, &login.token).await? {
        Some(identity) if Access::Read.allows(identity.role) => {
            let cookie =
                format!("{}={}; Path=/; HttpOnly; SameSite=Lax", auth::COOKIE, login.token);
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
        }
        _ => {
            let form = html! {
                h1 { "Log in" }
                @if !login.token.is_empty() { p.bad { "That token is not known, or may not read." } }
                form.filters {
                    label { "Viewer or admin token" input name="token" type="password" required autofocus; }
                    button { "Log in" }
                }
                p.quiet { "The admin token is in the file " code { "admin.token" } " of the data directory." }
            };
            Ok((StatusCode::UNAUTHORIZED, page("Log in", &form)).into_response())
        }
    }
}

/// Forgets the cookie.
pub(super) async fn logout() -> Response {
    let cookie = format!("{}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0", auth::COOKIE);
    ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response()
}
