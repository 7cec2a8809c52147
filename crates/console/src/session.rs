//! One session: statistics, and its requests in order.

use ahash::AHashSet;
use api_sessions_cloud_api::limits::MAX_PAGE_ITEMS;
use api_sessions_protocol::DenyEntry;
use api_sessions_protocol::SessionId;
use axum::extract::State;
use maud::{Markup, html};

use super::changes::{self as marked, Marks};
use super::html::{
    duration, encoded, incomplete, moment, number, page, short, size, time, visible,
};
use super::{
    Viewer, facts as unusual, filters, identity, keys, links, sequence, sessions, timeline,
};
use api_sessions_cloud_api::api::query::RawQuery;
use api_sessions_cloud_api::api::rules::denials::{self, Denied, RuleDenial};
use api_sessions_cloud_api::changes;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::{Path, Query};
use api_sessions_cloud_api::state::AppState;
use api_sessions_cloud_keys::why::Why;
use api_sessions_session_facts::measure;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{RequestQuery, SessionDetail, StoredRequest};

/// Number of addresses shown among the facts.
const ADDRESSES: usize = 3;
/// Number of values shown per kind; the API returns all.
const SHOWN: usize = 8;
/// Kinds of values: name in the API, name of the filter, heading.
const KINDS: [(&str, &str, &str); 13] = [
    ("attack", "attack", "Attacks"),
    ("ip", "ip", "IPs"),
    ("country", "country", "Countries"),
    ("asn", "asn", "Networks (AS)"),
    ("organisation", "organisation", "Organisations"),
    ("ja4", "ja4", "JA4"),
    ("ja4_stable", "ja4", "JA4, stable form"),
    ("method", "method", "Methods"),
    ("status", "status", "Response codes"),
    ("user", "user", "Users"),
    ("host", "host", "Hosts"),
    ("application", "application", "Applications"),
    ("endpoint", "endpoint", "Endpoints"),
];

/// `GET /sessions/{id}`: one session and its requests.
pub async fn open(
    State(state): State<AppState>,
    viewer: Viewer,
    Path(id): Path<String>,
    Query(raw): Query<RawQuery>,
) -> Result<Markup, AppError> {
    let query = raw.requests(id.clone())?;
    let (detail, known, requests, shown, (denied, by_rule), (changes, why, measured)) = state
        .read(move |store| {
            let now = now_ms();
            let known = store.identity(&query.session)?;
            let query = RequestQuery { session: known.session.clone(), ..query };
            let whole = RequestQuery { limit: MAX_PAGE_ITEMS, cursor: None, ..query.clone() };
            let denied = (
                store.denied(&[query.session.as_str()], now)?.pop(),
                denials::of_session(store, &query.session, now)?,
            );
            let requests = store.requests(&query)?;
            let detail = store.session(&query.session)?;
            let changes = changes::find(store, &query.session)?;
            let aliases = known.identifiers.len();
            let why = detail.as_ref().map(|it| Why::of(store, &it.summary, aliases)).transpose()?;
            let last = detail.as_ref().map_or(0, |detail| detail.summary.last_ts);
            let told = (changes, why, measure(store, &query.session, last)?);
            Ok((detail, known, requests, store.requests(&whole)?, denied, told))
        })
        .await?;
    let Some(detail) = detail else {
        return Err(AppError::not_found("no such session"));
    };
    let summary = &detail.summary;
    let normal = unusual::normal(&state, summary).await?;
    let path = format!("/sessions/{}", encoded(&summary.session));
    let csv = viewer.link(&format!("/v1{path}/requests.csv"));
    let path = viewer.link(&path);
    let filtered = filters::parts(&raw);
    let marks = Marks::new(&changes);
    Ok(page(
        "Session",
        "/",
        &viewer,
        &html! {
            h1 { "Session " code data-copy { (summary.session) } }
            (incomplete(&detail.incomplete))
            (facts(&viewer, &detail, denied.as_ref()))
            @if let Some(why) = &why { (keys::why(why)) }
            (identity::section(&viewer, &known))
            (actions(&viewer, &summary.session, denied.as_ref(), &by_rule))
            (timeline::draw(&viewer, &shown.items, &marks))
            @if shown.next.is_some() { p.quiet { "The chart shows the first " (shown.items.len()) " requests." } }
            (sequence::draw(&viewer, &shown.items))
            (unusual::section(summary, &measured, normal.as_deref()))
            (marked::section(&viewer, &changes))
            div.split {
                aside aria-label="Statistics" { (figures(&detail, &path, &raw)) }
                section {
                    h2 { "Requests" }
                    (filters::chips(&path, &raw))
                    p { a href=(filters::address(&csv, &filtered)) { "CSV" } }
                    p.quiet.keys data-keys hidden { kbd { "j" } " " kbd { "k" } " move, " kbd { "Enter" } " opens, " kbd { "Esc" } " closes" }
                    (table(&state, &viewer, &requests.items, &marks))
                    nav.pages aria-label="Pages" {
                        @if !raw.cursor.is_empty() { a href=(filters::address(&path, &filtered)) { "First page" } }
                        @if let Some(next) = &requests.next {
                            @let parts = [&filtered[..], &[("cursor", next)]].concat();
                            a rel="next" href=(filters::address(&path, &parts)) { "Next page" }
                        }
                    }
                }
            }
        },
    ))
}

