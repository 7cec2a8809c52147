//! How a session is known: its identifiers, and the sessions before and after it.

use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::Viewer;
use super::html::{encoded, moment, short};
use api_sessions_cloud_api::api::sessions::split_alias;
use api_sessions_cloud_api::auth;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::Form;
use api_sessions_cloud_api::state::AppState;
use api_sessions_store::Identity;
use api_sessions_store::limits::MAX_IDENTIFIERS;

/// The section of a session's page.
pub(crate) fn section(viewer: &Viewer, identity: &Identity) -> Markup {
    let session = |id: &str| viewer.link(&format!("/sessions/{}", encoded(id)));
    html! {
        @if let Some(previous) = &identity.previous {
            p { "Another user was here before: session " a href=(session(previous)) { code { (short(previous, 32)) } } }
        }
        @if let Some(next) = &identity.next {
            p { "Another user came after: session " a href=(session(next)) { code { (short(next, 32)) } } }
        }
        @if !identity.identifiers.is_empty() {
            details.identifiers {
                summary { "Identifiers: " (identity.identifiers.len()) @if identity.identifiers.len() == MAX_IDENTIFIERS { " (the first)" } }
                table { tbody { @for known in &identity.identifiers { tr {
                    td.time { a href=(viewer.link(&format!("/requests/{}", encoded(&known.request)))) { (moment(known.first_ts)) } }
                    td { (reason(&known.reason)) }
                    td { code { (short(&known.session, 32)) } }
                    @if viewer.is_admin { td {
                        form.inline method="post" action=(viewer.link("/sessions/split")) {
                            input type="hidden" name="session" value=(identity.session);
                            input type="hidden" name="alias" value=(known.session);
                            button.plain title="Requests that bring this value are in a session of their own from now on" { "Split here" }
                        }
                    } }
                } } } }
            }
        }
    }
}

fn reason(reason: &str) -> &str {
    match reason {
        "issued" => "issued",
        "rotated" => "replaced by a response",
        "login" => "new at login",
        "token" => "token",
        other => other,
    }
}

/// The identifier to split off.
#[derive(Debug, Deserialize)]
pub struct SplitForm {
    session: String,
    alias: String,
}

/// `POST /sessions/split`
pub async fn split(
    State(state): State<AppState>,
    Extension(by): Extension<auth::Identity>,
    Form(form): Form<SplitForm>,
) -> Result<Redirect, AppError> {
    let back = format!("/sessions/{}", encoded(&form.session));
    if !split_alias(&state, form.session, form.alias, &by).await? {
        return Err(AppError::not_found("it is no alias of this session"));
    }
    Ok(Redirect::to(&back))
}
