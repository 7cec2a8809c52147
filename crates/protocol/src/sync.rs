//! What the cloud returns to the nodes.

use serde::{Deserialize, Serialize};

use crate::{DenyEntry, SessionRule};

/// The settings of all nodes, always complete.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncDocument {
    /// Opaque; the node sends it as `version` with its next poll.
    pub version: String,
    /// Denied sessions.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub denylist: Vec<DenyEntry>,
    /// Keys and context parameters, which take precedence over those of nginx.conf.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub parameters: ParameterSet,
    /// Rules over sessions, after those of nginx.conf.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub rules: Vec<SessionRule>,
    /// Sessions whose denials by rules of nodes were removed within the last day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lifted: Vec<Lifted>,
    /// Addresses whose denials by rules of nodes were removed within the last day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lifted_addresses: Vec<LiftedAddress>,
    /// Demoted keys of the built-in set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demoted: Vec<DemotedKey>,
    /// Links that nodes have reported since the poll's `links`, oldest first. A node that asks for
    /// them and has `version` gets only these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<FreshLink>,
    /// What the node sends as `links` with its next poll; absent without links.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links_to: Option<u64>,
}

/// The id that a node computes for a value that another node's session was issued.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FreshLink {
    /// The id: 32 lower-case hex digits.
    pub alias: String,
    /// The session; absent: it belongs to nobody from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// A built-in key that nodes do not use for an application, since it groups wrongly.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DemotedKey {
    /// The application; empty: requests that have none.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub application: String,
    /// Name in the built-in set.
    pub key: String,
    /// `shared` or `volatile`.
    pub verdict: String,
    /// Start of the window since which the verdict stands, milliseconds since 1970.
    pub since: u64,
}

/// A session whose denials by rules of nodes were removed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lifted {
    /// Session id: 32 lower-case hex digits.
    pub session: String,
    /// Only denials that began before this time end, milliseconds since 1970.
    pub ts: u64,
}

/// An address whose denials by rules of nodes were removed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LiftedAddress {
    /// An IPv4 address, or the /64 of an IPv6 one: `2001:db8::/64`.
    pub address: String,
    /// Only denials that began before this time end, milliseconds since 1970.
    pub ts: u64,
}

/// Keys and context parameters managed in the cloud.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ParameterSet {
    /// In order of priority.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(required = true))]
    pub parameters: Vec<Parameter>,
}

/// One key or context parameter.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parameter {
    /// Point that reads the value. Points with NGINX variables are not allowed here.
    pub point: String,
    /// Label; by default the point.
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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

/// What a node reports about the last document, in the headers of its next poll.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SyncReport {
    /// Version in force on the node.
    pub version: String,
    /// The reason why the newest document was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
