//! A user: sessions, devices, addresses and failures. An admin can deny the user's current sessions.

use ahash::AHashSet;
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::html::{abbreviated, duration, incomplete, moment, number, page, short, time, visible};
use super::{Viewer, denylist, filters, links, sessions};
use crate::limits::MAX_CHARTED_REQUESTS;
use api_sessions_cloud_api::api::query::RawQuery;
use api_sessions_cloud_api::api::users::deny_present;
use api_sessions_cloud_api::auth::Identity;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::{Form, NoQuery, Path, Query};
use api_sessions_cloud_api::limits::MAX_AGGREGATED_SESSIONS;
use api_sessions_cloud_api::state::AppState;
use api_sessions_cloud_api::user::{self, UserDetail, UserValue};
use api_sessions_store::SessionSummary;
use api_sessions_store::clock::now_ms;

/// Maximum number of sessions in the table.
const SHOWN: usize = 50;

/// Kinds of values: name in the API, heading, and filter of the list of sessions.
const KINDS: [(&str, &str, &str); 10] = [
    ("ua", "Devices (User-Agent)", ""),
    ("ja4", "Devices (JA4)", "ja4"),
    ("ip", "Addresses", "ip"),
    ("country", "Countries", "country"),
    ("asn", "Networks (AS)", "asn"),
    ("organisation", "Organisations", "organisation"),
    ("application", "Applications", "application"),
    ("host", "Hosts", "host"),
    ("method", "Methods", "method"),
    ("endpoint", "Endpoints", "endpoint"),
];

/// Number of values shown per kind.
const VALUES: usize = 10;

/// `GET /users/{user}`
pub async fn open(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(name): Path<String>,
    _: Query<NoQuery>,
) -> Result<Markup, AppError> {
    let of = name.clone();
    let found = state.list(move |store| {
        let Some((detail, all)) = user::find(store, &of)? else { return Ok(None) };
        let shown: Vec<&str> = all.iter().map(|session| session.session.as_str()).collect();
        let denied = store.denied(&shown, now_ms())?;
        Ok(Some((detail, all, denied)))
    });
    let Some((detail, all, denylist)) = found.await? else {
        return Err(AppError::not_found("no session had this user"));
    };
    let denied: AHashSet<String> = denylist.into_iter().map(|entry| entry.session).collect();
    let query = RawQuery { user: name.clone(), ..RawQuery::default() };
    let list = viewer.link("/");
    let shown = all.get(..SHOWN).unwrap_or(&all);
    Ok(page(
        "User",
        "/users",
        &viewer,
        &html! {
            h1 { "User " code data-copy { (visible(&name)) } }
            (incomplete(&detail.incomplete))
            (facts(&detail, &all, &denied))
            @if viewer.is_admin { (deny_form(&viewer, &name, &detail)) }
            div.split {
                aside aria-label="Devices and addresses" { (values(&detail, &list, &query)) }
                section {
                    h2 { "Sessions" }
                    p.quiet { "Figures are those of the whole sessions." }
                    (table(&viewer, &name, shown, &denied))
                    @if all.len() > shown.len() || detail.summary.sessions >= MAX_AGGREGATED_SESSIONS as u64 {
                        p { a href=(filters::address(&list, &filters::parts(&query))) { "All sessions of this user" } }
                    } @else {
                        p { a href=(filters::address(&list, &filters::parts(&query))) { "In the list of sessions" } }
                    }
                }
            }
        },
    ))
}

fn facts(detail: &UserDetail, all: &[SessionSummary], denied: &AHashSet<String>) -> Markup {
    let UserDetail { summary, failures, .. } = detail;
    let now = all.iter().filter(|session| denied.contains(&session.session)).count();
    html! {
        dl.facts {
            div { dt { "Sessions" } dd { @if summary.sessions >= MAX_AGGREGATED_SESSIONS as u64 { "the newest " } (summary.sessions)
                @if detail.present < summary.sessions { " (" (detail.present) " still theirs)" } } }
            div { dt { "First and last seen (UTC)" } dd { (moment(summary.first_ts)) br; (moment(summary.last_ts)) } }
            div { dt { "Requests" } dd { (number(summary.requests)) } }
            div { dt { "Attacks" } dd.bad[summary.attacks > 0] { (number(summary.attacks)) } }
            div { dt { "Denied requests" } dd.bad[summary.denied > 0] { (number(summary.denied)) } }
            div { dt { "Denied sessions now" } dd.bad[now > 0] { (now) } }
            div { dt { "Refused (401, 403)" } dd.bad[failures.refused > 0] { (number(failures.refused)) } }
            div { dt { "Other errors (4xx, 5xx)" } dd { (number(failures.client)) ", " (number(failures.server)) } }
            div { dt { "Addresses" } dd { (summary.ip_count) } }
        }
        p.quiet {
            "Counted are the requests of this user, not what these sessions did before the login or under other users"
            @if detail.detailed < summary.sessions { "; in the " (detail.detailed) " most recently active sessions" }
            @if detail.cut > 0 { "; at most the newest " (MAX_CHARTED_REQUESTS) " of a session" }
            "."
        }
    }
}

