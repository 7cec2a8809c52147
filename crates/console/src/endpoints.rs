//! The endpoints of applications.

use std::collections::BTreeMap;

use axum::extract::State;
use maud::{Markup, html};

use super::fields::{self, Mistakes, Refused};
use super::filters::address;
use super::html::{abbreviated, incomplete, moment, number, page, short, size};
use super::{Viewer, comparison, neighbours};
use api_sessions_cloud_api::api::endpoints::{Kind, RawEndpointQuery, matching};
use api_sessions_cloud_api::extractors::Query;
use api_sessions_cloud_api::state::AppState;
use api_sessions_endpoints::Endpoint;

/// Maximum number of endpoints in the table.
const SHOWN: usize = 500;

/// The kinds of endpoints: name in the API, label and meaning.
const KINDS: [(&str, &str, &str); 4] = [
    ("used", "In use", "Answered with 2xx in two sessions or more."),
    ("new", "New", "First seen less than a week ago, and a day or more after the application was."),
    ("unused", "Unused", "Not seen for three days."),
    (
        "probe",
        "Probes",
        "No two sessions were answered with 2xx: what scanners ask for, and mistakes.",
    ),
];

/// Classes of status codes: first digit, CSS class, label.
const MIX: [(u16, &str, &str); 4] =
    [(2, "good", "2xx"), (3, "other", "3xx"), (4, "errors", "4xx"), (5, "attacks", "5xx")];

/// `GET /endpoints`
pub async fn list(
    State(state): State<AppState>,
    viewer: Viewer,
    Query(mut raw): Query<RawEndpointQuery>,
) -> Result<Markup, Refused> {
    let kind = raw.kind()?.unwrap_or(Kind::Used);
    if raw.kind.is_empty() {
        raw.kind = "used".to_owned();
    }
    let path = viewer.link("/endpoints");
    let mistakes = fields::period(&raw.from, &raw.to);
    fields::check(&mistakes, "Endpoints", "/endpoints", &viewer, || {
        // The chosen application stays chosen, though the others are not known here.
        let chosen = BTreeMap::from([(raw.application.clone(), 1)]);
        form(&path, &raw, &chosen, &mistakes)
    })?;
    // The page counts all kinds but shows one; the applications are those of all kinds.
    let everywhere = RawEndpointQuery { application: String::new(), ..raw.clone() };
    let all = matching(&state, &everywhere).await?;
    let mut applications: BTreeMap<String, u64> = BTreeMap::new();
    for endpoint in &all.endpoints {
        *applications.entry(endpoint.application.clone().unwrap_or_default()).or_default() += 1;
    }
    let is_of = |one: &&Endpoint| {
        raw.application.is_empty() || one.application.as_deref() == Some(&*raw.application)
    };
    let found: Vec<&Endpoint> = all.endpoints.iter().filter(is_of).collect();
    let shown: Vec<&Endpoint> = found.iter().copied().filter(|one| kind.has(one)).collect();
    let meaning = KINDS.iter().find(|(name, ..)| *name == raw.kind).map_or("", |kind| kind.2);
    Ok(page(
        "Endpoints",
        "/endpoints",
        &viewer,
        &html! {
            h1 { (shown.len()) @if shown.len() == 1 { " endpoint" } @else { " endpoints" } }
            nav.presets aria-label="Kind" {
                @for (of, name) in Kind::ALL {
                    @let count = found.iter().filter(|one| of.has(one)).count();
                    @let label = KINDS.iter().find(|(known, ..)| *known == name).map_or(name, |kind| kind.1);
                    a.chip href=(with(&path, &raw, "kind", name)) aria-current=[(of == kind).then_some("true")] { (label) " " (abbreviated(count as u64)) }
                }
            }
            (form(&path, &raw, &applications, &mistakes))
            p.quiet { (meaning) }
            (exports(&viewer, &raw))
            (incomplete(&all.incomplete))
            @if let Some(as_of) = all.as_of { p.quiet { "Counted at " (moment(as_of)) "." } }
            @if shown.is_empty() { p.notice { (nothing(kind, all.endpoints.is_empty())) } }
            @else { (table(&viewer, &raw, &shown)) }
            (comparison::form(&path, &raw.application))
            @if shown.len() > SHOWN { p.quiet { "The " (SHOWN) " with the most requests of " (shown.len()) "; filters and the CSV show the others." } }
        },
    ))
}

fn nothing(kind: Kind, is_empty: bool) -> &'static str {
    match kind {
        _ if is_empty => "No request matches. Endpoints appear here with the first requests.",
        Kind::Used => "No endpoint has answered two sessions with 2xx.",
        Kind::New => "No endpoint is new.",
        Kind::Unused => "Every endpoint was used in the last three days.",
        Kind::Probe => "No probes.",
    }
}

fn parts(raw: &RawEndpointQuery) -> Vec<(&'static str, &str)> {
    let all = [
        ("application", &raw.application),
        ("endpoint", &raw.endpoint),
        ("method", &raw.method),
        ("from", &raw.from),
        ("to", &raw.to),
        ("kind", &raw.kind),
    ];
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(n, v)| (n, v.as_str())).collect()
}

fn with(path: &str, raw: &RawEndpointQuery, name: &'static str, value: &str) -> String {
    let mut parts = parts(raw);
    parts.retain(|(other, _)| *other != name);
    parts.push((name, value));
    address(path, &parts)
}

