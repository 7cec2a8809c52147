//! Points with names: session keys and context parameters.

use api_sessions_protocol::ParamType;

use crate::{Point, PointSource};

/// How a session key's value leaves the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyExport {
    /// As a keyed hash: a session identifier is a live credential.
    #[default]
    Hashed,
    /// In clear text.
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

/// A parameter that the operator wants in each record (`context_param`).
#[derive(Debug, Clone)]
pub struct ContextParam {
    /// Where the value is.
    pub point: Point,
    /// Its label.
    pub name: String,
    /// What it means.
    pub kind: ParamType,
    /// It leaves the node only as a keyed hash.
    pub hash: bool,
}

/// Moves a pattern in front of a wider one with the same beginning (`oc_*` before `o*`), after which it could never
/// match. The longest literal prefix decides, as in NGINX's locations. All other keys stay in the order in which they
/// were written.
pub fn longest_pattern_first(keys: &mut [SessionKey]) {
    for at in 1..keys.len() {
        let wider = |other: &SessionKey| {
            keys.get(at).is_some_and(|key| is_narrower(key.point.source(), other.point.source()))
        };
        if let Some(to) = keys.iter().take(at).position(wider)
            && let Some(part) = keys.get_mut(to..=at)
        {
            part.rotate_right(1);
        }
    }
}

/// Whether both are patterns of one kind, and `other` matches all that `one` matches.
fn is_narrower(one: &PointSource, other: &PointSource) -> bool {
    match (one, other) {
        (PointSource::CookieLike(one), PointSource::CookieLike(other))
        | (PointSource::HeaderLike(one), PointSource::HeaderLike(other)) => {
            one.len() > other.len() && one.starts_with(other)
        }
        _ => false,
    }
}