fn facts(viewer: &Viewer, detail: &SessionDetail, denied: Option<&DenyEntry>) -> Markup {
    let summary = &detail.summary;
    let now: AHashSet<String> = denied.map(|entry| entry.session.clone()).into_iter().collect();
    html! {
        dl.facts {
            div { dt { "Status" } dd { (sessions::status(summary, &now)) } }
            div { dt { "First and last seen (UTC)" } dd { (moment(summary.first_ts)) br; (moment(summary.last_ts)) } }
            div { dt { "Lasted" } dd { (duration(summary.last_ts.saturating_sub(summary.first_ts))) } }
            div { dt { "Requests" } dd { (number(summary.requests)) } }
            div { dt { "Attacks" } dd.bad[summary.attacks > 0] { (number(summary.attacks)) } }
            div { dt { "Denied" } dd.bad[summary.denied > 0] { (number(summary.denied)) } }
            div { dt { "User" } dd { @match &summary.user { Some(name) => a href=(links::user(viewer, name)) title="All sessions of this user" { (visible(name)) }, None => "–" } } }
            div { dt { "Role" } dd { (visible(summary.role.as_deref().unwrap_or("–"))) } }
            div { dt { "Addresses" } dd { @for ip in summary.ips.iter().take(ADDRESSES) { div { a href=(filters::address(&viewer.link("/"), &[("ip", ip)])) title="All sessions of this address" { (short(ip, 45)) } } }
                @if summary.ips.len() > ADDRESSES { span.quiet { "+" (summary.ips.len() - ADDRESSES) " more" } } } }
            div { dt { "Identified by" } dd { code { (visible(&summary.key)) } " " span.quiet { (source_label(&summary.source)) } } }
            @if detail.parts.len() > 1 {
                div { dt { "Days" } dd { @for part in &detail.parts { div { (part.day) ": " (part.requests) " requests, " (part.attacks) " attacks" } } } }
            }
        }
    }
}

fn source_label(source: &str) -> &str {
    match source {
        "key" => "a configured session key",
        "builtin" => "the built-in set",
        "link" => "a value that a response issued",
        "client" => "the built-in set (a client rather than a user)",
        "ip_ua" => "IP and User-Agent",
        "ip_ua_ja4" => "IP, User-Agent and JA4",
        _ => "IP only",
    }
}

