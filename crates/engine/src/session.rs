//! Which session a request belongs to (contract §3): the operator's keys in their order, the built-in
//! set, source IP and `User-Agent`, source IP alone.

pub mod builtin;
mod hash;
mod id;
mod ip;
mod memo;
mod resolve;

pub use hash::{Hasher, Namespace, ParameterHash};
pub use id::{BadSessionId, SessionId, hex};
pub use memo::IdMemo;
pub use resolve::{FoundBy, Keys, Resolution, Stage, resolve, resolve_with};

use crate::point::Point;

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
