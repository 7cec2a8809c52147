//! The list of sessions. Filters live in the URL, so every view is a link.

use std::time::Duration;

use ahash::AHashSet;
use axum::extract::State;
use maud::{Markup, html};

use super::fields::Refused;
use super::html::{duration, encoded, incomplete, moment, number, page, short, visible};
use super::{Viewer, activity_chart, facets, filters, links, traffic};
use api_sessions_cloud_api::aggregate;
use api_sessions_cloud_api::api::query::RawQuery;
use api_sessions_cloud_api::extractors::Query;
use api_sessions_cloud_api::scored::{self, ListedSession, SessionList};
use api_sessions_cloud_api::state::AppState;
use api_sessions_store::SessionSummary;
use api_sessions_store::clock::now_ms;

/// Sortable columns: name in the URL, label.
const SORTS: [(&str, &str); 4] =
    [("score", "Score"), ("requests", "Requests"), ("attacks", "Attacks"), ("denied", "Denied")];
/// Default period of the chart, milliseconds.
const CHART_MS: u64 = 86_400_000;

/// Longest time that the page waits for scores.
const SCORE_WAIT: Duration = Duration::from_millis(200);

/// `GET /`: the sessions that match the filters.
pub async fn list(
    State(state): State<AppState>,
    viewer: Viewer,
    Query(raw): Query<RawQuery>,
) -> Result<Markup, Refused> {
    filters::check("Sessions", "/", &viewer, &raw)?;
    let filter = raw.filter()?;
    let now = now_ms();
    let to = filter.to.unwrap_or(now);
    let from = filter.from.unwrap_or_else(|| to.saturating_sub(CHART_MS));
    let found = scored::list(&state, &raw, SCORE_WAIT).await?;
    let shown: Vec<String> = found.sessions.iter().map(|one| one.summary.session.clone()).collect();
    let (traffic, denylist, alike) = state
        .list(move |store| {
            let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
            let denied = store.denied(&shown, now)?;
            let alike = aggregate::matching(store, filter.clone())?;
            Ok((traffic::read(store, &filter, &alike, (from, to))?, denied, alike))
        })
        .await?;
    let denied: AHashSet<String> = denylist.into_iter().map(|entry| entry.session).collect();
    let list = viewer.link("/");
    let is_filtered = !filters::parts(&raw).is_empty() || !raw.cursor.is_empty();
    if found.sessions.is_empty() && found.incomplete.is_empty() && !is_filtered {
        return Ok(page("First start", "/", &viewer, &first_start(&state, &viewer)));
    }
    Ok(page(
        "Sessions",
        "/",
        &viewer,
        &html! {
            div.title {
                h1 {
                    @if found.total_is_lower_bound { "More than 10,000" } @else { (found.total) }
                    @if found.total == 1 { " session" } @else { " sessions" }
                }
                button.plain data-refresh="10" hidden { "Refreshing" }
            }
            (views())
            (filters::form(&list, &raw, &Vec::new()))
            div data-live { (activity_chart::draw(&traffic, (from, to), &list, &raw)) }
            (filters::chips(&list, &raw))
            div.beside {
                (facets::draw(&list, &raw, &aggregate::facets(&alike.sessions), alike.sessions.len() as u64 == alike.total))
                section data-live data-tail {
                    (incomplete(&found.incomplete))
                    (notes(&found))
                    @if found.sessions.is_empty() { p.notice { "No session matches." } }
                    @else { (table(&viewer, &found.sessions, &raw, &denied)) }
                    nav.pages aria-label="Pages" {
                        @if !raw.cursor.is_empty() { a href=(filters::address(&list, &filters::parts(&raw))) { "First page" } }
                        @if let Some(next) = &found.next {
                            @let parts = [&filters::parts(&raw)[..], &[("cursor", next)]].concat();
                            a rel="next" href=(filters::address(&list, &parts)) { "Next page" }
                        }
                        @if !found.sessions.is_empty() { (csv(&viewer, &raw)) }
                    }
                }
            }
        },
    ))
}

/// This page of the list as CSV.
fn csv(viewer: &Viewer, raw: &RawQuery) -> Markup {
    let cursor = Some(("cursor", raw.cursor.as_str())).filter(|_| !raw.cursor.is_empty());
    let parts: Vec<_> = filters::parts(raw).into_iter().chain(cursor).collect();
    html! { a href=(filters::address(&viewer.link("/v1/sessions.csv"), &parts)) { "This page as CSV" } }
}

/// What the scores of a list are of.
fn notes(found: &SessionList) -> Markup {
    html! {
        @if let Some(ranked) = found.ranked {
            p.quiet { "By score: the first " (found.sessions.len()) " of the " (ranked) " most recently active sessions that match"
                @if found.total_is_lower_bound || found.total > ranked { ", which are not all" } "." }
        }
        @if let Some(pending) = found.pending {
            p.quiet { "The scores of " (pending) @if pending == 1 { " session" } @else { " sessions" } " are still being measured." }
        }
    }
}

/// A score, marked from 50 on.
fn score(score: Option<u64>) -> Markup {
    html! {
        @match score {
            Some(score) => span.bad[score >= 50] { (score) },
            None => span.quiet title="Too few sessions to say what is normal, or not measured yet" { "–" },
        }
    }
}

/// Saved views, which the script stores in the browser.
fn views() -> Markup {
    html! {
        nav.views aria-label="Saved views" data-views hidden {
            ul {}
            details { summary { "Save this view" }
                form.filters { label { "Name" input maxlength="60" required; } button { "Save" } }
            }
        }
    }
}

