//! The order in which keys are tried.

use api_sessions_protocol::Source;

use super::hash::{Hasher, Namespace};
use super::ip;
use api_sessions_extract::SessionKey;
use api_sessions_extract::builtin::{self, Entry};
use api_sessions_extract::{Exchange, Ja4Form, Needs, Scratch, Side, Source as PointSource};
use api_sessions_protocol::SessionId;

/// What identifies a session where no key does (`api_sessions_fallback`). Where a part of it is not there, what
/// is left of it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fallback {
    /// Source IP, `User-Agent` and stable JA4.
    IpUaJa4,
    /// Source IP and `User-Agent`.
    #[default]
    IpUa,
    /// Source IP.
    Ip,
}

/// The keys that apply to a request.
#[derive(Debug, Clone, Copy)]
pub struct Keys<'k> {
    /// The operator's, in order of priority.
    pub own: &'k [SessionKey],
    /// Whether the built-in set follows.
    pub builtin: bool,
    /// What follows that.
    pub fallback: Fallback,
}

/// How much of the exchange is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
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
    /// Which key identified it.
    pub found_by: FoundBy,
    /// Label of the key.
    pub label: &'k str,
    /// The key was in the response: the application vouches for the session.
    pub from_response: bool,
}

/// What identified a session.
#[derive(Debug, Clone, Copy)]
pub enum FoundBy {
    /// A key of the operator: its place among them.
    Own(usize),
    /// An entry of the built-in set.
    Builtin(&'static Entry),
    /// Address, `User-Agent` and JA4.
    IpUaJa4,
    /// Address and `User-Agent`.
    IpUa,
    /// The address alone.
    Ip,
}

impl FoundBy {
    /// Which kind of key it is.
    pub fn source(self) -> Source {
        match self {
            FoundBy::Own(_) => Source::Key,
            FoundBy::Builtin(entry) if entry.is_client() => Source::Client,
            FoundBy::Builtin(_) => Source::Builtin,
            FoundBy::IpUaJa4 => Source::IpUaJa4,
            FoundBy::IpUa => Source::IpUa,
            FoundBy::Ip => Source::Ip,
        }
    }

    /// Its place among the operator's keys, if it is one of them.
    pub fn own(self) -> Option<usize> {
        match self {
            FoundBy::Own(at) => Some(at),
            _ => None,
        }
    }

    /// Something that the client was given, or made up; not where it comes from.
    pub fn is_key(self) -> bool {
        matches!(self, FoundBy::Own(_) | FoundBy::Builtin(_))
    }
}

impl<'k> Resolution<'k> {
    /// The resolution that gave `id` by a key, under the same keys.
    pub fn again(keys: Keys<'k>, id: SessionId, found_by: FoundBy) -> Option<Self> {
        let (label, from_response) = match found_by {
            FoundBy::Own(at) => {
                let key = keys.own.get(at)?;
                (&*key.name, key.point.needs().has_response())
            }
            FoundBy::Builtin(entry) => (entry.name, false),
            FoundBy::IpUaJa4 => ("ip_ua_ja4", false),
            FoundBy::IpUa => ("ip_ua", false),
            FoundBy::Ip => ("ip", false),
        };
        Some(Self { id, found_by, label, from_response })
    }
}

impl Keys<'_> {
    /// Whether what they yield when a request arrives is what they will yield when it is over: none reads a
    /// body, the response, or a variable of NGINX.
    pub fn settle_on_arrival(&self) -> bool {
        self.own.iter().all(|key| {
            key.point.needs() == Needs::default()
                && !matches!(key.point.source(), PointSource::Variable(_))
        })
    }

    /// Whether the session may depend on JA4.
    pub fn read_ja4(&self) -> bool {
        self.fallback == Fallback::IpUaJa4
            || self.own.iter().any(|key| matches!(key.point.source(), PointSource::Ja4(_)))
    }
}

/// Hands out every value that names a session in the request, whether or not it is the one that counts: each
/// repetition, spelling and encoding. A value may come more than once.
pub fn each_identifier<X: Exchange + ?Sized>(
    keys: Keys<'_>,
    exchange: &X,
    scratch: &mut Scratch,
    take: &mut dyn FnMut(&[u8]),
) {
    for key in keys.own.iter().filter(|key| !key.point.needs().has_response()) {
        key.point.read_each(exchange, scratch, take);
    }
    if keys.builtin {
        builtin::each(exchange, scratch, &mut |_, value| take(value));
    }
}

/// Tries the operator's keys in their order, then the built-in set, then the fallback.
///
/// `found` is overwritten with the value that identified the session; `scratch` is only worked in.
pub fn resolve<'k, X: Exchange + ?Sized>(
    keys: Keys<'k>,
    exchange: &X,
    phase: Phase,
    hasher: &Hasher,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> Resolution<'k> {
    let id = |namespace, value: &[u8]| hasher.session_id(namespace, value);
    resolve_with(keys, exchange, phase, id, scratch, found)
}

/// As [`resolve`], with ids from `id`.
pub fn resolve_with<'k, X: Exchange + ?Sized>(
    keys: Keys<'k>,
    exchange: &X,
    phase: Phase,
    id: impl Fn(Namespace, &[u8]) -> SessionId,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> Resolution<'k> {
    found.clear();
    let (namespace, found_by) = find(keys, exchange, phase, scratch, found);
    let id = id(namespace, found);
    // `find` names keys that are there.
    Resolution::again(keys, id, found_by).unwrap_or(Resolution {
        id,
        found_by,
        label: "",
        from_response: false,
    })
}

/// The first key that yields a value, which is left in `found`.
fn find<X: Exchange + ?Sized>(
    keys: Keys<'_>,
    exchange: &X,
    phase: Phase,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> (Namespace, FoundBy) {
    for (at, key) in keys.own.iter().enumerate() {
        if phase == Phase::Access && key.point.needs().has_response() {
            continue;
        }
        if let Some(value) = key.point.read(exchange, scratch) {
            found.extend_from_slice(value);
            return (Namespace::Value, FoundBy::Own(at));
        }
    }
    if keys.builtin
        && let Some(entry) = builtin::find(exchange, scratch, found)
    {
        return (Namespace::Value, FoundBy::Builtin(entry));
    }
    find_fallback(keys.fallback, exchange, found)
}

/// Where the client is and what it looks like.
fn find_fallback<X: Exchange + ?Sized>(
    fallback: Fallback,
    exchange: &X,
    found: &mut Vec<u8>,
) -> (Namespace, FoundBy) {
    ip::write_counted(exchange.ip(), found);
    if fallback == Fallback::Ip {
        return (Namespace::Ip, FoundBy::Ip);
    }
    let agent = exchange.header(Side::Request, b"user-agent").unwrap_or_default().trim_ascii();
    let ja4 = match fallback {
        Fallback::IpUaJa4 => exchange.ja4(Ja4Form::Stable),
        Fallback::IpUa | Fallback::Ip => None,
    };
    if agent.is_empty() && ja4.is_none() {
        return (Namespace::Ip, FoundBy::Ip);
    }
    found.push(b'\n');
    found.extend_from_slice(agent);
    let Some(ja4) = ja4 else { return (Namespace::IpUa, FoundBy::IpUa) };
    found.push(b'\n');
    found.extend_from_slice(ja4);
    (Namespace::IpUaJa4, FoundBy::IpUaJa4)
}

#[cfg(test)]
mod tests;
