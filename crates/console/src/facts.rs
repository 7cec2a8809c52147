//! What is unusual about a session: its facts beside the normal values, and its score.

use std::sync::Arc;
use std::time::Duration;

use api_sessions_session_facts::{Fact, FactRow, Facts, Measured, Normal, Unit};
use api_sessions_store::SessionSummary;
use api_sessions_store::clock::now_ms;
use maud::{Markup, html};

use super::html::{abbreviated, duration, short, size};
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::state::AppState;

/// Maximum time that a page waits for the normal values.
const WAIT: Duration = Duration::from_secs(1);

/// Normal values of a session's application; `None`: they are still being computed. Outdated values are returned once
/// more while they are computed again.
pub(super) async fn normal(
    state: &AppState,
    summary: &SessionSummary,
) -> Result<Option<Arc<Normal>>, AppError> {
    let (application, now) = (summary.applications.first().cloned(), now_ms());
    let remembered = state.normals.remembered(application.as_deref(), now);
    if let Some((normal, true)) = remembered {
        return Ok(Some(normal));
    }
    let reader = state.clone();
    let counted = tokio::spawn(async move {
        let state = reader.clone();
        let count =
            reader.read(move |store| state.normals.get(store, application.as_deref(), now, WAIT));
        count.await
    });
    if let Some((outdated, _)) = remembered {
        return Ok(Some(outdated));
    }
    match tokio::time::timeout(WAIT, counted).await {
        Ok(Ok(normal)) => normal,
        Ok(Err(error)) => Err(AppError::unavailable(error.to_string())),
        Err(_) => Ok(None),
    }
}

/// The table of facts, with the score above it.
pub(super) fn section(
    summary: &SessionSummary,
    measured: &Measured,
    normal: Option<&Normal>,
) -> Markup {
    let is_counted = normal.is_some();
    let nothing = Normal::default();
    let application = summary.applications.first().cloned();
    let normal = normal.unwrap_or(&nothing);
    let now = now_ms();
    let facts = Facts::of(application, measured, normal, summary.last_ts, now);
    let rows: Vec<&FactRow> =
        facts.facts.iter().filter(|row| row.value.is_some() || row.normal.is_some()).collect();
    html! {
        section.unusual aria-labelledby="unusual" {
            h2 #unusual { "What is unusual" }
            @if let Some(score) = facts.score {
                p.score {
                    strong.bad[score.value >= 50] { (score.value) } span.quiet { " of 100" }
                    meter min="0" max="100" value=(score.value) aria-label="Score" {}
                    span.quiet { (reasons(&facts)) @if score.value != score.when_active {
                        "; " (score.when_active) " when active, quiet for " (duration(now.saturating_sub(summary.last_ts)))
                    } }
                }
            } @else if is_counted {
                p.quiet { "Not enough sessions to say what is normal: " (facts.sessions) " of 200 in the last seven days." }
            } @else {
                p.quiet { "What is normal is being counted. Reload the page in a moment." }
            }
            div.scroll tabindex="0" role="region" aria-label="Facts" { table.values {
                thead { tr { th { "Last day of the session" } th.number { "Value" } th.number title="Median, and what 99 % of sessions are not above" { "Median, p99" } th.number { "×" } th.number { "Points" } } }
                tbody { @for row in rows { tr {
                    td { (label(row.fact)) }
                    td.number.bad[row.points > 0] { @match row.value { Some(value) => (shown(row.unit, value)), None => "–" } }
                    td.number.quiet { @match row.normal { Some(normal) => { (shown(row.unit, normal.median)) ", " (shown(row.unit, normal.p99)) } None => "–" } }
                    td.number { @match row.times { Some(times) => (factor(times)), None => "–" } }
                    td.number { @if row.points > 0 { "+" (row.points) } @else { "–" } }
                } } }
            } }
            p.quiet { "The newest " (facts.requests) " requests of its last 24 hours"
                @if facts.score.is_some() { ", beside " (facts.sessions) " sessions of the last seven days" @match &facts.application { Some(name) => { " of " (short(name, 60)) } None => {} } }
                ". The score halves with each quiet day and denies nobody." }
        }
    }
}

/// The facts that contribute most to the score.
fn reasons(facts: &Facts) -> String {
    let mut rows: Vec<&FactRow> = facts.facts.iter().filter(|row| row.points > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.points));
    let names: Vec<String> =
        rows.iter().take(3).map(|row| label(row.fact).to_lowercase()).collect();
    match names.as_slice() {
        [] => "nothing is beyond 99 % of sessions".to_owned(),
        names => format!("beyond 99 % of sessions: {}", names.join(", ")),
    }
}

fn label(fact: Fact) -> &'static str {
    match fact {
        Fact::PeakPerMinute => "Requests a minute at peak",
        Fact::Endpoints => "Endpoints",
        Fact::IdsAtOneEndpoint => "Ids at one endpoint",
        Fact::ClientErrors => "Answered 4xx",
        Fact::Refused => "Answered 401 or 403",
        Fact::LoginFailures => "Login failures",
        Fact::BytesOut => "Sent to the client",
        Fact::Regularity => "Regularity of gaps",
        Fact::Networks => "Networks",
        Fact::UserAgents => "User-Agents",
        Fact::Users => "Users",
        Fact::RareEndpoints => "At rare endpoints",
    }
}

fn shown(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Count => abbreviated(value as u64),
        Unit::Bytes => size(value as u64),
        Unit::Share => format!("{:.0} %", value * 100.0),
    }
}

/// The ratio to the median.
fn factor(times: f64) -> String {
    if times < 10.0 { format!("{times:.1}") } else { abbreviated(times as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short() {
        assert_eq!(shown(Unit::Share, 0.256), "26 %");
        assert_eq!([shown(Unit::Count, 12.0), shown(Unit::Bytes, 12_345.0)], ["12", "12 kB"]);
        assert_eq!([0.5, 9.96, 10.0, 2500.0].map(factor), ["0.5", "10.0", "10", "2.5k"]);
    }
}
