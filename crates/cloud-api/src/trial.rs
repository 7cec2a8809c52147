//! Tries a rule on stored requests, with the nodes' own counting code.

mod facts;

use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::ControlFlow;
use std::time::Instant;

use ahash::{AHashMap, AHashSet};
use api_sessions_protocol::{Parameter, Record, RuleHit};
use api_sessions_rules::limits::MAX_DISTINCT;
use api_sessions_rules::{
    Answer, Condition, Facts, MemoryCounts, Observation, Per, Rule, Scratch, normalize,
};
use serde::Serialize;
use utoipa::ToSchema;

use api_sessions_store::clock::rfc3339;
use api_sessions_store::{ReplayQuery, Store, StoreError, StoredRequest};
use facts::{Labels, StoredFacts};

use crate::limits::{
    MAX_LISTED_SUBJECTS, MAX_NAMED_SESSIONS, MAX_NAMED_SESSIONS_IN_ALL, MAX_TRIAL_ENTRIES,
    MAX_TRIAL_SESSIONS, MAX_TRIAL_SUBJECTS, MAX_TRIAL_TIME,
};

/// Number of requests between checks of the time, the limits and cancellation.
const LOOK_EVERY: u64 = 512;

/// What a rule would have done.
#[derive(Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Trial {
    /// Number of stored requests of the period that were replayed.
    pub requests: u64,
    /// Number of these requests that the rule counts.
    pub counted: u64,
    /// Number of subjects (sessions, users, addresses or JA4) with a counted request.
    pub subjects: u64,
    /// Subjects for which it would have fired, the highest count first; at most 500.
    pub fired: Vec<Fired>,
    /// Number of subjects for which it would have fired.
    pub fired_subjects: u64,
    /// A threshold derived from the counts of the period. Absent if nothing was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggested: Option<Suggested>,
    /// What the stored records do not tell, one sentence each; empty if nothing is missing.
    pub incomplete: Vec<String>,
}

/// A subject for which a rule would have fired.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Fired {
    /// Session id, user, address, network or JA4; followed by an endpoint if the rule counts per endpoint.
    pub subject: String,
    /// Its sessions with counted requests; at most 50.
    pub sessions: Vec<String>,
    /// Start of the first request that would have made it fire, ms since 1970.
    pub first_ts: u64,
    /// Highest count in a window.
    pub count: u64,
}

/// A suggested threshold, and percentiles of the subjects' highest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Suggested {
    /// Suggested threshold: the 99.9th percentile, at least 1, and at most 300 for distinct values. With fewer than
    /// 1,000 subjects this is the highest count, and the rule fires for none of them.
    pub threshold: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99.9th percentile.
    pub p99_9: u64,
}

/// The state of a subject.
#[derive(Default)]
struct Subject {
    highest: u64,
    fired_at: Option<u64>,
    sessions: Vec<Box<str>>,
}

/// Why a trial ended before the end of its period.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Cancelled,
    Time,
    Subjects,
}

/// A trial in progress.
struct Run<'r> {
    rule: &'r Rule,
    labels: Labels,
    counts: MemoryCounts,
    scratch: Scratch,
    path: Vec<u8>,
    subject: Vec<u8>,
    subjects: AHashMap<Box<[u8]>, Subject>,
    named: usize,
    /// Hashes of the sessions so far; only if the rule has a condition on new sessions.
    sessions: Option<AHashSet<u64>>,
    hasher: RandomState,
    requests: u64,
    counted: u64,
    unknown: u64,
    /// For `per=ja4`: number of requests that meet the conditions and whose records lack the stable form of JA4, and of
    /// those that hide it.
    without_stable_ja4: u64,
    hidden_ja4: u64,
    ended: Option<(Ended, u64)>,
    begin: Instant,
    is_cancelled: &'r dyn Fn() -> bool,
}