/// The session's denylist entry, and the actions of an admin.
fn actions(
    viewer: &Viewer,
    session: &str,
    denied: Option<&DenyEntry>,
    by_rule: &[RuleDenial],
) -> Markup {
    html! {
        @if let Some(entry) = denied {
            p.notice.bad {
                "Denied since " (time(entry.since)) " UTC"
                @match entry.until { Some(until) => { " until " (time(until)) " UTC" } None => { ", permanently" } }
                @if !entry.applications.is_empty() { " for " (short(&entry.applications.join(", "), 200)) }
                @if let Some(by) = &entry.by { ", by " (short(by, 80)) }
                @if let Some(reason) = &entry.reason { ": " (short(reason, 300)) }
            }
        }
        @for denial in by_rule {
            p.notice.bad {
                @if let Denied::Address(address) = &denial.denied { "Its address " code { (short(address, 64)) } " is denied by rule " }
                @else { "Denied by rule " }
                a href=(viewer.link(&format!("/rules?rule={}#sessions", encoded(&denial.rule)))) { (short(&denial.rule, 64)) }
                " since " (time(denial.since)) " UTC until " (time(denial.until)) " UTC, on the node where it fired"
            }
            @if let (Denied::Address(address), true) = (&denial.denied, viewer.is_admin) {
                form.inline method="post" action=(viewer.link("/denylist/remove")) {
                    input type="hidden" name="session" value=(address);
                    button.plain { "Let " (short(address, 64)) " in again" }
                }
            }
        }
        @if viewer.is_admin {
            @if denied.is_some() || by_rule.iter().any(|one| matches!(one.denied, Denied::Session(_))) {
                form.inline method="post" action=(viewer.link("/denylist/remove")) {
                    input type="hidden" name="session" value=(session);
                    input type="hidden" name="back" value="session";
                    button.plain { "Remove from the denylist" }
                }
            } @else if session.parse::<SessionId>().is_err() {
                p.quiet { "This session cannot be denied: its id is not 32 hexadecimal digits." }
            } @else {
                details.deny { summary { "Deny this session" }
                    (super::denylist::form(viewer, session))
                }
            }
        }
    }
}

fn figures(detail: &SessionDetail, path: &str, raw: &RawQuery) -> Markup {
    html! {
        @for (kind, filter, heading) in KINDS {
            @let values = detail.by.get(kind).map(Vec::as_slice).unwrap_or_default();
            @if !values.is_empty() {
                h2 { (heading) }
                table.figures { tbody { @for value in values.iter().take(SHOWN) { tr {
                    td { a href=(filters::with(path, raw, filter, &value.value)) { (short(&value.value, 60)) } }
                    td.number { (number(value.count)) }
                    td.number.quiet { (format!("{:.0} %", value.share * 100.0)) }
                } } } }
                @if values.len() > SHOWN { p.quiet { "+" (values.len() - SHOWN) " more" } }
            }
        }
    }
}

fn table(
    state: &AppState,
    viewer: &Viewer,
    requests: &[StoredRequest],
    marks: &Marks<'_>,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Requests" data-requests { table.cards {
            thead { tr {
                th { "Time (UTC)" } th { "Request" } th.number { "Code" } th.number { "Time" } th.number { "Size" } th { "Attacks" }
            } }
            tbody { @for request in requests { @let record = &request.record;
                @let outlier = state.baseline.outlier(record, &request.endpoint); tr {
                td.time { (moment(record.ts)) }
                td.whole { a data-request href=(viewer.link(&format!("/requests/{}", encoded(&record.id)))) { (short(&record.method, 20)) " " (short(&record.path, 120)) }
                    @if let Some(host) = &record.host { br; span.quiet { (short(host, 60)) } }
                    (marks.show(&record.id)) }
                td.number.bad[record.status >= 400] data-label="Code" { (record.status) }
                td.number.bad[outlier.time_ms.is_some()] data-label="Time" title=[outlier.time_ms.map(|typical| format!("typical here: {typical} ms"))] {
                    (record.time_ms) " ms" @if outlier.time_ms.is_some() { " ▲" } }
                td.number.bad[outlier.response_bytes.is_some()] data-label="Size" title=[outlier.response_bytes.map(|typical| format!("typical here: {}", size(typical)))] {
                    (size(record.response_bytes)) @if outlier.response_bytes.is_some() { " ▲" } }
                td.half.bad data-label="Attacks" { (record.attacks.join(", ")) @if record.denied { " denied" } }
            } } }
        } }
        @if requests.is_empty() { p.notice { "No request matches." } }
    }
}
