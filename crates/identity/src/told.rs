//! What other nodes have issued, as the cloud tells it: ids of values, and the sessions that they belong to.
//!
//! Beside the links of values, by the id that a node without memory computes. Where the cloud has told nothing, a
//! request costs one branch.

use api_sessions_extract::Scratch;
use api_sessions_extract::builtin::{self, Class, Followed};
use api_sessions_protocol::SessionId;
use api_sessions_shm::{Link, LinkFlags, LinkHandle, LinkKey};

use super::follow::{Follow, REFRESH_S};
use super::hash::Namespace;

/// Longest way from an id to its session: each is a node that had not heard of the one before.
const MAX_STEPS: usize = 8;

/// What is told of one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The id that a node without memory computes for it.
    pub alias: SessionId,
    /// The session that it was issued to; `None`: it belongs to nobody from now on.
    pub session: Option<SessionId>,
}

/// Remembers what another node has issued, at `now_s` (seconds since 1970). What two sessions claim is nobody's.
pub fn take_told(handle: &LinkHandle, now_s: u32, told: Told) {
    handle.links().mark_told();
    let follow = Follow { handle, now_s, tokens: false };
    let session = told.session.map(|session| follow.session_of(session).unwrap_or(session));
    if session == Some(told.alias) {
        // It is what leads here.
        return;
    }
    let key = follow.told_key(told.alias);
    let known = follow.get(key).map(|link| follow.session_of(link.session).unwrap_or(link.session));
    handle.update(key, now_s, |link| match (link, session) {
        (Some(link), _) if link.is_demoted() => None,
        (None, Some(session)) => Some(Link::new(session, now_s)),
        (Some(_), Some(session)) if known == Some(session) => None,
        (link, _) => {
            let link = link.unwrap_or(Link::new(told.alias, now_s));
            Some(Link { flags: link.flags.with(LinkFlags::DEMOTED), used_s: now_s, ..link })
        }
    });
}

impl Follow<'_> {
    fn told_key(&self, alias: SessionId) -> LinkKey {
        self.key(b"\x01told", &alias.0)
    }

    /// The session that an id leads to, as other nodes tell. `None`: none, or the id is a session's own.
    #[inline]
    pub fn session_of(&self, id: SessionId) -> Option<SessionId> {
        if self.handle.links().is_told() { self.steps(id) } else { None }
    }

    #[cold]
    fn steps(&self, id: SessionId) -> Option<SessionId> {
        let mut at = id;
        for _ in 0..MAX_STEPS {
            let key = self.told_key(at);
            let Some(link) = self.get(key).filter(|link| !link.is_demoted()) else { break };
            if !link.flags.has(LinkFlags::RETURNED)
                || self.now_s.saturating_sub(link.used_s) >= REFRESH_S
            {
                self.handle.returned(key, self.now_s);
            }
            at = link.session;
        }
        (at != id).then_some(at)
    }

    /// The session of a value that this node has not issued.
    pub(super) fn told(
        &self,
        followed: &Followed<'_>,
        id: &dyn Fn(Namespace, &[u8]) -> SessionId,
        scratch: &mut Scratch,
    ) -> Option<SessionId> {
        if !self.handle.links().is_told() || !is_told(followed.class) {
            return None;
        }
        let mut claims = Vec::new();
        let is_claims = followed.class == Class::Token
            && builtin::session_of_token(followed.value, scratch, &mut claims);
        let value = if is_claims { &claims } else { followed.value };
        self.session_of(id(Namespace::Value, value))
    }
}

/// Whether other nodes are told of values of the class.
pub(super) fn is_told(class: Class) -> bool {
    !matches!(class, Class::Other | Class::Balancer)
}

#[cfg(test)]
mod tests;
