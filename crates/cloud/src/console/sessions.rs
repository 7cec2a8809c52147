//! The list of sessions, with its filters in the address: every view is a link.

use axum::extract::{Query, RawQuery as Address, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::html::{duration, page, time};
use super::viewer;
use crate::api::query::RawQuery;
use crate::state::AppState;
use crate::store::SessionSummary;

pub(super) async fn list(
    State(state): State<AppState>,
    headers: HeaderMap,
    Query(raw): Query<RawQuery>,
    Address(address): Address,
) -> Result<Markup, Response> {
    viewer(&state, &headers).await?;
    let query = raw.sessions().map_err(IntoResponse::into_response)?;
    let found = state
        .read(move |store| store.sessions(&query))
        .await
        .map_err(IntoResponse::into_response)?;
    let filters = [
        ("from", "From (RFC 3339)", &raw.from),
        ("to", "To", &raw.to),
        ("application", "Application", &raw.application),
        ("host", "Host", &raw.host),
        ("ip", "IP", &raw.ip),
        ("user", "User", &raw.user),
        ("role", "Role", &raw.role),
        ("status", "Status (403, 4xx)", &raw.status),
        ("method", "Method", &raw.method),
        ("attack", "Attack", &raw.attack),
        ("endpoint", "Endpoint", &raw.endpoint),
        ("session", "Session id", &raw.session),
    ];
    let filtered = filters.iter().any(|(_, _, value)| !value.is_empty());
    Ok(page(
        "Sessions",
        &html! {
            h1 { (found.total) @if found.total == 1 { " session" } @else { " sessions" } }
            form.filters {
                @for (name, label, value) in filters {
                    label { (label) input name=(name) value=(value); }
                }
                button { "Filter" }
                @if filtered { a href="/" { "Clear" } }
            }
            @if found.sessions.is_empty() && !filtered { (first_start()) } @else { (table(&found.sessions)) }
            @if let Some(next) = &found.next {
                p { a rel="next" href=(next_page(address.as_deref(), next)) { "Next page" } }
            }
        },
    ))
}

fn table(sessions: &[SessionSummary]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { "Last seen (UTC)" } th { "Lasted" } th { "Session" } th { "User" } th { "Role" }
                th.number { "Requests" } th.number { "Attacks" } th.number { "Denied" }
                th { "IP" } th { "Host" } th { "Application" }
            } }
            tbody { @for session in sessions { tr {
                td.time { (time(session.last_ts)) }
                td.time { (duration(session.last_ts.saturating_sub(session.first_ts))) }
                td { a href={ "/sessions/" (session.session) } { code { (session.session) } }
                    br; span.quiet { (session.key) } }
                td { (session.user.as_deref().unwrap_or_default()) }
                td { (session.role.as_deref().unwrap_or_default()) }
                td.number { (session.requests) }
                td.number.bad[session.attacks > 0] { (session.attacks) }
                td.number.bad[session.denied > 0] { (session.denied) }
                td { (session.ips.join(", ")) }
                td { (session.hosts.join(", ")) }
                td { (session.applications.join(", ")) }
            } } }
        } }
    }
}

/// What to put into nginx.conf, for whoever has no sessions yet.
fn first_start() -> Markup {
    html! {
        p { "No sessions yet. Into the " code { "http" } " block of nginx.conf belong:" }
        pre { code {
            "load_module modules/ngx_http_api_sessions_module.so;   # at the top of the file\n\n"
            "api_sessions on;\n"
            "api_sessions_export http://127.0.0.1:8700 token_file=/etc/nginx/api-sessions.token;\n"
        } }
        p.quiet { "The token is in the file " code { "ingest.token" } " of the data directory." }
    }
}

/// The same view, further on.
fn next_page(address: Option<&str>, cursor: &str) -> String {
    let kept = address.unwrap_or_default().split('&').filter(|part| !part.starts_with("cursor="));
    let mut parts: Vec<&str> = kept.filter(|part| !part.is_empty()).collect();
    let cursor = format!("cursor={cursor}");
    parts.push(&cursor);
    format!("/?{}", parts.join("&"))
}
