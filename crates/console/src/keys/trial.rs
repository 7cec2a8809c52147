//! What suggested keys would change: the sessions of stored requests, before and after.

use std::collections::HashMap;

use maud::{Markup, html};

use crate::Viewer;
use crate::filters::address;
use crate::html::{encoded, number, short};
use crate::limits::{MAX_TRIAL_WAIT, MAX_TRIED_SUGGESTIONS};
use api_sessions_cloud_api::api::keys::trial::try_keys;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::replay::exclusively;
use api_sessions_cloud_api::state::AppState;
use api_sessions_cloud_keys::overview::KeyFigures;
use api_sessions_cloud_keys::regroup::{self, Regrouped, Regrouping};
use api_sessions_protocol::Parameter;
use api_sessions_store::ReplayQuery;

/// Approximate number of requests, the newest of all applications, that suggestions are tried on.
const RECENT: u64 = 20_000;

/// Suggestions by application and point, with what they would change.
pub(super) type Tried = HashMap<(String, String), Regrouped>;

/// Tries the suggestions of a page on the newest requests. `None`: another trial is running.
pub(super) async fn suggestions(
    state: &AppState,
    keys: &[KeyFigures],
    (from, to): (u64, u64),
) -> Result<Option<Tried>, AppError> {
    let suggested = keys.iter().filter(|key| key.suggested).take(MAX_TRIED_SUGGESTIONS);
    let of = |key: &KeyFigures| (key.application.clone(), key.name.clone());
    let names: Vec<(String, String)> = suggested.map(of).collect();
    if names.is_empty() {
        return Ok(Some(Tried::new()));
    }
    let tried = exclusively(state, move |store, is_cancelled| {
        let parameters = store.parameters()?.parameters;
        let mut known = Vec::new();
        let mut tries = Vec::new();
        for (application, point) in names {
            let Ok(points) = regroup::points(std::slice::from_ref(&point)) else { continue };
            let of = Some(application.clone());
            tries.push(Regrouping::new(points, true, of, &parameters).from_first_value());
            known.push((application, point));
        }
        let query = regroup::recent(store, from, to, RECENT)?;
        regroup::run(store, &mut tries, &query, MAX_TRIAL_WAIT, is_cancelled)?;
        Ok(known.into_iter().zip(tries.into_iter().map(Regrouping::finish)).collect())
    });
    match tried.await {
        Ok(tried) => Ok(Some(tried)),
        // Another trial is running, or the store is unavailable: the page shows the rest.
        Err(error) if error.status.is_server_error() => Ok(None),
        Err(error) => Err(error),
    }
}

/// A trial that was started from the page.
pub(super) async fn one(
    state: &AppState,
    application: &str,
    point: &str,
    (from, to): (u64, u64),
) -> Result<Regrouped, AppError> {
    let keys = regroup::points(&[point.to_owned()]).map_err(AppError::bad_request)?;
    let query = ReplayQuery { from, to, with_rules: false };
    let of = Some(application.to_owned());
    // As beside the suggestion: its point may have been exported only recently.
    let trial =
        move |known: &[Parameter]| Regrouping::new(keys, true, of, known).from_first_value();
    try_keys(state, trial, query).await
}

/// Sessions before and after, beside a suggestion.
pub(super) fn change(
    viewer: &Viewer,
    key: &KeyFigures,
    tried: Option<&Tried>,
    times: &[(&str, &str)],
) -> Markup {
    let Some(tried) = tried else {
        return html! { span.quiet { "Something else is being tried: load the page again" } };
    };
    let Some(found) = tried.get(&(key.application.clone(), key.name.clone())) else {
        return html! { span.quiet { "Not tried: there are many suggestions" } };
    };
    if found.requests == 0 {
        return html! { span.quiet { "Not in the newest " (number(RECENT)) " requests of all applications. If no record carries it, add this point to the parameters to see what it would change" } };
    }
    let query = [&[("application", &*key.application), ("try", &*key.name)], times].concat();
    html! {
        strong { (number(found.sessions_before)) " → " (number(found.sessions_after)) }
        br; span.quiet { "of the newest " (number(found.requests)) " requests; " (number(found.unchanged)) " stay as they are. " }
        a href=(address(&viewer.link("/keys"), &query)) { "Try on all" }
    }
}

/// What a key would change, with examples.
pub(super) fn result(viewer: &Viewer, point: &str, found: &Regrouped) -> Markup {
    let session = |id: &str| {
        html! { a href=(viewer.link(&format!("/sessions/{}", encoded(id)))) { code { (short(id, 12)) } } }
    };
    html! {
        section aria-live="polite" {
            h2 { "If " code { (short(point, 100)) } " were a key" }
            p { "Of " (number(found.requests)) " stored requests, " @for used in &found.keys { (number(used.requests)) " carry it. " }
                strong { "Sessions " (number(found.sessions_before)) " → " (number(found.sessions_after)) }
                ", " (number(found.unchanged)) " of them as they are." }
            @for text in &found.incomplete { p.notice { (short(text, 400)) } }
            @if !found.split.is_empty() {
                h3 { "Sessions that would be several" }
                ul { @for one in &found.split { li { (session(&one.session)) " would be " (number(one.count)) " (" (number(one.requests)) " requests)" } } }
            }
            @if !found.merged.is_empty() {
                h3 { "Sessions that would be one" }
                ul { @for one in &found.merged { li {
                    (number(one.count)) " (" (number(one.requests)) " requests): "
                    @for id in &one.sessions { (session(id)) " " }
                    @if one.count > one.sessions.len() as u64 { "…" }
                } } }
            }
        }
    }
}
