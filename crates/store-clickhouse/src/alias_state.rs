//! The state of aliases, and how claims change it.

use std::collections::HashMap;

use serde::Deserialize;

use api_sessions_store::aliases::Claim;

/// [`Known::until`] of an active alias.
pub(super) const JOINED: u64 = u64::MAX;

/// The stored state of an alias.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Known {
    #[serde(rename = "known_alias")]
    pub(super) alias: String,
    /// The session it leads to.
    #[serde(rename = "known_root")]
    pub(super) root: String,
    #[serde(rename = "known_reason")]
    pub(super) reason: String,
    #[serde(rename = "known_ts")]
    pub(super) ts: u64,
    #[serde(rename = "known_request")]
    pub(super) request: String,
    /// The session that first claimed it, as resolved at that time.
    #[serde(rename = "known_claimant")]
    pub(super) claimant: String,
    /// Number of sessions that claimed it; more than one if they claimed it concurrently.
    #[serde(rename = "known_claimants")]
    pub(super) claimants: u64,
    /// Requests that arrived before this Unix time in milliseconds belong to `root`; [`JOINED`] means all do.
    #[serde(rename = "known_until")]
    pub(super) until: u64,
}

impl Known {
    pub(super) fn is_joined(&self) -> bool {
        self.until == JOINED
    }
}

/// Columns that aggregate the rows of one alias into a [`Known`].
pub(super) const KNOWN: &str = "alias AS known_alias, argMax(root, seq) AS known_root, \
    argMin(reason, seq) AS known_reason, argMin(ts, seq) AS known_ts, \
    argMin(request, seq) AS known_request, \
    argMin(claimant, seq) AS known_claimant, uniqExact(claimant) AS known_claimants, min(until) AS known_until";

/// State of the aliases involved in claims, and the changes to it.
#[derive(Default)]
pub(super) struct Change {
    known: HashMap<String, Known>,
    /// Aliases by the session they lead to.
    members: HashMap<String, Vec<String>>,
    /// Changed aliases, in their new state.
    pub(super) changed: Vec<Known>,
    /// Aliases that now lead to another session, in their previous state.
    pub(super) moved: Vec<Known>,
}

impl Change {
    pub(super) fn new(known: Vec<Known>) -> Change {
        let mut change = Change::default();
        for one in known {
            change.members.entry(one.root.clone()).or_default().push(one.alias.clone());
            change.known.insert(one.alias.clone(), one);
        }
        change
    }

    /// Redirects aliases that lead to another alias, which another process may have added concurrently.
    pub(super) fn redirect(&mut self) {
        let onward = |known: &Known| Some((known.alias.clone(), self.root(&known.root).to_owned()));
        let stale: Vec<(String, String)> = self
            .known
            .values()
            .filter(|known| self.root(&known.root) != known.root)
            .filter_map(onward)
            .collect();
        for (alias, root) in stale {
            self.move_to(&alias, &root);
            self.members.entry(root).or_default().push(alias);
        }
    }

    fn move_to(&mut self, alias: &str, root: &str) {
        if let Some(known) = self.known.get_mut(alias) {
            self.moved.push(Known { until: 0, ..known.clone() });
            root.clone_into(&mut known.root);
            self.changed.push(known.clone());
        }
    }

    /// Resolves an id to its session.
    fn root<'s>(&'s self, session: &'s str) -> &'s str {
        match self.known.get(session) {
            Some(known) if known.is_joined() => &known.root,
            _ => session,
        }
    }

    /// Applies a claim of a request that arrived at the Unix time `arrived` in milliseconds.
    pub(super) fn take(&mut self, claim: &Claim<'_>, arrived: u64) {
        let root = self.root(claim.session).to_owned();
        match self.known.get_mut(claim.alias) {
            Some(known) => {
                let is_contested = known.root != root || known.claimants > 1;
                if known.is_joined() && (is_contested || claim.is_demotion) {
                    known.until = arrived;
                    self.changed.push(known.clone());
                }
            }
            None if root == claim.alias => {}
            None => {
                let known = Known {
                    alias: claim.alias.to_owned(),
                    root: root.clone(),
                    reason: claim.reason.to_owned(),
                    ts: claim.ts,
                    request: claim.request.to_owned(),
                    claimant: root.clone(),
                    claimants: 1,
                    until: if claim.is_demotion { 0 } else { JOINED },
                };
                let is_joined = known.is_joined();
                self.changed.push(known.clone());
                self.known.insert(claim.alias.to_owned(), known);
                let mut members = vec![claim.alias.to_owned()];
                if is_joined {
                    // Whatever led to the alias now leads to its target.
                    let led = self.members.remove(claim.alias).unwrap_or_default();
                    led.iter().for_each(|member| self.move_to(member, &root));
                    members.extend(led);
                }
                self.members.entry(root).or_default().extend(members);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim<'c>(session: &'c str, alias: &'c str) -> Claim<'c> {
        Claim { alias, session, reason: "issued", ts: 1, request: "r", is_demotion: false }
    }

    fn change(claims: &[Claim<'_>]) -> Change {
        let mut change = Change::default();
        claims.iter().for_each(|one| change.take(one, 7));
        change
    }

    #[test]
    fn what_led_to_an_alias_leads_on() {
        let all = change(&[claim("c", "d"), claim("b", "c"), claim("a", "b")]);
        assert!(["a", "b", "c", "d"].iter().all(|id| all.root(id) == "a"));
        // Each move starts at the previous target.
        let moves: Vec<_> =
            all.moved.iter().map(|known| (&*known.alias, &*known.root, known.until)).collect();
        assert_eq!(moves, [("d", "c", 0), ("c", "b", 0), ("d", "b", 0)]);
    }

    #[test]
    fn a_claim_taken_again_changes_nothing() {
        let claims = [claim("c", "d"), claim("b", "c"), claim("x", "d"), claim("a", "b")];
        let mut all = change(&claims);
        let known = std::mem::take(&mut all.known);
        let mut again = Change::new(known.into_values().collect());
        claims.iter().for_each(|one| again.take(one, 9));
        assert!(again.changed.is_empty(), "{:?}", again.changed);
    }

    #[test]
    fn what_two_processes_did_at_once_is_put_right() {
        // One process made v an alias of b, the other b an alias of a.
        let known = |claims: &[Claim<'_>]| change(claims).known.into_values();
        let all = known(&[claim("b", "v")]).chain(known(&[claim("a", "b")])).collect();
        let mut change = Change::new(all);
        change.redirect();
        change.take(&claim("b", "v"), 9);
        assert_eq!(change.root("v"), "a");
        assert_eq!(change.changed.len(), 1);
        // Both processes made v an alias, but of different sessions.
        let both = Known { claimants: 2, ..known(&[claim("b", "v")]).next().unwrap() };
        let mut change = Change::new(vec![both]);
        change.take(&claim("b", "v"), 9);
        assert_eq!(change.known["v"].until, 9);
    }

    #[test]
    fn a_value_that_two_sessions_claim_joins_nobody_from_then_on() {
        let all = change(&[claim("a", "v"), claim("b", "v")]);
        assert_eq!((all.root("v"), all.known["v"].until), ("v", 7));
        let demoted = Claim { is_demotion: true, ..claim("a", "v") };
        assert_eq!(change(&[demoted, claim("a", "v")]).known["v"].until, 0);
    }
}
