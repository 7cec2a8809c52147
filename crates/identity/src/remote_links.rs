//! Links from other nodes: the values they issued and the sessions of those values, both as ids, from the cloud's sync
//! document.
//!
//! They are stored beside this node's own links, under the id that a node without links computes for the value. Without
//! remote links, a request costs one branch.

use api_sessions_extract::Scratch;
use api_sessions_extract::builtin::{self, Class, Followed};
use api_sessions_protocol::SessionId;
use api_sessions_shm::{Link, LinkFlags, LinkHandle, LinkKey};

use super::follow::{Follow, REFRESH_S};
use super::hash::Namespace;
use crate::limits::MAX_LINK_STEPS;

/// A value issued by another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteLink {
    /// The id that a node without links computes for it.
    pub alias: SessionId,
    /// The session it was issued to; `None` if the value is demoted.
    pub session: Option<SessionId>,
}

/// Adds a link from another node, at the Unix time `now_s` in seconds. A value claimed by two sessions is demoted: it
/// belongs to neither.
pub fn add_remote_link(handle: &LinkHandle, now_s: u32, remote: RemoteLink) {
    handle.links().mark_remote();
    let follow = Follow { handle, now_s, tokens: false, has_others: true };
    let session = remote.session.map(|session| follow.session_of(session).unwrap_or(session));
    if session == Some(remote.alias) {
        // The link leads back to itself.
        return;
    }
    let key = follow.remote_key(remote.alias);
    let known = follow.get(key).map(|link| follow.session_of(link.session).unwrap_or(link.session));
    handle.update(key, now_s, |link| match (link, session) {
        (Some(link), _) if link.is_demoted() => None,
        (None, Some(session)) => Some(Link::new(session, now_s)),
        (Some(_), Some(session)) if known == Some(session) => None,
        (link, _) => {
            let link = link.unwrap_or(Link::new(remote.alias, now_s));
            Some(Link { flags: link.flags.with(LinkFlags::DEMOTED), used_s: now_s, ..link })
        }
    });
}

impl Follow<'_> {
    fn remote_key(&self, alias: SessionId) -> LinkKey {
        self.key(b"\x01told", &alias.0)
    }

    /// The session that an id leads to through remote links; `None` if there is no link.
    #[inline]
    pub fn session_of(&self, id: SessionId) -> Option<SessionId> {
        if self.handle.links().has_remote() { self.steps(id) } else { None }
    }

    #[cold]
    fn steps(&self, id: SessionId) -> Option<SessionId> {
        let mut at = id;
        for _ in 0..MAX_LINK_STEPS {
            let key = self.remote_key(at);
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

    /// The new link of a value that this node has issued, if the cloud says that it belongs to its session no more: to a
    /// session of its own, as at the other nodes.
    pub(super) fn split_off(
        &self,
        followed: &Followed<'_>,
        link: &Link,
        id: &dyn Fn(Namespace, &[u8]) -> SessionId,
        scratch: &mut Scratch,
    ) -> Option<Link> {
        if !self.handle.links().has_remote() || !is_shared(followed.class) {
            return None;
        }
        let alias = told_id(followed, id, scratch);
        let is_split = link.session != alias
            && self.get(self.remote_key(alias)).is_some_and(|told| told.is_demoted());
        let link = Link { flags: LinkFlags::RETURNED, ..Link::new(alias, self.now_s) };
        let key = self.key_of(followed);
        is_split.then(|| {
            self.handle.update(key, self.now_s, |_| Some(link));
            link
        })
    }

    /// The session of a value that this node has no link for, by remote links.
    pub(super) fn remote_session(
        &self,
        followed: &Followed<'_>,
        id: &dyn Fn(Namespace, &[u8]) -> SessionId,
        scratch: &mut Scratch,
    ) -> Option<SessionId> {
        if !self.handle.links().has_remote() || !is_shared(followed.class) {
            return None;
        }
        self.session_of(told_id(followed, id, scratch))
    }
}

/// The id under which nodes tell of a value: that of a node without links.
fn told_id(
    followed: &Followed<'_>,
    id: &dyn Fn(Namespace, &[u8]) -> SessionId,
    scratch: &mut Scratch,
) -> SessionId {
    let mut claims = Vec::new();
    let is_claims = followed.class == Class::Token
        && builtin::session_of_token(followed.value, scratch, &mut claims);
    id(Namespace::Value, if is_claims { &claims } else { followed.value })
}

/// Whether links of values of this class are shared with other nodes.
pub(super) fn is_shared(class: Class) -> bool {
    !matches!(class, Class::Other | Class::Balancer)
}

#[cfg(test)]
mod tests;