fn deny_form(viewer: &Viewer, name: &str, detail: &UserDetail) -> Markup {
    html! {
        @if detail.present > 0 {
            details.deny { summary { "Deny all present sessions" }
                p.quiet { "Each session that still is of this user (" (detail.present) ") gets an entry of its own in the denylist. "
                    "A session that begins later, with a new login, is not denied; a rule does that." }
                (denylist::fields(&viewer.link("/users"), &[("user", name)], "Deny them"))
            }
        }
    }
}

fn values(detail: &UserDetail, list: &str, query: &RawQuery) -> Markup {
    html! {
        @for (kind, heading, filter) in KINDS {
            @let all: Vec<&UserValue> = detail.values.iter().filter(|value| value.kind == kind).collect();
            @if !all.is_empty() {
                h2 { (heading) }
                table.figures {
                    thead.hidden { tr { th { "Value" } th { "Sessions" } th { "Requests" } } }
                    tbody { @for value in all.iter().take(VALUES) { tr {
                        td title={ (time(value.first_ts)) " to " (time(value.last_ts)) " UTC" } {
                            @if filter.is_empty() { (short(&value.value, 160)) }
                            @else { a href=(filters::with(list, query, filter, &value.value)) { (short(&value.value, 60)) } }
                        }
                        td.number title={ (value.sessions) " sessions" } { (abbreviated(value.sessions)) }
                        td.number.quiet title={ (value.requests) " requests" } { (abbreviated(value.requests)) }
                    } } }
                }
                @if all.len() > VALUES { p.quiet { "+" (all.len() - VALUES) " more" } }
            }
        }
        @if !detail.values.is_empty() { p.quiet { "Sessions and requests with the value." } }
    }
}

fn table(
    viewer: &Viewer,
    name: &str,
    shown: &[SessionSummary],
    denied: &AHashSet<String>,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Sessions" { table.cards {
            thead { tr {
                th { "Last seen (UTC)" } th { "Lasted" } th { "Session" } th { "Status" }
                th.number { "Requests" } th.number { "Attacks" } th.number { "Denied" } th { "Address" } th { "Application" }
            } }
            tbody { @for session in shown { tr {
                td.time data-label="Last seen" { (moment(session.last_ts)) }
                td.time data-label="Lasted" { (duration(session.last_ts.saturating_sub(session.first_ts))) }
                td.half { (sessions::link(viewer, session))
                    @if let Some(other) = session.user.as_deref().filter(|other| *other != name) {
                        br; span.quiet { "now " a href=(links::user(viewer, other)) { (short(other, 40)) } } } }
                td.half { (sessions::status(session, denied)) }
                td.number data-label="Requests" { (number(session.requests)) }
                td.number.bad[session.attacks > 0] data-label="Attacks" title=(session.attack_types.join(", ")) { (number(session.attacks)) }
                td.number.bad[session.denied > 0] data-label="Denied" { (number(session.denied)) }
                td.time data-label="Address" { (sessions::first_of(&session.ips)) }
                td.half data-label="Application" { (sessions::first_of(&session.applications)) }
            } } }
        } }
    }
}

/// The user whose sessions are denied, and how.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DenyUserForm {
    user: String,
    #[serde(flatten)]
    how: denylist::DenyTerms,
}

/// `POST /users`
pub async fn deny(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    Form(form): Form<DenyUserForm>,
) -> Result<Redirect, AppError> {
    if form.user.is_empty() {
        return Err(AppError::bad_request("user: a name is expected"));
    }
    let back = links::user_path(&form.user);
    deny_present(&state, form.user, form.how.read()?, &identity).await?;
    Ok(Redirect::to(&back))
}
