//! Scores of the sessions of a list, measured a few at a time and remembered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use api_sessions_store::{SessionSummary, Store, StoreError};
use parking_lot::Mutex;

use crate::limits::{MAX_KNOWN_SCORES, MAX_SESSIONS_AT_ONCE};
use crate::measure::measure_all;
use crate::normal::{Normal, Normals};
use crate::report::{Facts, decayed};

/// Time for which the score of a session with new requests is not measured again, ms.
const CHANGED_MS: u64 = 60_000;

/// Time for which the score of any other session is not measured again, ms.
const FRESH_MS: u64 = 600_000;

/// A score that was measured.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// When, ms since 1970.
    at: u64,
    /// Newest request of the session then.
    last_ts: u64,
    /// `None`: there are no normal values.
    when_active: Option<u64>,
}

impl Known {
    fn is_fresh(&self, last_ts: u64, now: u64) -> bool {
        let age = now.saturating_sub(self.at);
        age < CHANGED_MS || age < FRESH_MS && last_ts <= self.last_ts
    }
}

/// Scores of sessions, in the order of these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scored {
    /// 0 to 100; `None`: there are no normal values, or it has not been measured yet.
    pub scores: Vec<Option<u64>>,
    /// Number of sessions that have not been measured yet.
    pub pending: u64,
}

/// Scores of the sessions that lists showed last.
#[derive(Debug, Default)]
pub struct Scores {
    known: Mutex<AHashMap<String, Known>>,
    /// Held while sessions are measured: one list at a time.
    measuring: Mutex<()>,
}

impl Scores {
    /// Whether all of these need not be measured.
    pub fn has(&self, sessions: &[SessionSummary], now: u64) -> bool {
        let known = self.known.lock();
        sessions.iter().all(|one| {
            known.get(&one.session).is_some_and(|score| score.is_fresh(one.last_ts, now))
        })
    }

    /// The scores at `now` (ms since 1970) that are remembered, outdated ones included.
    pub fn remembered(&self, sessions: &[SessionSummary], now: u64) -> Scored {
        let known = self.known.lock();
        let mut scored = Scored::default();
        for session in sessions {
            let score = known.get(&session.session);
            scored.pending += u64::from(score.is_none());
            let value = score.and_then(|it| Some(decayed(it.when_active?, it.last_ts, now)));
            scored.scores.push(value);
        }
        scored
    }

    /// Measures those of the sessions that are not remembered or outdated, until `patience` is over. Waits at most `wait`
    /// for another list that is being measured, since waiting holds a thread of the blocking pool.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn measure(
        &self,
        store: &dyn Store,
        normals: &Normals,
        sessions: &[SessionSummary],
        now: u64,
        (wait, patience): (Duration, Duration),
    ) -> Result<(), StoreError> {
        let Some(_one) = self.measuring.try_lock_for(wait) else { return Ok(()) };
        let end = Instant::now() + patience;
        let outdated: Vec<&SessionSummary> = {
            let known = self.known.lock();
            let is_fresh = |one: &SessionSummary| {
                known.get(&one.session).is_some_and(|score| score.is_fresh(one.last_ts, now))
            };
            sessions.iter().filter(|one| !is_fresh(one)).collect()
        };
        let mut of: AHashMap<Option<&String>, Option<Arc<Normal>>> = AHashMap::new();
        for chunk in outdated.chunks(MAX_SESSIONS_AT_ONCE) {
            let mut wanted = Vec::new();
            for session in chunk {
                let application = session.applications.first();
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                let normal = match of.get(&application) {
                    Some(normal) => normal.clone(),
                    None => {
                        let name = application.map(String::as_str);
                        let normal = normals.get(store, name, now, left)?;
                        of.insert(application, normal.clone());
                        normal
                    }
                };
                match normal {
                    None => {}
                    Some(normal) if normal.is_known() => wanted.push((*session, normal)),
                    Some(_) => self.remember(session, session.last_ts, None, now),
                }
            }
            let ids: Vec<(String, u64)> =
                wanted.iter().map(|(one, _)| (one.session.clone(), one.last_ts)).collect();
            for ((session, normal), (measured, last)) in
                wanted.into_iter().zip(measure_all(store, &ids)?)
            {
                let facts = Facts::of(None, &measured, &normal, last, now);
                let score = facts.score.map(|score| score.when_active);
                self.remember(session, last, score, now);
            }
        }
        Ok(())
    }

    fn remember(&self, session: &SessionSummary, last_ts: u64, score: Option<u64>, now: u64) {
        let mut known = self.known.lock();
        if known.len() >= MAX_KNOWN_SCORES {
            known.retain(|_, score| now.saturating_sub(score.at) < FRESH_MS);
            if known.len() >= MAX_KNOWN_SCORES {
                known.clear();
            }
        }
        known.insert(session.session.clone(), Known { at: now, last_ts, when_active: score });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: u64, last_ts: u64) -> SessionSummary {
        SessionSummary { session: id.to_string(), last_ts, ..SessionSummary::default() }
    }

    #[test]
    fn a_score_is_measured_again_a_minute_after_a_new_request_or_after_ten_minutes() {
        let scores = Scores::default();
        scores.remember(&session(1, 100), 100, Some(40), 1000);
        let has = |last_ts, after| scores.has(&[session(1, last_ts)], 1000 + after);
        assert!(has(100, FRESH_MS - 1) && !has(100, FRESH_MS));
        assert!(has(101, CHANGED_MS - 1) && !has(101, CHANGED_MS));
        let day = 86_400_000;
        let shown = scores.remembered(&[session(2, 1), session(1, 1)], 100 + day);
        assert_eq!(shown, Scored { scores: vec![None, Some(20)], pending: 1 });
    }

    #[test]
    fn no_more_scores_than_the_limit_are_remembered() {
        let scores = Scores::default();
        for id in 0..MAX_KNOWN_SCORES as u64 + 10 {
            scores.remember(&session(id, 1), 1, None, id);
        }
        assert!(scores.known.lock().len() <= MAX_KNOWN_SCORES);
        assert!(
            scores.has(&[session(MAX_KNOWN_SCORES as u64 + 9, 1)], MAX_KNOWN_SCORES as u64 + 9)
        );
    }
}
