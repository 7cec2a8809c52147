//! The order in which keys are tried.

use api_sessions_protocol::Source;

use super::follow::Follow;
use super::found_by::{FoundBy, Label};
use super::hash::{Hasher, Namespace};
use super::ip;
use api_sessions_extract::SessionKey;
use api_sessions_extract::builtin::{self, Entry, EntrySet};
use api_sessions_extract::{Exchange, Ja4Form, Needs, PointSource, Scratch, Side};
use api_sessions_protocol::SessionId;

/// What identifies a session if no key does (`api_sessions_fallback`). Missing parts are left out.
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
    /// Whether the built-in set is tried after them.
    pub builtin: bool,
    /// The fallback if no key matches.
    pub fallback: Fallback,
    /// Entries of the built-in set that are not used, since they measurably group requests wrongly.
    pub demoted: EntrySet,
}

/// How much of the exchange is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before the access phase, for a variable: other modules may still change the request (realip).
    Early,
    /// The access phase: request line and headers are known, and the body if it has been read.
    Access,
    /// The log phase: everything is known, and the session is final.
    Log,
}

/// The session of a request.
#[derive(Debug, Clone, Copy)]
pub struct Resolution<'k> {
    /// Its id.
    pub id: SessionId,
    /// Which key identified it.
    pub found_by: FoundBy,
    /// Label of the key, or name of the cookie.
    pub label: Label<'k>,
    /// The key was in the response: the application itself names the session.
    pub from_response: bool,
    /// A linked value identified it.
    pub followed: bool,
    /// The link's time of last use is due for an update.
    pub fresh: bool,
}

impl<'k> Resolution<'k> {
    /// Rebuilds the resolution that yielded `id` under the same keys. `None` if it cannot be rebuilt.
    pub fn again(keys: Keys<'k>, id: SessionId, found_by: FoundBy) -> Option<Self> {
        let (label, from_response) = match found_by {
            FoundBy::Own(at) => {
                let key = keys.own.get(at)?;
                (&*key.name, key.point.needs().has_response())
            }
            FoundBy::Builtin(entry) => (entry.name, false),
            // The cookie's name is not stored.
            FoundBy::Cookie => return None,
            FoundBy::IpUaJa4 => ("ip_ua_ja4", false),
            FoundBy::IpUa => ("ip_ua", false),
            FoundBy::Ip => ("ip", false),
        };
        let label = Label::Known(label);
        Some(Self { id, found_by, label, from_response, followed: false, fresh: false })
    }

    /// The kind of key that identified the session.
    pub fn source(&self) -> Source {
        if self.followed { Source::Link } else { self.found_by.source() }
    }
}

impl Keys<'_> {
    /// Whether the keys yield the same in the access phase as in the log phase: none reads a body, the response or
    /// an NGINX variable.
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

/// Calls `take` with every value in the request that could identify a session, whether or not it decides, including
/// repetitions and other spellings and encodings. A value may be passed more than once.
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

/// Tries the operator's keys in order, then the built-in set, then the fallback.
///
/// Overwrites `found` with the value that identified the session; `scratch` is working memory.
pub fn resolve<'k, X: Exchange + ?Sized>(
    keys: Keys<'k>,
    exchange: &X,
    phase: Phase,
    hasher: &Hasher,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> Resolution<'k> {
    let id = |namespace, value: &[u8]| hasher.session_id(namespace, value);
    resolve_with(keys, exchange, phase, id, None, scratch, found)
}

