//! Nodes that sync. Kept in memory: after a restart of the cloud every node polls again at once.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::limits::{MAX_NODES, MAX_REPORT_BYTES};

/// The last report of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Node {
    /// Name.
    pub node: String,
    /// Time of its last poll, milliseconds since 1970.
    pub last_seen: u64,
    /// Version of the sync document that it applies.
    pub version: String,
    /// Version of the module.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Why it rejected the current document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Counters.
    #[schema(value_type = Object)]
    pub counters: Map<String, Value>,
    /// Records per second sent between its last two polls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

impl Node {
    /// The rate since an earlier report; the earlier rate if less than a second has passed or the counter was reset.
    fn rate_since(&self, before: &Node) -> Option<f64> {
        let sent = |node: &Node| node.counters.get("records_sent_total").and_then(Value::as_u64);
        let ms = self.last_seen.saturating_sub(before.last_seen);
        match (sent(self), sent(before)) {
            (Some(now), Some(then)) if ms >= 1000 && now >= then => {
                Some((now - then) as f64 * 1000.0 / ms as f64)
            }
            _ => before.rate,
        }
    }
}

/// All known nodes.
#[derive(Debug, Default)]
pub struct NodeRegistry(Mutex<BTreeMap<String, Node>>);

impl NodeRegistry {
    /// Records the poll of a node.
    pub fn seen(&self, name: &str, version: &str, headers: &HeaderMap, now: u64) {
        let text = |header: &str| {
            let value = headers.get(header)?.as_bytes();
            let value = value.get(..value.len().min(MAX_REPORT_BYTES))?;
            Some(String::from_utf8_lossy(value).into_owned()).filter(|value| !value.is_empty())
        };
        let counters = text(api_sessions_protocol::SYNC_COUNTERS)
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let node = Node {
            node: name.to_owned(),
            last_seen: now,
            version: version.to_owned(),
            module: text(api_sessions_protocol::SYNC_MODULE),
            error: text(api_sessions_protocol::SYNC_ERROR),
            counters,
            rate: None,
        };
        let mut nodes = self.0.lock();
        let node = match nodes.get(name) {
            Some(before) => Node { rate: node.rate_since(before), ..node },
            None => node,
        };
        if nodes.len() >= MAX_NODES && !nodes.contains_key(name) {
            let oldest = nodes.values().min_by_key(|node| node.last_seen);
            if let Some(oldest) = oldest.map(|node| node.node.clone()) {
                nodes.remove(&oldest);
            }
        }
        nodes.insert(name.to_owned(), node);
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether no node has polled.
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }

    /// All nodes, by name.
    pub fn all(&self) -> Vec<Node> {
        self.0.lock().values().cloned().collect()
    }
}
