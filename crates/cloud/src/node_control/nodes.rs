//! `GET /v1/nodes`

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::error::AppError;
use crate::extractors::{Nothing, Query};
use crate::node_control::registry::Node;
use crate::state::AppState;

/// Nodes that sync.
#[derive(Debug, Serialize)]
pub struct NodeList {
    /// Version of the sync document that nodes should have.
    version: String,
    nodes: Vec<Node>,
}

/// All of them.
pub async fn list(
    State(state): State<AppState>,
    _: Query<Nothing>,
) -> Result<Json<NodeList>, AppError> {
    let version = state.read(|store| store.version()).await?;
    Ok(Json(NodeList { version, nodes: state.nodes.all() }))
}
