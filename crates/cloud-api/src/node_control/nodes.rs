//! `GET /v1/nodes`

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::AppError;
use crate::extractors::{NoQuery, Query};
use crate::node_control::registry::Node;
use crate::state::AppState;

/// Nodes that have synced since the cloud started.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeList {
    /// Current version of the sync document.
    version: String,
    /// Nodes by name.
    nodes: Vec<Node>,
}

/// Nodes that have synced since the cloud started.
#[utoipa::path(
    get,
    path = "/v1/nodes",
    responses((status = 200, description = "The nodes.", body = NodeList))
)]
pub async fn list(
    State(state): State<AppState>,
    _: Query<NoQuery>,
) -> Result<Json<NodeList>, AppError> {
    let version = state.denied().await?.version.clone();
    Ok(Json(NodeList { version, nodes: state.nodes.all() }))
}