fn table(
    viewer: &Viewer,
    sessions: &[ListedSession],
    raw: &RawQuery,
    denied: &AHashSet<String>,
) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label="Sessions" { table.cards {
            thead { tr {
                th { (sort_link(viewer, raw, "last_ts", "Last seen (UTC)")) ", " (sort_link(viewer, raw, "duration", "lasted")) }
                th { "Session" } th { "Status" } th { "User and role" }
                @for (sort, name) in SORTS { th.number { (sort_link(viewer, raw, sort, name)) } }
                th { "Endpoints" } th.wrap { "IP, host, application" }
            } }
            tbody { @for ListedSession { summary: session, score: value } in sessions { tr data-key=(session.session) {
                td.time { (moment(session.last_ts)) br; span.quiet { (duration(session.last_ts.saturating_sub(session.first_ts))) } }
                td.half { (link(viewer, session)) br; span.quiet { (short(&session.key, 40)) } }
                td.half { (status(session, denied)) }
                td.half { @if let Some(name) = &session.user { a href=(links::user(viewer, name)) title="This user" { (short(name, 60)) } }
                    br;
                    @if session.users.len() > 1 { span.quiet title=(short(&session.users.join(", "), 300)) { "+" (session.users.len() - 1) " more" } br; }
                    span.quiet { (short(session.role.as_deref().unwrap_or_default(), 40)) } }
                td.number data-label="Score" { (score(*value)) }
                td.number data-label="Requests" { (number(session.requests)) }
                td.number.bad[session.attacks > 0] data-label="Attacks" title=(session.attack_types.join(", ")) { (number(session.attacks)) }
                td.number.bad[session.denied > 0] data-label="Denied" { (number(session.denied)) }
                td.endpoints {
                    @for endpoint in &session.endpoints { div { code { (short(&endpoint.value, 40)) } " " span.quiet { (number(endpoint.count)) } } }
                    @let more = session.endpoint_count.saturating_sub(session.endpoints.len() as u64);
                    @if more > 0 { span.quiet { "+" (more) " more" } }
                }
                td.where { (first_of(&session.ips)) @if let Some(country) = session.countries.first() { " " span.badge title=(session.organisations.join(", ")) { (visible(country)) } } br; span.quiet { (first_of(&session.hosts)) br; (first_of(&session.applications)) } }
            } } }
        } }
    }
}

/// The first digits of a session's id, as a link to its page.
pub(super) fn link(viewer: &Viewer, session: &SessionSummary) -> Markup {
    let id = &session.session;
    html! { a.nowrap href=(viewer.link(&format!("/sessions/{}", encoded(id)))) { code { (id.get(..12).unwrap_or(id)) "…" } } }
}

/// The first value and the number of others.
pub(super) fn first_of(values: &[String]) -> Markup {
    html! {
        @if let Some(first) = values.first() { (short(first, 45)) }
        @if values.len() > 1 { span.quiet { " +" (values.len() - 1) " more" } }
    }
}

/// Badge: denied, was denied, or active.
pub(super) fn status(session: &SessionSummary, denied: &AHashSet<String>) -> Markup {
    html! {
        @if denied.contains(&session.session) { span.badge.bad { "denied" } }
        @else if session.denied > 0 { span.badge { "was denied" } }
        @else { span.badge.good { "active" } }
    }
}

fn sort_link(viewer: &Viewer, raw: &RawQuery, sort: &'static str, name: &str) -> Markup {
    let current = if raw.sort.is_empty() { "-last_ts" } else { raw.sort.as_str() };
    let is_down = current == format!("-{sort}") || (current == sort && raw.order != "asc");
    let is_up = current == sort && raw.order == "asc";
    let plain = RawQuery { order: String::new(), ..raw.clone() };
    let address = if is_down {
        let up = RawQuery { sort: sort.to_owned(), ..plain };
        filters::with(&viewer.link("/"), &up, "order", "asc")
    } else {
        filters::with(&viewer.link("/"), &plain, "sort", &format!("-{sort}"))
    };
    html! { a.sort href=(address) { (name) @if is_down { " ↓" } @else if is_up { " ↑" } } }
}

/// Instructions for connecting a node, shown while there are no sessions.
fn first_start(state: &AppState, viewer: &Viewer) -> Markup {
    let url = short(&viewer.site.url(""), 300);
    // Only an admin may see the token.
    let token = viewer.is_admin.then(|| state.ingest_token()).flatten();
    html! {
        h1 { "No sessions yet" }
        p { "The cloud is ready. Three steps connect a node:" }
        ol {
            li { "Store the ingest token in a file that only root can read:"
                pre { code data-copy { "install -m 600 /dev/null /etc/nginx/api-sessions.token\n"
                    "echo " (token.as_deref().unwrap_or("TOKEN")) " > /etc/nginx/api-sessions.token" } }
                @if token.is_none() { p.quiet { "The token is in the file " code { "ingest.token" } " of the data directory; "
                    code { "api-sessions-cloud token create --role ingest" } " creates another." } } }
            li { "Add to nginx.conf:"
                pre { code data-copy {
                    "load_module modules/ngx_http_api_sessions_module.so;   # at the top of the file\n\n"
                    "http {\n"
                    "    api_sessions on;\n"
                    "    api_sessions_export " (url) " token_file=/etc/nginx/api-sessions.token sync=on\n"
                    "        spool=/var/lib/nginx/api-sessions;\n"
                    "    api_sessions_detect on;\n"
                    "    api_sessions_deny on;\n"
                    "    …\n"
                    "}" } } }
            li { code { "nginx -t && nginx -s reload" } ", then send a request. This page shows its session." }
        }
        p data-refresh-page="5" {}
    }
}
