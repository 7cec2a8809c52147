//! The denylist, now and in the past.

use ahash::AHashMap;
use api_sessions_cloud_api::limits::MAX_PAGE_ITEMS;
use api_sessions_protocol::DenyEntry;
use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::Viewer;
use super::fields::{self, Mistakes, Refused, field};
use super::filters::address;
use super::html::{encoded, moment, page, short};
use crate::limits::MAX_DENYLIST_CHANGES;
use api_sessions_cloud_api::api::denylist::remove_entry;
use api_sessions_cloud_api::api::query::time;
use api_sessions_cloud_api::api::rules::denials::{self, Denied, RuleDenial};
use api_sessions_cloud_api::api::users::DenyUser;
use api_sessions_cloud_api::auth::Identity;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::extractors::{Form, Query};
use api_sessions_cloud_api::state::AppState;
use api_sessions_protocol::DenyOrder;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{DenyChange, HistoryQuery, Store, StoreError};

/// Durations to choose from: label and seconds; without seconds it is permanent.
const DURATIONS: [(&str, &str); 6] = [
    ("1 hour", "3600"),
    ("1 day", "86400"),
    ("7 days", "604800"),
    ("30 days", "2592000"),
    ("1 year", "31536000"),
    ("permanently", ""),
];

/// Rows per page.
const PER_PAGE: usize = 500;

/// A period in which a session or an address was denied.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Period {
    /// The id, or the address.
    session: String,
    is_address: bool,
    since: u64,
    until: Option<u64>,
    by: String,
    removed_by: Option<String>,
    reason: String,
    applications: Vec<String>,
}

/// Which part of the history is shown, and which page of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PeriodQuery {
    from: String,
    to: String,
    page: String,
}

/// `GET /denylist`: what is denied, and who changed what.
pub async fn list(
    State(state): State<AppState>,
    viewer: Viewer,
    Query(query): Query<PeriodQuery>,
) -> Result<Markup, Refused> {
    let list = viewer.link("/denylist");
    let mistakes = fields::period(&query.from, &query.to);
    fields::check(&mistakes, "Denylist", "/denylist", &viewer, || {
        period_form(&list, &query, &mistakes)
    })?;
    let (from, to) = (time("from", &query.from)?, time("to", &query.to)?);
    let at: usize = query.page.parse().unwrap_or(1).max(1);
    let is_now = from.is_none() && to.is_none();
    let (periods, is_all) = state
        .read(move |store| match is_now {
            true => Ok((denied_now(store)?, true)),
            false => denied_between(store, from.unwrap_or(0), to.unwrap_or(u64::MAX)),
        })
        .await?;
    let shown = periods.get((at - 1).saturating_mul(PER_PAGE)..).unwrap_or_default();
    let shown = shown.get(..PER_PAGE).unwrap_or(shown);
    let other = |page: usize| {
        let page = page.to_string();
        address(&list, &[("from", &query.from), ("to", &query.to), ("page", &page)])
    };
    Ok(page(
        "Denylist",
        "/denylist",
        &viewer,
        &html! {
            h1 { "Denylist" }
            (period_form(&list, &query, &mistakes))
            @if periods.is_empty() { p.notice { @if is_now { "Nobody is denied." } @else { "Nobody was denied in this period." } } }
            @else {
                p.quiet { (periods.len()) @if periods.len() == 1 { " entry" } @else { " entries" } @if !is_all { "; older ones are not searched" } }
                (table(shown, &viewer, is_now))
                nav.pages aria-label="Pages" {
                    @if at > 1 { a href=(other(at - 1)) { "Previous page" } }
                    @if periods.len() > at.saturating_mul(PER_PAGE) { a rel="next" href=(other(at + 1)) { "Next page" } }
                }
            }
            @if viewer.is_admin {
                h2 { "Deny a session" }
                (form(&viewer, ""))
            }
        },
    ))
}

/// The form that chooses a past period.
fn period_form(list: &str, query: &PeriodQuery, mistakes: &Mistakes) -> Markup {
    let is_now = query.from.is_empty() && query.to.is_empty();
    html! {
        form.filters method="get" action=(list) {
            (field("Denied from (UTC)", "from", &query.from, Some("now"), mistakes))
            (field("to (UTC)", "to", &query.to, Some("2026-11-23T10:00:00Z"), mistakes))
            button { "Show" }
            @if !is_now { a href=(list) { "Now" } }
        }
    }
}

