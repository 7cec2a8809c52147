//! Points with a name: session keys and context parameters.

use api_sessions_protocol::ParamType;

use crate::Point;

/// How a session key's value leaves the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyExport {
    /// As a keyed hash: a session identifier is a live credential.
    #[default]
    Hashed,
    /// In clear.
    Plain,
    /// Not at all.
    Off,
}

/// One of the operator's keys (`session_key`).
#[derive(Debug, Clone)]
pub struct SessionKey {
    /// Where the value is.
    pub point: Point,
    /// Its label.
    pub name: String,
    /// How the value leaves the node.
    pub export: KeyExport,
}

/// A parameter that the operator wants to see with each request (`context_param`).
#[derive(Debug, Clone)]
pub struct ContextParam {
    /// Where the value is.
    pub point: Point,
    /// Its label.
    pub name: String,
    /// What it means.
    pub kind: ParamType,
    /// It leaves the node as a keyed hash alone.
    pub hash: bool,
}
