//! An endpoint: what sessions request before and after it, and the rules that fire there.

use axum::extract::State;
use maud::{Markup, html};

use super::Viewer;
use super::filters::address;
use super::html::{incomplete, number, page, short, visible};
use api_sessions_cloud_api::api::neighbours::RawNeighboursQuery;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::Query;
use api_sessions_cloud_api::neighbours::{self, Neighbour, Neighbours};
use api_sessions_cloud_api::state::AppState;

/// Path of an endpoint's page.
pub(super) const PATH: &str = "/endpoints/neighbours";

/// `GET /endpoints/neighbours`
pub async fn open(
    State(state): State<AppState>,
    viewer: Viewer,
    Query(raw): Query<RawNeighboursQuery>,
) -> Result<Markup, AppError> {
    let wanted = raw.wanted()?;
    let found = state.list(move |store| neighbours::find(store, &wanted)).await?;
    let (method, endpoint) = (raw.method.as_str(), raw.endpoint.as_str());
    Ok(page(
        "Endpoint",
        "/endpoints",
        &viewer,
        &html! {
            p { a href=(viewer.link("/endpoints")) { "← Endpoints" } }
            h1 { (visible(method)) " " code { (visible(endpoint)) } }
            (incomplete(&found.incomplete))
            @if found.requests == 0 {
                p.notice { "No request to this endpoint in the sessions that were read." }
            } @else {
                p { (number(found.requests)) " requests in the " (found.sessions) " most recently active sessions that have it." }
                p { a href=(sessions(&viewer, &raw, method, endpoint)) { "Sessions with this endpoint" } }
                (neighbours(&viewer, &raw, "Before", &found.before, &found, ("the first request of the session", found.first)))
                (neighbours(&viewer, &raw, "After", &found.after, &found, ("the last request of the session so far", found.last)))
                h2 { "Rules" }
                @if found.rules.is_empty() { p.quiet { "No rule fired here." } }
                @else { div.scroll tabindex="0" role="region" aria-label="Rules" { table {
                    thead { tr { th { "Rule" } th.number { "Requests" } th.number { "Enforced" } } }
                    tbody { @for rule in &found.rules { tr {
                        td { a href=(viewer.link("/rules")) { (short(&rule.name, 64)) } }
                        td.number { (number(rule.requests)) }
                        td.number { (number(rule.enforced)) }
                    } } }
                } } }
            }
        },
    ))
}

fn neighbours(
    viewer: &Viewer,
    raw: &RawNeighboursQuery,
    heading: &str,
    all: &[Neighbour],
    found: &Neighbours,
    (end, count): (&str, u64),
) -> Markup {
    let share =
        |count: u64| format!("{:.0} %", count as f64 * 100.0 / found.requests.max(1) as f64);
    html! {
        h2 { (heading) }
        div.scroll tabindex="0" role="region" aria-label=(heading) { table {
            thead { tr { th { "Endpoint" } th.number { "Requests" } th.number { "Share" } } }
            tbody {
                @for one in all { tr {
                    td { span.method { (short(&one.method, 20)) } " "
                        a href=(link(viewer, &raw.application, &one.method, &one.endpoint)) { code { (short(&one.endpoint, 120)) } } }
                    td.number { (number(one.requests)) }
                    td.number { (share(one.requests)) }
                } }
                @if count > 0 { tr {
                    td.quiet { "none: it is " (end) }
                    td.number { (number(count)) }
                    td.number { (share(count)) }
                } }
            }
        } }
    }
}

/// URL of an endpoint's page.
pub(super) fn link(viewer: &Viewer, application: &str, method: &str, endpoint: &str) -> String {
    let all = [("endpoint", endpoint), ("method", method), ("application", application)];
    let parts: Vec<_> = all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    address(&viewer.link(PATH), &parts)
}

/// URL of the list of sessions that have such a request.
fn sessions(viewer: &Viewer, raw: &RawNeighboursQuery, method: &str, endpoint: &str) -> String {
    let all = [
        ("endpoint", endpoint),
        ("method", method),
        ("application", &*raw.application),
        ("from", &*raw.from),
        ("to", &*raw.to),
    ];
    let parts: Vec<_> = all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    address(&viewer.link("/"), &parts)
}
