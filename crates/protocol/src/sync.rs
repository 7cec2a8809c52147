//! What the cloud hands back to the nodes.

use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/sync`: all of it, each time; `304` where nothing changed since `version`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncDocument {
    /// Opaque to the node: given back as `?version=` with the next poll.
    pub version: String,
    /// Sessions to be denied.
    #[serde(default)]
    pub denylist: Vec<DenyEntry>,
    /// Keys and context parameters that come before those of nginx.conf.
    #[serde(default)]
    pub parameters: ParameterSet,
}

/// One denied session. Also the body of `POST /v1/denylist` and of `api_sessions_control`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DenyEntry {
    /// Session id: 32 lower-case hex digits.
    pub session: String,
    /// Milliseconds since 1970 at which it was added.
    #[serde(default)]
    pub since: u64,
    /// Milliseconds since 1970 at which it ends; absent: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Applications it counts for; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applications: Vec<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who added it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Keys and context parameters managed in the Console (`GET`/`PUT /v1/parameters`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ParameterSet {
    /// In order of priority.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
}

/// One key or context parameter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parameter {
    /// Where the value is (contract §2). NGINX variables are not accepted from the cloud.
    pub point: String,
    /// Label; the point where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Meaning as a context parameter: `context`, `user` or `role`.
    #[serde(default, rename = "type")]
    pub kind: crate::ParamType,
    /// Group sessions by this key.
    #[serde(default)]
    pub group: bool,
    /// How its value leaves the node.
    #[serde(default)]
    pub export: ParameterExport,
}

/// How a value leaves the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParameterExport {
    /// As a keyed hash.
    #[default]
    Hashed,
    /// In clear.
    Plain,
    /// Not at all.
    Off,
}

/// What a node says of the document it last took, in the headers of its next poll.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncReport {
    /// Version in force on the node.
    pub version: String,
    /// Why the newest document was not taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
