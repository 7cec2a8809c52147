//! Sessions that nodes deny because a rule fired, as far as records tell.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ahash::AHashMap;
use api_sessions_extract::NoVariables;
use api_sessions_protocol::{Record, SessionRule};
use api_sessions_rules::{Reaction, Rule};

use api_sessions_store::{ReplayQuery, RequestQuery, Store, StoreError};

/// How far back denials are looked for, milliseconds: a week.
const PERIOD: u64 = 7 * 86_400_000;

/// Newest requests of a session that are looked at.
const NEWEST: usize = 1000;

/// Most denials that are listed.
pub const MAX_DENIALS: usize = 1000;

/// A session that a rule denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDenial {
    /// Session id.
    pub session: String,
    /// Name of the rule.
    pub rule: String,
    /// Start of the request with which it fired, ms since 1970.
    pub since: u64,
    /// End of the denial, ms since 1970.
    pub until: u64,
}

/// The denial of one session that ends last.
///
/// # Errors
/// The error of the store.
pub fn of_session(
    store: &dyn Store,
    session: &str,
    now: u64,
) -> Result<Option<RuleDenial>, StoreError> {
    let query = RequestQuery {
        session: session.to_owned(),
        descending: true,
        limit: NEWEST,
        ..RequestQuery::default()
    };
    let newest = store.requests(&query)?;
    let mut found: Option<RuleDenial> = None;
    for request in newest.items {
        if let Some(denial) = Times::default().denial(&request.record)
            && found.as_ref().is_none_or(|found| found.until < denial.until)
        {
            found = Some(denial);
        }
    }
    let Some(denial) = found.filter(|denial| denial.until > now) else { return Ok(None) };
    let lifted = store.lifted(now.saturating_sub(PERIOD))?;
    let is_lifted = lifted.iter().any(|one| one.session == session && one.ts > denial.since);
    Ok((!is_lifted).then_some(denial))
}

/// All denials in force, the newest first.
///
/// # Errors
/// The error of the store.
pub fn all(store: &dyn Store, now: u64) -> Result<Vec<RuleDenial>, StoreError> {
    let query = ReplayQuery { from: now.saturating_sub(PERIOD), to: now, with_rules: true };
    let lifted: AHashMap<String, u64> =
        store.lifted(query.from)?.into_iter().map(|one| (one.session, one.ts)).collect();
    let (mut times, mut found) = (Times::default(), BTreeMap::<String, RuleDenial>::new());
    store.replay(&query, &mut |request| {
        let Some(denial) = times.denial(&request.record) else { return ControlFlow::Continue(()) };
        let is_lifted = lifted.get(&denial.session).is_some_and(|ts| *ts > denial.since);
        let ends_later = found.get(&denial.session).is_none_or(|other| other.until < denial.until);
        if denial.until > now && !is_lifted && ends_later {
            found.insert(denial.session.clone(), denial);
        }
        ControlFlow::Continue(())
    })?;
    let mut all: Vec<RuleDenial> = found.into_values().collect();
    all.sort_by_key(|denial| std::cmp::Reverse(denial.since));
    all.truncate(MAX_DENIALS);
    Ok(all)
}

/// Times of denials by the text of reactions, which are few.
#[derive(Default)]
struct Times(AHashMap<String, Option<u64>>);

impl Times {
    /// The denial that began with a request.
    fn denial(&mut self, record: &Record<'_>) -> Option<RuleDenial> {
        // Of requests that the denylist refused, the count is 0.
        let fired = record.rules.iter().filter(|hit| hit.enforced && hit.count > 0);
        fired
            .filter_map(|hit| {
                Some(RuleDenial {
                    session: record.session.to_string(),
                    rule: hit.name.to_string(),
                    since: record.ts,
                    until: record.ts.saturating_add(self.of(&hit.then)?),
                })
            })
            .max_by_key(|denial| denial.until)
    }

    fn of(&mut self, then: &str) -> Option<u64> {
        if let Some(known) = self.0.get(then) {
            return *known;
        }
        let text = SessionRule {
            name: "any".into(),
            over: "1/1m".into(),
            then: Some(then.to_owned()),
            ..SessionRule::default()
        };
        let rule = Rule::new(text, &mut NoVariables).ok();
        let time = rule.and_then(|rule| {
            rule.reaction(|reaction| match reaction {
                Reaction::Deny(ms) => Some(*ms),
                _ => None,
            })
        });
        // What records say may be anything.
        if self.0.len() < 1000 {
            self.0.insert(then.to_owned(), time);
        }
        time
    }
}