/// Replays the requests of a period against a rule, regardless of its mode. Ends early if `is_cancelled` returns true,
/// and after [`MAX_TRIAL_TIME`].
///
/// # Errors
/// The error of the store.
pub fn run(
    store: &dyn Store,
    rule: &Rule,
    parameters: &[Parameter],
    query: &ReplayQuery,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Trial, StoreError> {
    let asks_for_new = rule.when.iter().any(|one| matches!(one, Condition::Session { .. }));
    let mut run = Run {
        rule,
        labels: Labels::new(parameters, rule),
        counts: MemoryCounts::default(),
        scratch: Scratch::default(),
        path: Vec::new(),
        subject: Vec::new(),
        subjects: AHashMap::new(),
        named: 0,
        sessions: asks_for_new.then(AHashSet::new),
        hasher: RandomState::new(),
        requests: 0,
        counted: 0,
        unknown: 0,
        without_stable_ja4: 0,
        hidden_ja4: 0,
        ended: None,
        begin: Instant::now(),
        is_cancelled,
    };
    let missing = store.replay(query, &mut |request| run.take(&request))?;
    Ok(run.finish(&missing))
}

impl Run<'_> {
    fn take(&mut self, request: &StoredRequest) -> ControlFlow<()> {
        let record = &request.record;
        if self.requests.is_multiple_of(LOOK_EVERY) {
            let why = if (self.is_cancelled)() {
                Some(Ended::Cancelled)
            } else if self.begin.elapsed() > MAX_TRIAL_TIME {
                Some(Ended::Time)
            } else if self.subjects.len() > MAX_TRIAL_SUBJECTS
                || self.counts.len() > MAX_TRIAL_ENTRIES
            {
                Some(Ended::Subjects)
            } else {
                None
            };
            if let Some(why) = why {
                self.ended = Some((why, record.ts));
                return ControlFlow::Break(());
            }
        }
        self.requests += 1;
        let begins_session = self.begins_session(&record.session);
        // Nodes do not count refused requests either.
        if record.denied || is_limited(record) {
            return ControlFlow::Continue(());
        }
        let path = normalize(record.path.as_bytes(), &mut self.path);
        let is_meant =
            self.rule.on.as_ref().is_none_or(|scope| scope.matches(record.method.as_bytes(), path));
        if !is_meant {
            return ControlFlow::Continue(());
        }
        let facts = StoredFacts { record, path, begins_session, labels: &self.labels };
        let has_ja4 = self.rule.per == Per::Ja4 && record.ja4.is_some();
        if has_ja4 && self.rule.holds(&facts) == Answer::Yes {
            let is_hidden = facts.ja4().is_none();
            self.hidden_ja4 += u64::from(is_hidden);
            self.without_stable_ja4 += u64::from(!is_hidden && record.ja4_stable.is_none());
        }
        match self.rule.observe(&self.counts, &facts, record.ts, &mut self.scratch) {
            Observation::Counted { count, fires } => {
                self.counted += 1;
                if self.rule.per.write(&facts, &mut self.subject) {
                    self.note(&record.session, record.ts, count, fires);
                }
            }
            Observation::Unknown => self.unknown += 1,
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn begins_session(&mut self, session: &str) -> Answer {
        let Some(sessions) = &mut self.sessions else { return Answer::Unknown };
        let hash = self.hasher.hash_one(session);
        if sessions.contains(&hash) {
            Answer::No
        } else if sessions.len() >= MAX_TRIAL_SESSIONS {
            Answer::Unknown
        } else {
            sessions.insert(hash);
            Answer::Yes
        }
    }

    fn note(&mut self, session: &str, ts: u64, count: u64, fires: bool) {
        let subject = match self.subjects.entry(self.subject.as_slice().into()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Subject::default()),
        };
        subject.highest = subject.highest.max(count);
        if fires {
            subject.fired_at.get_or_insert(ts);
        }
        let has_room =
            subject.sessions.len() < MAX_NAMED_SESSIONS && self.named < MAX_NAMED_SESSIONS_IN_ALL;
        if has_room && !subject.sessions.iter().any(|known| **known == *session) {
            subject.sessions.push(session.into());
            self.named += 1;
        }
    }

    fn finish(self, missing: &[String]) -> Trial {
        let incomplete = self.incomplete(missing);
        let mut highest: Vec<u64> = self.subjects.values().map(|subject| subject.highest).collect();
        highest.sort_unstable();
        let most = if self.rule.count.is_distinct() { MAX_DISTINCT } else { u64::MAX };
        let suggested = suggest(&highest, most);
        let subjects = self.subjects.len() as u64;
        let mut fired: Vec<Fired> = self
            .subjects
            .into_iter()
            .filter_map(|(name, subject)| {
                Some(Fired {
                    subject: String::from_utf8_lossy(&name).into_owned(),
                    sessions: subject.sessions.into_iter().map(String::from).collect(),
                    first_ts: subject.fired_at?,
                    count: subject.highest,
                })
            })
            .collect();
        fired
            .sort_unstable_by(|a, b| b.count.cmp(&a.count).then_with(|| a.subject.cmp(&b.subject)));
        let fired_subjects = fired.len() as u64;
        fired.truncate(MAX_LISTED_SUBJECTS);
        Trial {
            requests: self.requests,
            counted: self.counted,
            subjects,
            fired,
            fired_subjects,
            suggested,
            incomplete,
        }
    }

    fn incomplete(&self, missing: &[String]) -> Vec<String> {
        let mut all = Vec::new();
        if let Some((why, ts)) = self.ended {
            let why = match why {
                Ended::Cancelled => "it was cancelled".to_owned(),
                Ended::Time => format!("it took longer than {} s", MAX_TRIAL_TIME.as_secs()),
                Ended::Subjects => format!(
                    "there are more than {MAX_TRIAL_SUBJECTS} subjects or their values are too many"
                ),
            };
            all.push(format!("the requests from {} on were not tried: {why}", rfc3339(ts)));
        }
        if !missing.is_empty() {
            all.push(format!("days that could not be read completely: {}", missing.join(", ")));
        }
        if self.unknown > 0 {
            let points: Vec<&str> = self.rule.points().map(|point| point.as_str()).collect();
            let of = match points.as_slice() {
                [] => "what a condition asks for is not in records".to_owned(),
                points => format!(
                    "their records do not have {} in clear; export it with context_param … plain, without name=",
                    points.join(", ")
                ),
            };
            all.push(format!("{} requests were not counted: {of}", self.unknown));
        }
        if self.without_stable_ja4 > 0 {
            all.push(format!(
                "{} requests have the plain form of JA4 alone: a client that has several of them counts as one on nodes, which go by the stable form",
                self.without_stable_ja4
            ));
        }
        if self.hidden_ja4 > 0 {
            all.push(format!(
                "{} requests were not counted: their JA4 is a key, and hidden: export it with export=plain",
                self.hidden_ja4
            ));
        }
        if self.sessions.is_some() {
            all.push(
                "a session that began before the period counts as new with its first request in it"
                    .to_owned(),
            );
        }
        all
    }
}

/// Whether a rule's rate limit refused the request. The request that makes a rule fire is served and counted.
fn is_limited(record: &Record<'_>) -> bool {
    let limits = |hit: &RuleHit<'_>| {
        hit.enforced && hit.then.split(',').any(|one| one.starts_with("limit:"))
    };
    record.status == 429 && record.rules.iter().any(limits)
}

/// Percentiles of sorted counts, by nearest rank; rules accept a threshold of at most `most`.
fn suggest(sorted: &[u64], most: u64) -> Option<Suggested> {
    let at = |thousandths: usize| {
        let rank = (sorted.len() * thousandths).div_ceil(1000).max(1);
        sorted.get(rank - 1).copied()
    };
    let p99_9 = at(999)?;
    Some(Suggested { threshold: p99_9.clamp(1, most), p50: at(500)?, p90: at(900)?, p99_9 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_suggested_from_all_subjects() {
        assert_eq!(suggest(&[], u64::MAX), None);
        let one = suggest(&[0], u64::MAX).unwrap();
        assert_eq!((one.threshold, one.p50), (1, 0));
        let counts: Vec<u64> = (1..=2000).collect();
        let many = suggest(&counts, u64::MAX).unwrap();
        assert_eq!((many.p50, many.p90, many.p99_9), (1000, 1800, 1998));
    }
}
