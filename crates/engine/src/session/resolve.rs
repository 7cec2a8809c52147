//! The order in which keys are tried.

use api_sessions_wire::Source;

use super::builtin::{self, Entry};
use super::hash::{Hasher, Namespace};
use super::id::SessionId;
use super::{SessionKey, ip};
use crate::point::{Exchange, Scratch, Side};

/// The keys that apply to a request.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'k> {
    /// The operator's, in order of priority.
    pub own: &'k [SessionKey],
    /// Whether the built-in set follows.
    pub builtin: bool,
}

/// How much of the exchange is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The request's line and headers, and its body where it was read before.
    Access,
    /// All of it: the session is settled.
    Log,
}

/// The session of a request.
#[derive(Debug, Clone, Copy)]
pub struct Resolution<'k> {
    /// Its id.
    pub id: SessionId,
    /// Which kind of key identified it.
    pub source: Source,
    /// Label of the key.
    pub label: &'k str,
    /// Place among the operator's keys, if it was one of them.
    pub own: Option<usize>,
    /// The entry of the built-in set, if it was one.
    pub builtin: Option<&'static Entry>,
    /// The key was in the response: the application vouches for the session.
    pub from_response: bool,
}

/// Tries the operator's keys in their order, then the built-in set, then IP and `User-Agent`, then IP.
///
/// `found` is overwritten with the value that identified the session; `scratch` is only worked in.
pub fn resolve<'k, X: Exchange + ?Sized>(
    keys: Keys<'k>,
    exchange: &X,
    stage: Stage,
    hasher: &Hasher,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> Resolution<'k> {
    let id = |namespace, value: &[u8]| hasher.session_id(namespace, value);
    resolve_with(keys, exchange, stage, id, scratch, found)
}

/// As [`resolve`], with ids from `id`.
pub fn resolve_with<'k, X: Exchange + ?Sized>(
    keys: Keys<'k>,
    exchange: &X,
    stage: Stage,
    id: impl Fn(Namespace, &[u8]) -> SessionId,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> Resolution<'k> {
    found.clear();
    for (at, key) in keys.own.iter().enumerate() {
        let needs = key.point.needs();
        if stage == Stage::Access && (needs.response || needs.response_body) {
            continue;
        }
        if let Some(value) = key.point.read(exchange, scratch) {
            found.extend_from_slice(value);
            let id = id(Namespace::Value, found);
            let from_response = needs.response || needs.response_body;
            let label = &key.name;
            return Resolution {
                id,
                source: Source::Key,
                label,
                own: Some(at),
                builtin: None,
                from_response,
            };
        }
    }
    if keys.builtin
        && let Some(entry) = builtin::find(exchange, scratch, found)
    {
        let id = id(Namespace::Value, found);
        return Resolution {
            id,
            source: Source::Builtin,
            label: entry.name,
            own: None,
            builtin: Some(entry),
            from_response: false,
        };
    }
    ip::write_counted(exchange.ip(), found);
    let agent = exchange.header(Side::Request, b"user-agent").map(<[u8]>::trim_ascii);
    if let Some(agent) = agent.filter(|agent| !agent.is_empty()) {
        found.push(b'\n');
        found.extend_from_slice(agent);
        let id = id(Namespace::IpUa, found);
        return Resolution {
            id,
            source: Source::IpUa,
            label: "ip_ua",
            own: None,
            builtin: None,
            from_response: false,
        };
    }
    let id = id(Namespace::Ip, found);
    Resolution {
        id,
        source: Source::Ip,
        label: "ip",
        own: None,
        builtin: None,
        from_response: false,
    }
}

#[cfg(test)]
mod tests;
