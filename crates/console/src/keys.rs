//! Session keys: how good each one is, which would be better, and which are demoted.

mod trial;

use std::collections::BTreeMap;

use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use trial::Tried;

use super::Viewer;
use super::fields::{self, Mistakes, Refused};
use super::filters::address;
use super::html::{moment, number, page, short};
use api_sessions_cloud_api::api::keys::{Change, KeyName, RawKeysQuery, change, overview};
use api_sessions_cloud_api::api::parameters::check;
use api_sessions_cloud_api::auth::Identity;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::{Form, Query};
use api_sessions_cloud_api::state::AppState;
use api_sessions_cloud_keys::overview::KeyFigures;
use api_sessions_cloud_keys::why::Why;
use api_sessions_protocol::{Parameter, ParameterExport};
use api_sessions_store::clock::now_ms;

/// What groups requests: kind, CSS class of the bar, label.
const WAYS: [(&str, &str, &str); 5] = [
    ("own", "good", "own keys"),
    ("builtin", "good", "built-in keys"),
    ("candidate", "other", "followed cookies"),
    ("ip_ua", "errors", "IP and User-Agent"),
    ("ip", "attacks", "IP"),
];

/// Query string of the page.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageQuery {
    application: String,
    from: String,
    to: String,
    /// The point to try.
    r#try: String,
}

/// `GET /keys`
pub async fn list(
    State(state): State<AppState>,
    viewer: Viewer,
    Query(query): Query<PageQuery>,
) -> Result<Markup, Refused> {
    let PageQuery { application, from, to, r#try: point } = query;
    let raw = RawKeysQuery { application, from, to };
    let path = viewer.link("/keys");
    let mistakes = fields::period(&raw.from, &raw.to);
    fields::check(&mistakes, "Keys", "/keys", &viewer, || form(&path, &raw, &mistakes))?;
    let period = raw.period()?;
    let point = point.trim();
    let result = match point {
        "" => None,
        point => Some(trial::one(&state, &raw.application, point, period).await?),
    };
    let found = overview(&state, raw.clone()).await?;
    let tried = trial::suggestions(&state, &found.keys, period).await?;
    let mut applications: BTreeMap<&str, Vec<&KeyFigures>> = BTreeMap::new();
    for key in &found.keys {
        applications.entry(&key.application).or_default().push(key);
    }
    let times: Vec<(&str, &str)> = [("from", &*raw.from), ("to", &*raw.to)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect();
    Ok(page(
        "Keys",
        "/keys",
        &viewer,
        &html! {
            h1 { "Session keys" }
            p { "How good each key is, as the nodes measure it on successful requests. Unless times are given, of the last "
                "24 hours." }
            (form(&path, &raw, &mistakes))
            @if let Some(result) = &result { (trial::result(&viewer, point, result)) }
            @if applications.is_empty() { p.notice { "Nothing has been measured yet. Nodes with " code { "sync=on" } " report every ten minutes." } }
            @for (name, keys) in &applications { (application_keys(&viewer, name, keys, tried.as_ref(), &times)) }
        },
    ))
}

fn form(path: &str, raw: &RawKeysQuery, mistakes: &Mistakes) -> Markup {
    html! {
        form.filters action=(path) method="get" role="search" {
            label { "Application" input name="application" value=(raw.application) maxlength="256"; }
            (fields::period_fields(&raw.from, &raw.to, mistakes))
            button { "Filter" }
        }
    }
}

fn application_keys(
    viewer: &Viewer,
    name: &str,
    keys: &[&KeyFigures],
    tried: Option<&Tried>,
    times: &[(&str, &str)],
) -> Markup {
    let (suggested, others): (Vec<&KeyFigures>, _) = keys.iter().partition(|key| key.suggested);
    let change = |key: &KeyFigures| trial::change(viewer, key, tried, times);
    html! {
        section {
            h2 { @if name.is_empty() { "Without an application" } @else { (short(name, 80)) } }
            (grouping(viewer, name, keys))
            @if !suggested.is_empty() {
                h3 { "Suggestions" }
                p.quiet { "What these carry is kept by a client and shared by no other. The best is first." }
                (table(viewer, &suggested, "Suggestions", Some(&change)))
            }
            h3 { "In use, and seen" }
            (table(viewer, &others, "Keys", None))
        }
    }
}

/// How requests are grouped, as a bar and in words.
fn grouping(viewer: &Viewer, name: &str, keys: &[&KeyFigures]) -> Markup {
    let of = |kind: &str| -> u64 {
        keys.iter().filter(|key| key.kind == kind).map(|key| key.grouped).sum()
    };
    let all: u64 = WAYS.iter().map(|(kind, ..)| of(kind)).sum();
    let share = |kind: &str| of(kind) as f64 * 100.0 / all.max(1) as f64;
    let words: Vec<String> = WAYS
        .iter()
        .filter(|(kind, ..)| of(kind) > 0)
        .map(|(kind, _, label)| format!("{label}\u{a0}{:.0}\u{a0}%", share(kind)))
        .collect();
    let endpoints = address(&viewer.link("/endpoints"), &[("application", name)]);
    html! {
        div.mix {
            svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true" {
                @for (at, (kind, class, _)) in WAYS.iter().enumerate() {
                    @let before: f64 = WAYS.iter().take(at).map(|(kind, ..)| share(kind)).sum();
                    @if of(kind) > 0 { rect.(class) x=(format!("{before:.1}")) width=(format!("{:.1}", share(kind))) height="6" {} }
                }
            }
            span { "Grouped by " (words.join(", ")) ". " }
            a href=(endpoints) { "Endpoints and their share by key" }
        }
    }
}

/// The table of keys, with what each suggestion would change.
fn table(
    viewer: &Viewer,
    keys: &[&KeyFigures],
    label: &str,
    change: Option<&dyn Fn(&KeyFigures) -> Markup>,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) { table.cards {
            thead { tr {
                th { "Key" } th { "Verdict" }
                @if change.is_some() { th { "Sessions before → after" } }
                th.number { "Requests" } th.number { "Coverage" } th.number { "Sessions" }
                th.number { "Values a client" } th.number { "Clients a value" } th { "Evidence" } th { "Action" }
            } }
            tbody { @for key in keys { tr {
                td.whole { code { (short(&key.name, 100)) } br; span.quiet { (kind_label(&key.kind)) } }
                td.whole { (verdict(&key.verdict)) @if key.demoted { " " span.badge.bad title="Nodes do not use it" { "demoted" } }
                    @if key.since > 0 { br; span.quiet { "since " (moment(key.since)) } } }
                @if let Some(change) = change { td.whole data-label="Sessions before → after" { (change(key)) } }
                td.number data-label="Requests" { (number(key.requests)) }
                td.number data-label="Coverage" { (format!("{:.0} %", key.coverage * 100.0)) }
                td.number data-label="Sessions" { (number(key.sessions)) }
                td.number.half data-label="Values a client" { (key.values_per_client.p50) ", " (key.values_per_client.p90) }
                td.number.half data-label="Clients a value" { (key.clients_per_value.p50) ", " (key.clients_per_value.p90) }
                td.whole { @for text in &key.evidence { div.quiet { (text) } } }
                td.whole { @if viewer.is_admin { (decisions(viewer, key)) } }
            } } }
        } }
        p.quiet { "Values per client within an hour, clients per value within a window, up to 16: the median, and what 90 % do not exceed. Sessions are estimated." }
    }
}