/// Who is denied now: sessions by the cloud, sessions and addresses by rules on nodes.
fn denied_now(store: &dyn Store) -> Result<Vec<Period>, StoreError> {
    let period = |entry: DenyEntry| Period {
        session: entry.session,
        is_address: false,
        since: entry.since,
        until: entry.until,
        by: entry.by.unwrap_or_default(),
        removed_by: None,
        reason: entry.reason.unwrap_or_default(),
        applications: entry.applications,
    };
    let by_rule = |denial: RuleDenial| Period {
        is_address: matches!(denial.denied, Denied::Address(_)),
        session: denial.denied.as_str().to_owned(),
        since: denial.since,
        until: Some(denial.until),
        by: "a node".to_owned(),
        removed_by: None,
        reason: format!("rule {}", denial.rule),
        applications: Vec::new(),
    };
    let now = now_ms();
    let mut all: Vec<Period> = store.denylist(now)?.into_iter().map(period).collect();
    all.extend(denials::all(store, now)?.into_iter().map(by_rule));
    all.sort_by_key(|period| std::cmp::Reverse(period.since));
    Ok(all)
}

/// Periods that overlap with an interval, and whether the whole history was read.
fn denied_between(
    store: &dyn Store,
    from: u64,
    to: u64,
) -> Result<(Vec<Period>, bool), StoreError> {
    let mut query = HistoryQuery { limit: MAX_PAGE_ITEMS, ..HistoryQuery::default() };
    let mut history = Vec::new();
    loop {
        let page = store.deny_history(&query)?;
        history.extend(page.items);
        query.cursor = page.next;
        if query.cursor.is_none() || history.len() >= MAX_DENYLIST_CHANGES {
            break;
        }
    }
    let mut periods = periods(history);
    periods.retain(|period| period.since <= to && period.until.is_none_or(|until| until > from));
    Ok((periods, query.cursor.is_none()))
}

/// Parses an optional time.
fn table(periods: &[Period], viewer: &Viewer, is_now: bool) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Denied sessions" { table.cards {
            thead { tr { th { "Session or address" } th { "Since (UTC)" } th { "Until (UTC)" } th { "By" } th { "Reason" } th { "Applications" } @if viewer.is_admin && is_now { th { "Action" } } } }
            tbody { @for period in periods { tr {
                td.whole { @if period.is_address { "Address " code { (short(&period.session, 64)) } }
                    @else { a href=(viewer.link(&format!("/sessions/{}", encoded(&period.session)))) { code { (short(&period.session, 64)) } } } }
                td.time data-label="Since" { (moment(period.since)) }
                td.time data-label="Until" { @match period.until { Some(until) => (moment(until)), None => "permanent" }
                    @if let Some(by) = &period.removed_by { br; span.quiet { "removed by " (short(by, 60)) } } }
                td.half data-label="By" { (short(&period.by, 60)) }
                td.whole { (short(&period.reason, 200)) }
                td.half data-label="Applications" { @if period.applications.is_empty() { "all" } @else { (short(&period.applications.join(", "), 120)) } }
                @if viewer.is_admin && is_now { td.whole { form method="post" action=(viewer.link("/denylist/remove")) {
                    input type="hidden" name="session" value=(period.session);
                    button.plain aria-label=(format!("Remove {}", period.session)) { "Remove" }
                } } }
            } } }
        } }
    }
}

/// The form that denies a session.
pub(super) fn form(viewer: &Viewer, session: &str) -> Markup {
    let hidden = [("session", session)];
    let hidden = if session.is_empty() { &[][..] } else { &hidden[..] };
    fields(&viewer.link("/denylist"), hidden, "Deny")
}

/// A form that asks how long, where and why to deny; without hidden values, it asks for a session too.
pub(super) fn fields(action: &str, hidden: &[(&str, &str)], button: &str) -> Markup {
    html! {
        form.filters method="post" action=(action) {
            @if hidden.is_empty() { label.wide { "Session id" input name="session" required pattern="[0-9a-f]{32}" title="32 hexadecimal digits"; } }
            @for (name, value) in hidden { input type="hidden" name=(name) value=(value); }
            label { "Duration" select name="seconds" { @for (name, seconds) in DURATIONS { option value=(seconds) { (name) } } } }
            label { "Applications (empty: all)" input name="applications" placeholder="shop, blog"; }
            label.wide { "Reason" input name="reason" maxlength="256"; }
            button.danger { (button) }
        }
    }
}

