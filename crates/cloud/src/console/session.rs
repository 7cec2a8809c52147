//! One session: its figures, and its requests in order.

use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::html::{page, time};
use super::viewer;
use crate::api::query::RawQuery;
use crate::error::AppError;
use crate::state::AppState;
use crate::store::{SessionDetail, StoredRequest};

/// Values of one kind that are shown; the API gives them all.
const SHOWN: usize = 8;

pub(super) async fn open(
    State(state): State<AppState>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(raw): Query<RawQuery>,
) -> Result<Markup, Response> {
    viewer(&state, &headers).await?;
    let query = raw.requests(id.clone()).map_err(IntoResponse::into_response)?;
    let (detail, requests) = state
        .read(move |store| Ok((store.session(&query.session)?, store.requests(&query)?)))
        .await
        .map_err(IntoResponse::into_response)?;
    let Some(detail) = detail else {
        return Err(AppError::not_found("there is no such session").into_response());
    };
    let summary = &detail.summary;
    Ok(page(
        "Session",
        &html! {
            h1 { "Session " code { (summary.session) } }
            p {
                (time(summary.first_ts)) " to " (time(summary.last_ts)) " UTC, "
                (summary.requests) " requests, " (summary.attacks) " attacks, " (summary.denied) " denied. "
                "Identified by " code { (summary.key) } " (" (summary.source) "). "
                @if let Some(user) = &summary.user { "User " strong { (user) } ". " }
                @if let Some(role) = &summary.role { "Role " strong { (role) } ". " }
                a href={ "/v1/sessions/" (summary.session) "/requests.csv" } { "Download CSV" }
            }
            (figures(&detail))
            h2 { "Requests" }
            (table(&requests.items))
            @if let Some(next) = &requests.next {
                p { a rel="next" href={ "/sessions/" (summary.session) "?cursor=" (next) } { "Next page" } }
            }
        },
    ))
}

fn figures(detail: &SessionDetail) -> Markup {
    html! {
        div.facts { @for (kind, values) in &detail.by { @if !values.is_empty() {
            section {
                h2 { (kind) }
                table { tbody { @for value in values.iter().take(SHOWN) { tr {
                    td { (value.value) }
                    td.number { (value.count) }
                    td.number.quiet { (format!("{:.0} %", value.share * 100.0)) }
                } } } }
                @if values.len() > SHOWN { p.quiet { "+" (values.len() - SHOWN) " more" } }
            }
        } } }
    }
}

fn table(requests: &[StoredRequest]) -> Markup {
    html! {
        div.scroll { table {
            thead { tr {
                th { "Time (UTC)" } th { "Method" } th { "Host" } th { "Path" } th.number { "Status" }
                th.number { "ms" } th.number { "Bytes" } th { "IP" } th { "Parameters" } th { "Attacks" }
            } }
            tbody { @for request in requests { @let record = &request.record; tr {
                td.time { (time(record.ts)) }
                td { (record.method) }
                td { (record.host.as_deref().unwrap_or_default()) }
                td { (record.path) }
                td.number.bad[record.status >= 400] { (record.status) }
                td.number { (record.time_ms) }
                td.number { (record.response_bytes) }
                td { (record.ip) }
                td { @for param in &record.params { div {
                    (param.name) ": "
                    @if param.hashed { code.quiet title="keyed hash" { (param.value) } } @else { (param.value) }
                } } }
                td.bad { (record.attacks.join(", ")) @if record.denied { " denied" } }
            } } }
        } }
    }
}