fn decisions(viewer: &Viewer, key: &KeyFigures) -> Markup {
    let button = |what: &str, label: &str, title: &str| {
        html! {
            form.inline method="post" action=(viewer.link("/keys")) {
                input type="hidden" name="what" value=(what);
                input type="hidden" name="application" value=(key.application);
                input type="hidden" name="name" value=(key.name);
                button.plain title=(title) aria-label=(format!("{label}: {}", key.name)) { (label) }
            }
        }
    };
    html! {
        @if key.suggested {
            (button("adopt", "Adopt", "All nodes use it as a key, hashed, before those of their nginx.conf"))
            (button("watch", "Add to parameters", "All nodes export its hash with each request, to see what it would change; it is no key by that"))
            (button("dismiss", "Dismiss", "It is not suggested again"))
        }
        @if key.demoted { (button("undo", "Undo", "Nodes use it again, and it is not demoted any more")) }
    }
}

fn verdict(verdict: &str) -> Markup {
    html! {
        @match verdict {
            "good" => span.badge.good { "good" },
            "shared" => span.badge.bad title="Many clients have one value: sessions of several users are one" { "shared" },
            "volatile" => span.badge.bad title="Its value changes: each request would be a session" { "volatile" },
            _ => span.badge title="Not enough was seen" { "too little" },
        }
    }
}

fn kind_label(kind: &str) -> &str {
    match kind {
        "own" => "your key",
        "builtin" => "built-in",
        "candidate" => "no key",
        "ip_ua" => "no key: IP and User-Agent",
        _ => "no key: IP",
    }
}

/// Explains why a session's requests were grouped.
pub(crate) fn why(why: &Why) -> Markup {
    html! {
        p { "Grouped by " code { (short(&why.key, 100)) } " (" (kind_label(&why.kind)) ": " (short(&why.reason, 200)) ") · " (verdict(&why.verdict))
            @if let Some(summary) = &why.summary { " · " (summary.clients_per_value.p50) " clients per value, " (summary.values_per_client.p50) " values per client" }
        }
    }
}

/// An admin's decision about a key.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Decision {
    what: String,
    application: String,
    name: String,
}

/// `POST /keys`
pub async fn decide(
    State(state): State<AppState>,
    Extension(by): Extension<Identity>,
    Form(form): Form<Decision>,
) -> Result<Redirect, AppError> {
    let Decision { what, application, name } = form;
    let is_done = match &*what {
        "adopt" => add(&state, name, true, &by).await?,
        "watch" => add(&state, name, false, &by).await?,
        "dismiss" => change(&state, Change::Dismiss, KeyName { application, name }, &by).await?,
        "undo" => change(&state, Change::Undo, KeyName { application, name }, &by).await?,
        _ => return Err(AppError::bad_request("what: adopt, watch, dismiss or undo is expected")),
    };
    // Dismissing twice, or adopting an existing key, is not an error.
    if !is_done && what == "undo" {
        return Err(AppError::not_found("the key is not demoted"));
    }
    Ok(Redirect::to("/keys"))
}

/// Adds a point to the parameters of all nodes, hashed, as a key or for records only. Returns whether it is new.
async fn add(
    state: &AppState,
    point: String,
    group: bool,
    by: &Identity,
) -> Result<bool, AppError> {
    let mut set = state.read(|store| store.parameters()).await?;
    match set.parameters.iter_mut().find(|parameter| parameter.point == point) {
        Some(parameter) if parameter.group || !group => return Ok(false),
        Some(parameter) => parameter.group = true,
        None => {
            let export = ParameterExport::Hashed;
            set.parameters.push(Parameter { point, group, export, ..Parameter::default() });
        }
    }
    check(&set)?;
    let (parameters, author) = (set.parameters.len(), by.name.clone());
    state.change(move |store| store.set_parameters(&set, &author, now_ms())).await?;
    tracing::info!(parameters, group, by = %by.name, "a suggested key was added to the parameters");
    Ok(true)
}
