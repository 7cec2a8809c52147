//! A session's totals within one segment, as a list needs them.

use super::codec::Key;

/// A part of a session, or several merged. Kept small: a list reads hundreds of thousands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) key: Key,
    /// Start of its oldest and of its newest request, ms since 1970.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) requests: u32,
    pub(super) attacks: u32,
    pub(super) denied: u32,
    /// The conditions of [`Predicates`] that it meets, one bit each.
    pub(super) met: u32,
}

impl Part {
    /// Merges another part of the session.
    pub(super) fn merge(self, other: Part) -> Part {
        Part {
            key: self.key,
            first: self.first.min(other.first),
            last: self.last.max(other.last),
            requests: self.requests.saturating_add(other.requests),
            attacks: self.attacks.saturating_add(other.attacks),
            denied: self.denied.saturating_add(other.denied),
            met: self.met | other.met,
        }
    }
}
