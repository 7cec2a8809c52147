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
        div.scroll tabindex="0" role="region" aria-label="Nodes" { table {
            thead { tr { th { "Node" } th { "Last seen (UTC)" } th { "Module" } th { "Settings" } th.number { "Records/s" } th.number { "Queue" } th.number { "Spool" } th.number { "Dropped" } th.number { "Sessions" } } }
            tbody { @for node in nodes { tr {
                @let number = |name: &str| node.counters.get(name).and_then(Value::as_u64);
                @let silent = now.saturating_sub(node.last_seen);
                td { (short(&node.node, 80)) }
                td.time { (moment(node.last_seen)) @if silent > AWAY_MS { br; span.badge.bad { "silent for " (duration(silent)) } } }
                td { (short(node.module.as_deref().unwrap_or("–"), 40)) }
                td { @if let Some(error) = &node.error { span.badge.bad { "rejected" } " " (short(error, 300)) }
                    @else if node.version == version { span.badge.good { "up to date" } }
                    @else { span.badge { "pending" } } }
                td.number { (node.rate.map_or("–".to_owned(), |rate| format!("{rate:.1}"))) }
                td.number { (number("queue_bytes").map_or("–".to_owned(), size)) }
                td.number { (number("spool_bytes").map_or("–".to_owned(), size)) }
                td.number.bad[number("records_dropped_total").is_some_and(|n| n > 0)] { (number("records_dropped_total").map_or("–".to_owned(), |n| n.to_string())) }
                td.number { (number("sessions_in_use").map_or("–".to_owned(), |n| n.to_string())) }
            } } }
        } }
    }
}
