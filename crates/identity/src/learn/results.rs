//! Results of learning from an exchange: newly linked values, and links to share with other nodes.

use api_sessions_protocol::{LinkReason, SessionId};
use api_sessions_shm::LinkKey;

use crate::limits::MAX_LINKS;

/// Results of learning from one exchange.
#[derive(Debug, Default)]
pub struct Learned {
    /// Keys of the issued values.
    pub keys: Vec<LinkKey>,
    links: Vec<Linked>,
}

/// An issued value, identified by its id: an alias of the session it was issued to.
#[derive(Debug, Clone, Copy)]
struct Linked {
    session: SessionId,
    alias: SessionId,
    reason: LinkReason,
}

impl Learned {
    /// Records that a value with the id `alias` was issued to the session. Ignores the session's own id, and links
    /// beyond [`MAX_LINKS`].
    pub(super) fn link(&mut self, session: SessionId, alias: SessionId, reason: LinkReason) {
        if alias != session && self.links.len() < MAX_LINKS {
            self.links.push(Linked { session, alias, reason });
        }
    }

    /// Moves later results into these, up to [`MAX_LINKS`] links.
    pub fn append(&mut self, later: &mut Learned) {
        self.keys.append(&mut later.keys);
        let room = MAX_LINKS.saturating_sub(self.links.len());
        self.links.extend(later.links.drain(..).take(room));
    }

    /// Moves values to another session, after a change of user.
    pub fn move_links(&mut self, from: SessionId, to: SessionId) {
        for linked in self.links.iter_mut().filter(|linked| linked.session == from) {
            linked.session = to;
        }
    }

    /// Aliases of the session.
    pub fn links_of(&self, session: SessionId) -> Vec<(SessionId, LinkReason)> {
        let is_its = |linked: &&Linked| {
            // A demoted value also concerns the session it was first issued to.
            linked.session == session || linked.reason == LinkReason::Demoted
        };
        let links = self.links.iter().filter(is_its);
        links.map(|linked| (linked.alias, linked.reason)).filter(|link| link.0 != session).collect()
    }
}
