//! The web Console: logging in, and its pages.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use serde::Deserialize;

use crate::auth::{self, Access};
use crate::error::AppError;
use crate::state::AppState;
use crate::store::{RequestQuery, SessionQuery};

/// Routes of the Console.
pub fn routes(_state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/", get(list))
        .route("/login", get(login))
        .route("/sessions/{id}", get(open))
}

#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    token: String,
}

/// Token to cookie; then the token is no longer in the address.
async fn login(
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
            let form = "<!doctype html><title>API Sessions</title><form><label>Token \
                        <input name=token type=password autofocus></label> <button>Log in</button></form>";
            Ok((StatusCode::UNAUTHORIZED, Html(form)).into_response())
        }
    }
}

async fn viewer(state: &AppState, headers: &HeaderMap) -> Result<(), Response> {
    match auth::authenticate(state, &Method::GET, headers).await {
        Ok(identity) if Access::Read.allows(identity.role) => Ok(()),
        Err(error) if error.status != StatusCode::UNAUTHORIZED => Err(error.into_response()),
        _ => Err(Redirect::to("/login").into_response()),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;")
}

async fn list(State(state): State<AppState>, headers: HeaderMap) -> Result<Html<String>, Response> {
    viewer(&state, &headers).await?;
    let query = SessionQuery { limit: 50, ..SessionQuery::default() };
    let page = state
        .read(move |store| store.sessions(&query))
        .await
        .map_err(IntoResponse::into_response)?;
    let rows: String = page
        .sessions
        .iter()
        .map(|session| {
            let id = escape(&session.session);
            format!(
                "<tr><td><a href=\"/sessions/{id}\">{id}</a><td>{}<td>{}<td>{}<td>{}",
                escape(session.user.as_deref().unwrap_or("")),
                session.requests,
                session.attacks,
                escape(&session.ips.join(" ")),
            )
        })
        .collect();
    Ok(Html(format!(
        "<!doctype html><title>API Sessions</title><h1>{} sessions</h1><table><tr><th>session\
         <th>user<th>requests<th>attacks<th>IP{rows}</table>",
        page.total
    )))
}

async fn open(
    State(state): State<AppState>,
    headers: HeaderMap,
    Path(session): Path<String>,
) -> Result<Html<String>, Response> {
    viewer(&state, &headers).await?;
    let query = RequestQuery { session: session.clone(), limit: 200, ..RequestQuery::default() };
    let page = state
        .read(move |store| store.requests(&query))
        .await
        .map_err(IntoResponse::into_response)?;
    let rows: String = page
        .items
        .iter()
        .map(|request| {
            let record = &request.record;
            format!(
                "<tr><td>{}<td>{}<td>{}<td>{}<td>{}",
                crate::clock::rfc3339(record.ts),
                escape(&record.method),
                escape(record.host.as_deref().unwrap_or("")),
                escape(&record.path),
                record.status
            )
        })
        .collect();
    Ok(Html(format!(
        "<!doctype html><title>API Sessions</title><h1>Session {}</h1><table>{rows}</table>",
        escape(&session)
    )))
}
