//! Recent links between identifiers and sessions, reported by nodes for the other nodes.
//!
//! Kept in memory: the links of the records that this process has stored. After a restart, nodes keep theirs and
//! receive new ones.

use std::collections::{BTreeMap, HashMap};

use api_sessions_protocol::{FreshLink, SessionId};
use parking_lot::Mutex;

use crate::NewRequest;
use crate::aliases::claims;
use crate::clock::now_ms;
use crate::limits::{MAX_FRESH_LINKS, MAX_LINK_STEPS};

/// The link of an alias; without a session, it belongs to none.
pub type FreshClaim = (SessionId, Option<SessionId>);

/// The newest links.
#[derive(Debug)]
pub struct FreshLinks(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    /// Number of the newest change.
    newest: u64,
    by_number: BTreeMap<u64, SessionId>,
    by_alias: HashMap<SessionId, (u64, Option<SessionId>)>,
}

impl Default for FreshLinks {
    fn default() -> Self {
        // Above the numbers of the previous process, which did not have a change every microsecond.
        let newest = now_ms().saturating_mul(1000);
        Self(Mutex::new(Inner { newest, by_number: BTreeMap::new(), by_alias: HashMap::new() }))
    }
}

impl FreshLinks {
    /// The links of records. Skips ids whose form is not that of nodes.
    pub fn claims_of(requests: &[NewRequest]) -> Vec<FreshClaim> {
        let all = requests.iter().flat_map(|request| claims(&request.record));
        all.filter_map(|claim| {
            let session = if claim.is_demotion { None } else { Some(claim.session.parse().ok()?) };
            Some((claim.alias.parse().ok()?, session))
        })
        .collect()
    }

    /// Adds links. An alias that two sessions claim belongs to none from then on. Returns whether anything is new.
    pub fn add(&self, claims: impl IntoIterator<Item = FreshClaim>) -> bool {
        let mut inner = self.0.lock();
        let before = inner.newest;
        claims.into_iter().for_each(|(alias, session)| inner.add(alias, session));
        inner.newest != before
    }

    /// Links since `after`, oldest first, and the number for the next call. A number from the future is of another
    /// process: all links are returned.
    pub fn since(&self, after: u64) -> (Vec<FreshLink>, u64) {
        let inner = self.0.lock();
        let after = if after > inner.newest { 0 } else { after };
        let new = inner.by_number.range(after.saturating_add(1)..);
        let links = new.map(|(_, alias)| FreshLink {
            alias: alias.to_string(),
            session: inner.by_alias.get(alias).and_then(|known| known.1).map(|id| id.to_string()),
        });
        (links.collect(), inner.newest)
    }
}

impl Inner {
    fn root(&self, session: SessionId) -> SessionId {
        let mut at = session;
        for _ in 0..MAX_LINK_STEPS {
            let Some((_, Some(next))) = self.by_alias.get(&at) else { break };
            at = *next;
        }
        at
    }

    fn add(&mut self, alias: SessionId, session: Option<SessionId>) {
        let session = session.map(|session| self.root(session));
        if session == Some(alias) {
            return;
        }
        let known = self.by_alias.get(&alias).copied();
        let changed = match (known, session) {
            (Some((_, None)), _) => return,
            (Some((_, Some(known))), Some(session)) if self.root(known) == session => return,
            (Some(_), _) => None,
            (None, session) => session,
        };
        if let Some((number, _)) = known {
            self.by_number.remove(&number);
        }
        self.newest += 1;
        self.by_number.insert(self.newest, alias);
        self.by_alias.insert(alias, (self.newest, changed));
        if self.by_alias.len() > MAX_FRESH_LINKS
            && let Some((_, oldest)) = self.by_number.pop_first()
        {
            self.by_alias.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
