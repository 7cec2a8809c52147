//! One request: all its values, and the full content of a malicious one as text.

mod evidence;

use api_sessions_protocol::{FullRequest, Param, ParamType, Record, RuleHit};
use axum::extract::State;
use maud::{Markup, html};

use self::evidence::Marks;
use super::Viewer;
use super::html::{encoded, number, page, short, size, visible};
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::Path;
use api_sessions_cloud_api::state::AppState;
use api_sessions_store::clock::rfc3339_ms;

/// `GET /requests/{id}`
pub async fn open(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
) -> Result<Markup, AppError> {
    let found = state.read(move |store| store.request(&id)).await?;
    let Some(request) = found else {
        return Err(AppError::not_found("no such request"));
    };
    let record = &request.record;
    let outlier = state.baseline.outlier(record, &request.endpoint);
    let of = |kind: fn(ParamType) -> bool| -> Vec<&Param<'_>> {
        record.params.iter().filter(|param| kind(param.kind)).collect()
    };
    Ok(page(
        "Request",
        "/",
        &viewer,
        &html! {
            p { a href=(viewer.link(&format!("/sessions/{}", encoded(&record.session)))) { "← Session " code { (record.session) } } }
            article data-request-detail {
            h1 { (visible(&record.method)) " " (visible(&record.path)) }
            @if !record.attacks.is_empty() {
                p { @for attack in &record.attacks { span.badge.bad { (visible(attack)) } " " } }
            }
            (evidence::list(&record.evidence))
            dl.facts {
                div { dt { "Time (UTC)" } dd { time datetime=(rfc3339_ms(record.ts)) data-exact { (rfc3339_ms(record.ts).trim_end_matches('Z').replace('T', " ")) } } }
                div { dt { "Response code" } dd.bad[record.status >= 400] { (record.status) } }
                div { dt { "Response time" } dd { (record.time_ms) " ms"
                    @if let Some(upstream) = record.upstream_ms { span.quiet { " (upstream " (upstream) " ms)" } }
                    @if let Some(typical) = outlier.time_ms { span.bad { " ▲ typical: " (typical) " ms" } } } }
                div { dt { "Sizes" } dd { (size(record.request_bytes)) " in, " (size(record.response_bytes)) " out"
                    @if let Some(typical) = outlier.response_bytes { span.bad { " ▲ typical: " (size(typical)) } } } }
                div { dt { "Action" } dd { @if record.denied { span.badge.bad { "denied" } } @else { "passed" } } }
                (text("Host", record.host.as_deref()))
                (text("IP", Some(&record.ip)))
                (text("Country", record.country.as_deref()))
                (text("Network (AS)", record.asn.as_deref()))
                (text("Organisation", record.organisation.as_deref()))
                (long("User-Agent", record.ua.as_deref()))
                (text("Application", record.app.as_deref()))
                (text("User", record.user.as_deref()))
                (text("Role", record.role.as_deref()))
                (text("Protocol", record.proto.as_deref()))
                (text("Scheme", record.scheme.as_deref()))
                (text("JA4", record.ja4.as_deref()))
                (text("JA4, stable form", record.ja4_stable.as_deref()))
                (text("Endpoint", Some(&request.endpoint)))
                (text("Node", Some(&record.node)))
                (text("Request id", Some(&record.id)))
            }
            (rules(&record.rules, &viewer))
            (parameters("Session parameters", &of(|kind| kind == ParamType::Session), record))
            (parameters("Context parameters", &of(|kind| kind != ParamType::Session), record))
            @if let Some(full) = &record.request { (content(full, &Marks::new(&record.evidence))) }
            }
        },
    ))
}

fn text(name: &str, value: Option<&str>) -> Markup {
    html! { @if let Some(value) = value { div { dt { (name) } dd { (visible(value)) } } } }
}

/// Renders a value that is often long.
fn long(name: &str, value: Option<&str>) -> Markup {
    html! { @if let Some(value) = value { div.wide { dt { (name) } dd { (visible(value)) } } } }
}

/// Rules that fired with the request or refused it.
fn rules(hits: &[RuleHit<'_>], viewer: &Viewer) -> Markup {
    html! {
        @if !hits.is_empty() {
            h2 { "Rules" }
            div.scroll tabindex="0" role="region" aria-label="Rules" { table {
                thead { tr { th { "Rule" } th.number { "Count" } th { "Reactions" } th { "In force" } } }
                tbody { @for hit in hits { tr {
                    td { a href=(viewer.link(&format!("/rules?rule={}#sessions", encoded(&hit.name)))) { (short(&hit.name, 64)) } }
                    td.number { @if hit.count == 0 { span.quiet { "refused by the denylist" } } @else { (number(hit.count)) } }
                    td { code { (short(&hit.then, 100)) } }
                    td { @if hit.enforced { "yes" } @else { span.quiet { "no" } } }
                } } }
            } }
        }
    }
}

fn parameters(heading: &str, params: &[&Param<'_>], record: &Record<'_>) -> Markup {
    html! {
        @if !params.is_empty() {
            h2 { (heading) }
            div.scroll tabindex="0" role="region" aria-label=(heading) { table {
                thead { tr { th { "Name" } th { "Value" } th { "Type" } } }
                tbody { @for param in params { tr {
                    td { (visible(&param.name)) @if param.name == record.key { span.quiet { " identified the session" } } }
                    td { @if param.hashed { code.quiet { (param.value) } " " span.badge { "hashed" } } @else { span.text { (visible(&param.value)) } }
                        @if param.truncated { " " span.badge { "truncated" } } }
                    td { (kind(param.kind)) }
                } } }
            } }
        }
    }
}

fn kind(kind: ParamType) -> &'static str {
    match kind {
        ParamType::Session => "session",
        ParamType::Context => "context",
        ParamType::User => "user",
        ParamType::Role => "role",
    }
}

fn content(full: &FullRequest<'_>, marks: &Marks<'_>) -> Markup {
    html! {
        h2 { "Full content" }
        p.quiet {
            "As the client sent it, but for what is secret: " code { "[hash:…]" } " is the same for equal values, "
            code { "[hidden]" } " is not shown at all."
            @if let Some(reason) = full.hidden.as_deref() { " " (why_hidden(reason)) }
            @if full.truncated { " Truncated at a limit." }
        }
        pre.content tabindex="0" {
            (marks.show(&full.line)) "\n"
            @for (name, value) in &full.headers { (visible(name)) ": " (marks.show(value)) "\n" }
            @if let Some(body) = &full.body { "\n" (marks.show(body)) }
            @if let Some(body) = &full.body_base64 { "\n" span.quiet { "(binary, base64)" } "\n" (visible(body)) }
        }
    }
}

/// The reason why a body is not shown, in words.
fn why_hidden(reason: &str) -> String {
    match reason {
        "unparsed" => "What could not be read as what it says or begins as is hidden as a whole: secrets could not \
                       be cut out of it."
            .into(),
        "whole" => "The body is hidden: the secrets in it could not be cut out one by one.".into(),
        other => format!("The body is hidden ({}).", visible(other)),
    }
}