/// Like [`resolve`], with ids from `id`. With `follow`, a value that was issued to a session identifies that session.
pub fn resolve_with<'k, X: Exchange + ?Sized>(
    keys: Keys<'k>,
    exchange: &X,
    phase: Phase,
    id: impl Fn(Namespace, &[u8]) -> SessionId,
    follow: Option<Follow<'_>>,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> Resolution<'k> {
    found.clear();
    // `again` fails only for `FoundBy::Cookie`, which is not passed here.
    let known = |id, found_by| {
        Resolution::again(keys, id, found_by).unwrap_or(Resolution {
            id,
            found_by,
            label: Label::Known(""),
            from_response: false,
            followed: false,
            fresh: false,
        })
    };
    let address = || address_id(keys.fallback, exchange, &id);
    if let Some((at, key)) = find_own(keys, exchange, phase, scratch, found) {
        let followed = follow.and_then(|follow| {
            let own = follow.own(key, found, exchange, &address);
            follow.session_of(own.unwrap_or_else(|| id(Namespace::Value, found))).or(own)
        });
        let session = followed.unwrap_or_else(|| id(Namespace::Value, found));
        let found_by = FoundBy::Own(at);
        return Resolution { followed: followed.is_some(), ..known(session, found_by) };
    }
    let mut may_be_another = false;
    if keys.builtin {
        let lookup = follow
            .map(|follow| follow.lookup(exchange, scratch, &address, &id, keys.demoted))
            .unwrap_or_default();
        may_be_another = lookup.any_unknown;
        if let Some(carrier) = lookup.carrier {
            found.extend_from_slice(&carrier.value);
            let (found_by, label) = carrier.label();
            let (id, fresh) = (carrier.session, carrier.fresh);
            return Resolution { id, found_by, label, from_response: false, followed: true, fresh };
        }
        // A demoted value identifies no session.
        let mut accept = |entry: &'static Entry, value: &[u8]| {
            !keys.demoted.has(entry)
                && (!lookup.any_demoted
                    || !follow.is_some_and(|follow| follow.is_demoted(entry, value)))
        };
        if let Some(entry) = builtin::find_if(exchange, scratch, found, &mut accept) {
            let base = id(Namespace::Value, found);
            let found_by = FoundBy::Builtin(entry);
            let session = match follow.filter(|_| entry.is_client()) {
                Some(follow) => {
                    let shared = || id(Namespace::Value, &shared(found));
                    follow.of_address(base, may_be_another, shared)
                }
                None => base,
            };
            return known(session, found_by);
        }
        found.clear();
        if let Some(carrier) = lookup.issued_elsewhere {
            found.extend_from_slice(&carrier.value);
            let ((found_by, label), id) = (carrier.label(), carrier.session);
            let (followed, fresh) = (true, false);
            return Resolution { id, found_by, label, from_response: false, followed, fresh };
        }
    }
    let (namespace, found_by) = find_fallback(keys.fallback, exchange, found);
    let base = id(namespace, found);
    let session = match follow {
        Some(follow) => follow.of_address(base, may_be_another, || id(namespace, &shared(found))),
        None => base,
    };
    known(session, found_by)
}

/// The value for an address that several visitors share, if one of them has the id of the address itself.
fn shared(value: &[u8]) -> Vec<u8> {
    [value, b"\n\n"].concat()
}

/// The first of the operator's keys that yields a value, which is written to `found`.
fn find_own<'k, X: Exchange + ?Sized>(
    keys: Keys<'k>,
    exchange: &X,
    phase: Phase,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> Option<(usize, &'k SessionKey)> {
    keys.own.iter().enumerate().find(|(_, key)| {
        if phase != Phase::Log && key.point.needs().has_response() {
            return false;
        }
        let value = key.point.read(exchange, scratch);
        if let Some(value) = value {
            found.extend_from_slice(value);
        }
        value.is_some()
    })
}

/// Id of the fallback value: address, with `User-Agent` and JA4 as configured.
pub fn address_id<X: Exchange + ?Sized>(
    fallback: Fallback,
    exchange: &X,
    id: &dyn Fn(Namespace, &[u8]) -> SessionId,
) -> SessionId {
    let mut value = Vec::new();
    let (namespace, _) = find_fallback(fallback, exchange, &mut value);
    id(namespace, &value)
}

/// Writes the fallback value: address, with `User-Agent` and JA4 as configured.
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
