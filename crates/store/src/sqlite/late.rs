//! What came to a day's parts since a [`super::mark`]: it is taken away again, so that a page orders
//! sessions as the first page did.

use std::collections::HashMap;

use ahash::RandomState;
use rusqlite::Connection;

use super::body::{self, Resolve};
use super::candidate::Candidate;
use super::requests::damaged;
use super::timeline;
use crate::query::{Filter, SessionQuery, Sort};

/// What a question must know of late requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// Whether they are malicious or denied: they are read for it.
    figures: bool,
    /// When their part began without them.
    first: bool,
    /// When it ended without them.
    last: bool,
}

impl Need {
    pub(super) fn of(query: &SessionQuery) -> Need {
        let Filter { from, to, attack, denied, .. } = &query.filter;
        let period = from.is_some() || to.is_some();
        Need {
            figures: matches!(query.sort, Sort::Attacks | Sort::Denied)
                || attack.is_some()
                || denied.is_some(),
            first: period || matches!(query.sort, Sort::FirstTs | Sort::Duration),
            last: period || matches!(query.sort, Sort::LastTs | Sort::Duration),
        }
    }
}

/// What came to one part.
#[derive(Debug, Clone, Copy)]
struct Came {
    requests: i64,
    attacks: i64,
    denied: i64,
    /// Times of the oldest and the newest of them, ms since 1970.
    first: i64,
    last: i64,
}

/// What came to a day's parts.
pub(super) struct Late {
    up_to: i64,
    need: Need,
    parts: HashMap<i64, Came, RandomState>,
}

impl Late {
    /// What came after the row `up_to`. Takes as long as there are such requests.
    pub(super) fn load(connection: &Connection, up_to: i64, need: Need) -> rusqlite::Result<Late> {
        let mut parts: HashMap<i64, Came, RandomState> = HashMap::default();
        let mut statement =
            connection.prepare_cached("SELECT part, ts, body FROM request WHERE id > ?")?;
        let mut rows = statement.query([up_to])?;
        while let Some(row) = rows.next()? {
            let ts: i64 = row.get(1)?;
            let none = Came { requests: 0, attacks: 0, denied: 0, first: ts, last: ts };
            let came = parts.entry(row.get(0)?).or_insert(none);
            came.requests += 1;
            came.first = came.first.min(ts);
            came.last = came.last.max(ts);
            if need.figures {
                let bytes = row.get_ref(2)?.as_blob().unwrap_or_default();
                let request = body::decode(bytes, &mut NoWords).ok_or_else(damaged)?;
                came.attacks += i64::from(!request.record.attacks.is_empty());
                came.denied += i64::from(request.record.denied);
            }
        }
        Ok(Late { up_to, need, parts })
    }

    /// Takes away what came to the candidate's part. `false`: its times are to be looked up
    /// ([`Late::look_up`]).
    #[must_use]
    pub(super) fn take_away(&self, candidate: &mut Candidate) -> bool {
        let Some(came) = self.parts.get(&candidate.part) else { return true };
        candidate.requests -= came.requests;
        candidate.attacks -= came.attacks;
        candidate.denied -= came.denied;
        if candidate.requests <= 0 {
            candidate.set_not_yet();
            return true;
        }
        // As long as none of them is the first or last of the part, the times stand.
        !(self.need.last && candidate.last_ts <= came.last
            || self.need.first && candidate.first_ts >= came.first)
    }

    /// Looks up the times of candidates, which are in the order of their parts: of each those that what
    /// came may have changed.
    pub(super) fn look_up(
        &self,
        connection: &Connection,
        day_start: i64,
        candidates: &mut [Candidate],
    ) -> rusqlite::Result<()> {
        let ts = |time: u64| day_start + time as i64;
        let came = |candidate: &Candidate| self.parts.get(&candidate.part);
        if self.need.last {
            let changed = |candidate: &&mut Candidate| {
                came(candidate).is_some_and(|came| candidate.last_ts <= came.last)
            };
            let changed: Vec<_> = candidates.iter_mut().filter(changed).collect();
            let parts = changed.iter().map(|candidate| candidate.part as u64);
            let found = timeline::last_up_to(connection, parts, self.up_to as u64)?;
            for (candidate, time) in changed.into_iter().zip(found) {
                candidate.last_ts = time.map_or(candidate.last_ts, ts);
            }
        }
        if self.need.first {
            // Few: what comes late is seldom older than all that was there.
            for candidate in candidates {
                if came(candidate).is_some_and(|came| candidate.first_ts >= came.first) {
                    let time = timeline::first_up_to(connection, candidate.part, self.up_to)?;
                    candidate.first_ts = time.map_or(candidate.first_ts, ts);
                }
            }
        }
        Ok(())
    }
}

/// Figures are told without the strings.
struct NoWords;

impl Resolve for NoWords {
    fn resolve(&mut self, _: i64) -> Option<String> {
        Some(String::new())
    }
}
