//! What was learned from an exchange: values that are remembered now, and what other nodes are to know of them.

use api_sessions_protocol::{LinkReason, SessionId};
use api_sessions_shm::LinkKey;

/// Links that a record carries at most.
const MAX_LINKS: usize = 16;

/// What an exchange has taught.
#[derive(Debug, Default)]
pub struct Learned {
    /// Keys of the issued values.
    pub keys: Vec<LinkKey>,
    links: Vec<Linked>,
}

/// An issued value, by its id: an alias of the session that it was issued to.
#[derive(Debug, Clone, Copy)]
struct Linked {
    session: SessionId,
    alias: SessionId,
    reason: LinkReason,
}

impl Learned {
    /// A value with the id `alias` was issued to the session. Its own id is no alias.
    pub(super) fn link(&mut self, session: SessionId, alias: SessionId, reason: LinkReason) {
        if alias != session && self.links.len() < MAX_LINKS {
            self.links.push(Linked { session, alias, reason });
        }
    }

    /// Adds what was learned later.
    pub fn append(&mut self, later: &mut Learned) {
        self.keys.append(&mut later.keys);
        let room = MAX_LINKS.saturating_sub(self.links.len());
        self.links.extend(later.links.drain(..).take(room));
    }

    /// What belonged to a session belongs to another one: the user has changed.
    pub fn move_links(&mut self, from: SessionId, to: SessionId) {
        for linked in self.links.iter_mut().filter(|linked| linked.session == from) {
            linked.session = to;
        }
    }

    /// Aliases of the session.
    pub fn links_of(&self, session: SessionId) -> Vec<(SessionId, LinkReason)> {
        let is_its = |linked: &&Linked| {
            // What was taken back was taken from another session too.
            linked.session == session || linked.reason == LinkReason::Demoted
        };
        let links = self.links.iter().filter(is_its);
        links.map(|linked| (linked.alias, linked.reason)).filter(|link| link.0 != session).collect()
    }
}