/// A session to deny.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DenyForm {
    session: String,
    #[serde(flatten)]
    how: DenyTerms,
}

/// DenyTerms long, where and why to deny.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DenyTerms {
    seconds: String,
    applications: String,
    reason: String,
}

impl DenyTerms {
    pub(super) fn read(&self) -> Result<DenyUser, AppError> {
        let seconds = match self.seconds.trim() {
            "" => None,
            text => {
                let wrong = |_| AppError::bad_request("seconds: a number is expected");
                Some(text.parse().map_err(wrong)?)
            }
        };
        let applications = self.applications.split(',').map(|name| name.trim().to_owned());
        Ok(DenyUser {
            seconds,
            applications: applications.filter(|name| !name.is_empty()).collect(),
            reason: Some(self.reason.trim().to_owned()).filter(|reason| !reason.is_empty()),
        })
    }
}

/// `POST /denylist`
pub async fn add(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    Form(form): Form<DenyForm>,
) -> Result<Redirect, AppError> {
    let DenyUser { seconds, applications, reason } = form.how.read()?;
    let session = form.session.trim().to_owned();
    let order = DenyOrder { session, seconds, applications, reason };
    let entry = order.entry(&identity.name, now_ms())?;
    let back = format!("/sessions/{}", entry.session);
    let session = entry.session.clone();
    state.change(move |store| store.deny(&entry)).await?;
    tracing::info!(%session, by = %identity.name, "session denied");
    // The denial succeeded even if a damaged day hides whether the session is known.
    let known = state.read(move |store| store.session(&session)).await;
    Ok(Redirect::to(if matches!(known, Ok(Some(_))) { &back } else { "/denylist" }))
}

/// An entry to remove.
#[derive(Debug, Deserialize)]
pub struct RemoveForm {
    session: String,
    /// `session` returns to the page of the session, anything else to the list.
    #[serde(default)]
    back: String,
}

/// `POST /denylist/remove`
pub async fn remove(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    Form(form): Form<RemoveForm>,
) -> Result<Redirect, AppError> {
    let (session, back) = match form.back.as_str() {
        "session" => (form.session.clone(), format!("/sessions/{}", encoded(&form.session))),
        _ => (form.session, "/denylist".to_owned()),
    };
    remove_entry(&state, session, identity).await?;
    Ok(Redirect::to(&back))
}

/// Turns a history, newest first, into the periods in which sessions were denied, newest first.
fn periods(history: Vec<DenyChange>) -> Vec<Period> {
    let mut all: Vec<Period> = Vec::new();
    let mut open: AHashMap<String, usize> = AHashMap::new();
    // A lift concerns nodes' own entries.
    for change in history.into_iter().rev().filter(|change| change.action != "lift") {
        let entry = change.entry;
        // A new entry and a removal both end the previous period.
        if let Some(before) = open.remove(&entry.session).and_then(|at| all.get_mut(at))
            && before.until.is_none_or(|until| until > change.ts)
        {
            before.until = Some(change.ts);
            if change.action == "remove" {
                before.removed_by = Some(change.by.clone());
            }
        }
        if change.action == "add" {
            open.insert(entry.session.clone(), all.len());
            all.push(Period {
                session: entry.session,
                is_address: false,
                since: change.ts,
                until: entry.until,
                by: change.by,
                removed_by: None,
                reason: entry.reason.unwrap_or_default(),
                applications: entry.applications,
            });
        }
    }
    all.reverse();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(ts: u64, action: &str, until: Option<u64>) -> DenyChange {
        let entry = DenyEntry { session: "s".into(), until, ..DenyEntry::default() };
        DenyChange { ts, action: action.into(), by: "me".into(), entry }
    }

    #[test]
    fn periods_end_by_time_by_removal_and_by_the_next_entry() {
        let history = vec![
            change(40, "add", None),
            change(30, "add", Some(35)),
            change(20, "remove", None),
            change(10, "add", Some(100)),
        ];
        let all: Vec<_> = periods(history)
            .into_iter()
            .map(|p| (p.since, p.until, p.removed_by.is_some()))
            .collect();
        assert_eq!(all, [(40, None, false), (30, Some(35), false), (10, Some(20), true)]);
    }
}
