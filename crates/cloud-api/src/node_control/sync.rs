//! `GET /v1/sync`: denylist, parameters and rules for a node, as soon as they change.

use std::sync::Arc;
use std::time::Duration;

use api_sessions_protocol::{Lifted, LiftedAddress, SessionId, SyncDocument};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::error::AppError;
use crate::extractors::Query;
use crate::limits::{MAX_NODE_NAME_BYTES, MAX_SYNC_WAIT_SECONDS};
use crate::node_control::denials::Denied;
use crate::state::AppState;
use api_sessions_store::clock::now_ms;

/// Default wait for a change, seconds; below the 30 s after which some proxies time out.
pub const DEFAULT_WAIT: u64 = 25;

/// Age up to which ended denials are sent, for nodes that were offline, milliseconds: a day.
const LIFTED: u64 = 86_400_000;

/// Interval at which the store is checked for changes by other processes.
const RECHECK: Duration = Duration::from_secs(1);

/// Delay after a new link, so that one response carries several.
const GATHER: Duration = Duration::from_millis(100);

/// Query string of a poll.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Poll {
    /// Name of the node.
    #[serde(default)]
    node: String,
    /// Version of the document that the node applies.
    #[serde(default)]
    version: String,
    /// Seconds to wait for a change.
    #[param(minimum = 0, maximum = 60, default = 25)]
    wait: Option<u64>,
    /// `links_to` of the last response, or 0 at first, to receive `links` too. If only links are new, the response has
    /// just these and the node's `version`.
    links: Option<u64>,
}

/// Denylist, parameters and rules for a node, once they differ from `version`, and links that other nodes have
/// reported.
///
/// A long poll: without a change it answers 304 after `wait` seconds.
#[utoipa::path(
    get,
    path = "/v1/sync",
    params(Poll),
    responses(
        (status = 200, description = "The current document.", body = SyncDocument),
        (status = 304, description = "No change.")
    )
)]
pub async fn poll(
    State(state): State<AppState>,
    Query(poll): Query<Poll>,
    headers: HeaderMap,
) -> Result<Response, AppError> {
    if poll.node.len() > MAX_NODE_NAME_BYTES || poll.version.len() > MAX_NODE_NAME_BYTES {
        return Err(AppError::bad_request(format!(
            "node and version are limited to {MAX_NODE_NAME_BYTES} bytes"
        )));
    }
    if !poll.node.is_empty() {
        state.nodes.seen(&poll.node, &poll.version, &headers, now_ms());
    }
    let mut changed = state.changed.subscribe();
    let mut linked = state.linked.subscribe();
    let mut stopping = state.stopping.subscribe();
    let wait = Duration::from_secs(poll.wait.unwrap_or(DEFAULT_WAIT).min(MAX_SYNC_WAIT_SECONDS));
    let end = tokio::time::Instant::now() + wait;
    loop {
        let current = state.denied().await?;
        if current.version != poll.version {
            return document(&state, current, poll.links).await;
        }
        if let Some(after) = poll.links {
            let (links, links_to) = state.fresh_links.since(after);
            if !links.is_empty() {
                let (version, links_to) = (poll.version, Some(links_to));
                let document = SyncDocument { version, links, links_to, ..SyncDocument::default() };
                return Ok(Json(document).into_response());
            }
        }
        let is_linked = tokio::select! {
            _ = changed.changed() => false,
            _ = linked.changed(), if poll.links.is_some() => true,
            () = tokio::time::sleep(RECHECK) => false,
            () = tokio::time::sleep_until(end) => return Ok(StatusCode::NOT_MODIFIED.into_response()),
            _ = stopping.wait_for(|stopping| *stopping) => {
                return Ok(StatusCode::NOT_MODIFIED.into_response());
            }
        };
        if is_linked {
            tokio::time::sleep(GATHER).await;
        }
    }
}

async fn document(
    state: &AppState,
    denied: Arc<Denied>,
    after: Option<u64>,
) -> Result<Response, AppError> {
    let (links, links_to) = after.map(|after| state.fresh_links.since(after)).unzip();
    let links = links.unwrap_or_default();
    let document = state
        .read(move |store| {
            // Version and denylist are read before the rest, so the next poll delivers a change made in between.
            let (lifted, addresses): (Vec<_>, Vec<_>) = store
                .lifted(now_ms().saturating_sub(LIFTED))?
                .into_iter()
                .partition(|one| one.session.parse::<SessionId>().is_ok());
            let of_address = |one: Lifted| LiftedAddress { address: one.session, ts: one.ts };
            Ok(SyncDocument {
                version: denied.version.clone(),
                denylist: denied.entries.clone(),
                parameters: store.parameters()?,
                rules: store.rules()?,
                demoted: store.key_decisions()?.demoted,
                lifted,
                lifted_addresses: addresses.into_iter().map(of_address).collect(),
                links,
                links_to,
            })
        })
        .await?;
    Ok(Json(document).into_response())
}
