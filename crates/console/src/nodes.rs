//! Nodes: their state and the settings that they apply.

use axum::extract::State;
use maud::{Markup, html};
use serde_json::Value;

use super::Viewer;
use super::html::{duration, moment, page, short, size};
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::node_control::registry::Node;
use api_sessions_cloud_api::state::AppState;
use api_sessions_store::clock::now_ms;

/// Maximum time between two polls of a healthy node, milliseconds.
const AWAY_MS: u64 = 60_000;

/// Counters shown as columns: heading, name, and how the value is written.
const COLUMNS: [Column; 4] = [
    ("Queue", "queue_bytes", size),
    ("Spool", "spool_bytes", size),
    ("Dropped", "records_dropped_total", number),
    ("Sessions", "sessions_in_use", number),
];

type Column = (&'static str, &'static str, fn(u64) -> String);

/// Counters that stay 0 on a node whose zones are large enough, and what is lost.
const LOSSES: [(&str, &str); 5] = [
    ("evicted_live_total", "sessions in use evicted: enlarge api_sessions_zone"),
    ("links_evicted_live_total", "links in use evicted: enlarge api_sessions_links"),
    ("rule_counts_evicted_total", "counts of rules evicted: enlarge api_sessions_rules_zone"),
    ("rule_denials_unwritten_total", "denials by rules not journaled at once"),
    ("key_facts_lost_total", "windows of key facts lost"),
];

fn number(value: u64) -> String {
    value.to_string()
}

/// `GET /nodes`
pub async fn list(State(state): State<AppState>, viewer: Viewer) -> Result<Markup, AppError> {
    let version = state.denied().await?.version.clone();
    let nodes = state.nodes.all();
    Ok(page(
        "Nodes",
        "/nodes",
        &viewer,
        &html! {
            div.title { h1 { "Nodes" } button.plain data-refresh="10" hidden { "Refreshing" } }
            div data-live {
                @if nodes.is_empty() {
                    p.notice { "No node has polled yet. Nodes with " code { "sync=on" } " in "
                        code { "api_sessions_export" } " appear here." }
                } @else { (table(&nodes, &version)) }
            }
        },
    ))
}

/// Nodes and the settings that each applies.
pub(super) fn table(nodes: &[Node], version: &str) -> Markup {
    let now = now_ms();
    html! {
        div.scroll tabindex="0" role="region" aria-label="Nodes" { table.cards {
            thead { tr {
                th { "Node" } th { "Last seen (UTC)" } th { "Module" } th { "Settings" } th.number { "Records/s" }
                @for (heading, ..) in COLUMNS { th.number { (heading) } }
            } }
            tbody { @for node in nodes { tr {
                @let counter = |name: &str| node.counters.get(name).and_then(Value::as_u64);
                @let silent = now.saturating_sub(node.last_seen);
                td.whole { (short(&node.node, 80))
                    @for (name, text) in LOSSES { @if let Some(lost @ 1..) = counter(name) {
                        br; span.badge.bad { (lost) " " (text) }
                    } } }
                td.time data-label="Last seen" { (moment(node.last_seen)) @if silent > AWAY_MS { br; span.badge.bad { "silent for " (duration(silent)) } } }
                td.half data-label="Module" { (short(node.module.as_deref().unwrap_or("–"), 40)) }
                td.whole { @if let Some(error) = &node.error { span.badge.bad { "rejected" } " " (short(error, 300)) }
                    @else if node.version == version { span.badge.good { "up to date" } }
                    @else { span.badge { "pending" } } }
                td.number data-label="Records/s" { (node.rate.map_or("–".to_owned(), |rate| format!("{rate:.1}"))) }
                @for (heading, name, write) in COLUMNS {
                    @let is_bad = name == "records_dropped_total" && counter(name).is_some_and(|n| n > 0);
                    td.number.bad[is_bad] data-label=(heading) { (counter(name).map_or("–".to_owned(), write)) }
                }
            } } }
        } }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_node_that_lost_something_shows_what_to_enlarge() {
        let node = |counters: Value| Node {
            node: "edge-1".to_owned(),
            counters: counters.as_object().unwrap().clone(),
            ..Node::default()
        };
        let counters = json!({ "queue_bytes": 2048, "records_dropped_total": 3, "links_evicted_live_total": 7 });
        let text = table(&[node(counters)], "").into_string();
        assert!(text.contains("7 links in use evicted: enlarge api_sessions_links"), "{text}");
        assert!(
            text.contains("<td class=\"number bad\" data-label=\"Dropped\">3</td>")
                && text.contains("2048 B"),
            "{text}"
        );
        let healthy = json!({ "records_dropped_total": 0, "links_evicted_live_total": 0 });
        assert!(!table(&[node(healthy)], "").into_string().contains("bad\">0"));
    }
}