fn form(
    path: &str,
    raw: &RawEndpointQuery,
    applications: &BTreeMap<String, u64>,
    mistakes: &Mistakes,
) -> Markup {
    let named: Vec<&String> = applications.keys().filter(|name| !name.is_empty()).collect();
    html! {
        form.filters action=(path) method="get" role="search" {
            @if !named.is_empty() {
                label { "Application" select name="application" {
                    option value="" { "All" }
                    @for name in named { option value=(name) selected[*name == raw.application] { (short(name, 60)) } }
                } }
            }
            label.wide { "Part of the endpoint" input name="endpoint" value=(raw.endpoint) placeholder="/users"; }
            label { "Method" input name="method" value=(raw.method) placeholder="GET"; }
            (fields::period_fields(&raw.from, &raw.to, mistakes))
            input type="hidden" name="kind" value=(raw.kind);
            button { "Filter" }
            @if parts(raw).len() > 1 { a href=(address(path, &[("kind", &raw.kind)])) { "Clear" } }
        }
    }
}

fn exports(viewer: &Viewer, raw: &RawEndpointQuery) -> Markup {
    let mut document = parts(raw);
    // An unused endpoint is not part of the API.
    document.retain(|(name, _)| *name != "kind");
    html! {
        nav.pages.before aria-label="Downloads" {
            a href=(address(&viewer.link("/v1/endpoints.csv"), &parts(raw))) { "CSV" }
            a href=(address(&viewer.link("/v1/endpoints/openapi.json"), &document)) { "What is in use as OpenAPI" }
        }
    }
}

fn table(viewer: &Viewer, raw: &RawEndpointQuery, shown: &[&Endpoint]) -> Markup {
    let has_many = raw.application.is_empty() && shown.iter().any(|one| one.application.is_some());
    html! {
        div.scroll tabindex="0" role="region" aria-label="Endpoints" { table.cards {
            thead { tr {
                th { "Endpoint" } @if has_many { th { "Application" } }
                th.number { "Requests" } th.number { "Sessions" } th.number { "Users" } th { "Status" }
                th.number { "Time p50, p95" } th.number { "Size p50, p95" } th.number { "By key" } th { "First and last seen (UTC)" }
            } }
            tbody { @for one in shown.iter().take(SHOWN) { tr {
                td.shape.whole {
                    span.method { (short(&one.method, 20)) } " "
                    a href=(sessions(viewer, one)) title="Sessions with such a request" { code { (short(&one.endpoint, 120)) } }
                    " " a.nowrap href=(neighbours::link(viewer, one.application.as_deref().unwrap_or_default(), &one.method, &one.endpoint)) title="What sessions request before and after, and rules that fire there" { "before and after" }
                    @if one.is_new { " " span.badge.good { "new" } }
                    @if one.is_unused { " " span.badge { "unused" } }
                    @if one.attacks > 0 { " " span.badge.bad title={ (one.attacks) " malicious requests" } { (abbreviated(one.attacks)) @if one.attacks == 1 { " attack" } @else { " attacks" } } }
                }
                @if has_many { td.half data-label="Application" { (short(one.application.as_deref().unwrap_or_default(), 40)) } }
                td.number data-label="Requests" { (number(one.requests)) }
                td.number data-label="Sessions" { (number(one.sessions)) }
                td.number data-label="Users" { (number(one.users)) }
                td.half data-label="Status" { (mix(one)) }
                td.number.half data-label="Time p50, p95" { (one.time_ms.p50) ", " (one.time_ms.p95) " ms" }
                td.number.half data-label="Size p50, p95" { (size(one.response_bytes.p50)) ", " (size(one.response_bytes.p95)) }
                td.number data-label="By key" title=(sources(one)) { (format!("{:.0} %", one.by_key() * 100.0)) }
                td.time data-label="First and last seen" { (moment(one.first_ts)) br; (moment(one.last_ts)) }
            } } }
        } }
        p.quiet { "By key: share of the requests whose session was found by a key rather than by the address. Percentiles are at most 6 % too low." }
    }
}

fn sessions(viewer: &Viewer, one: &Endpoint) -> String {
    let application = one.application.as_deref().unwrap_or_default();
    let all =
        [("endpoint", &*one.endpoint), ("method", &*one.method), ("application", application)];
    let parts: Vec<_> = all.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    address(&viewer.link("/"), &parts)
}

fn sources(one: &Endpoint) -> String {
    let all = one.sources.iter().map(|(source, count)| format!("{source}: {count}"));
    all.collect::<Vec<_>>().join(", ")
}

/// The share of each class of status codes, as a bar and in words.
fn mix(one: &Endpoint) -> Markup {
    let of = |class: u16| -> u64 {
        one.statuses.iter().filter(|(status, _)| **status / 100 == class).map(|(_, n)| n).sum()
    };
    let share = |class: u16| of(class) as f64 * 100.0 / one.requests.max(1) as f64;
    let all: Vec<String> =
        one.statuses.iter().map(|(status, count)| format!("{status}: {count}")).collect();
    let words: Vec<String> = MIX
        .iter()
        .filter(|(class, ..)| of(*class) > 0)
        .map(|(class, _, label)| match share(*class) {
            // Non-breaking spaces.
            share if share < 1.0 => format!("{label}\u{a0}<\u{a0}1\u{a0}%"),
            share => format!("{label}\u{a0}{share:.0}\u{a0}%"),
        })
        .collect();
    html! {
        div.mix title=(all.join(", ")) {
            svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
                @for (at, (class, name, _)) in MIX.iter().enumerate() {
                    @let before: f64 = MIX.iter().take(at).map(|(class, ..)| share(*class)).sum();
                    @if of(*class) > 0 { rect.(name) x=(format!("{before:.1}")) width=(format!("{:.1}", share(*class))) height="6" {} }
                }
            }
            span.quiet { (words.join(", ")) }
        }
    }
}
