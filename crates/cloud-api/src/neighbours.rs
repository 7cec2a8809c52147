//! What sessions request before and after an endpoint, and the rules that fire there, counted in a sample of its
//! sessions.

use std::collections::{BTreeMap, BTreeSet};

use api_sessions_store::{Filter, RequestQuery, SessionQuery, Store, StoreError, StoredRequest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::limits::{
    MAX_NEIGHBOURS, MAX_SAMPLED_PAGES, MAX_SAMPLED_REQUESTS, MAX_SAMPLED_SESSIONS,
};

/// An endpoint of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Application; `None`: any.
    pub application: Option<String>,
    /// Method; `None`: any.
    pub method: Option<String>,
    /// Template of the path.
    pub endpoint: String,
    /// Earliest start of a request, ms since 1970.
    pub from: Option<u64>,
    /// Latest start of a request, ms since 1970.
    pub to: Option<u64>,
}

impl Wanted {
    fn is(&self, request: &StoredRequest) -> bool {
        let record = &request.record;
        request.endpoint == self.endpoint
            && self.method.as_deref().is_none_or(|method| record.method == method)
            && self.application.as_deref().is_none_or(|name| record.app.as_deref() == Some(name))
    }
}

/// A request before or after the endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Neighbour {
    /// Its method.
    pub method: String,
    /// Template of its path.
    pub endpoint: String,
    /// Number of times it is the neighbour.
    pub requests: u64,
    /// Share of all requests to the endpoint, 0 to 1.
    pub share: f64,
}

/// A rule over sessions that fired on requests to the endpoint, or refused them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleAt {
    /// Name of the rule.
    pub name: String,
    /// Number of requests that made it fire or that it refused.
    pub requests: u64,
    /// Number of these requests against which it was enforced.
    pub enforced: u64,
}

/// The requests before and after an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Neighbours {
    /// Number of sessions in the sample: the most recently active ones with a request to the endpoint.
    #[schema(maximum = 50)]
    pub sessions: u64,
    /// Number of requests to the endpoint in these sessions.
    pub requests: u64,
    /// Number of these requests that are the first of their session.
    pub first: u64,
    /// Number of these requests that are the last of their session so far.
    pub last: u64,
    /// The requests before, most frequent first; at most 10.
    pub before: Vec<Neighbour>,
    /// The requests after, most frequent first; at most 10.
    pub after: Vec<Neighbour>,
    /// Rules, most frequent first.
    pub rules: Vec<RuleAt>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

/// Counts by method and endpoint.
type Counts = BTreeMap<(String, String), u64>;

/// Reads the sample.
///
/// # Errors
/// [`StoreError`]
pub fn find(store: &dyn Store, wanted: &Wanted) -> Result<Neighbours, StoreError> {
    let filter = Filter {
        endpoint: Some(wanted.endpoint.clone()),
        method: wanted.method.clone(),
        application: wanted.application.clone(),
        from: wanted.from,
        to: wanted.to,
        ..Filter::default()
    };
    let mut query = SessionQuery { filter, limit: MAX_SAMPLED_SESSIONS, ..SessionQuery::default() };
    let period = Filter { from: wanted.from, to: wanted.to, ..Filter::default() };
    let mut found = Neighbours::default();
    let (mut sessions, mut missing) = (Vec::new(), BTreeSet::new());
    // Several pages, since the filter also matches parts of endpoints, and a method and an endpoint of different
    // requests.
    for _ in 0..MAX_SAMPLED_PAGES {
        let page = store.sessions(&query)?;
        missing.extend(page.incomplete);
        sessions.extend(page.sessions);
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    let (mut before, mut after) = (Counts::new(), Counts::new());
    let mut rules: BTreeMap<String, RuleAt> = BTreeMap::new();
    for session in sessions {
        if found.sessions >= MAX_SAMPLED_SESSIONS as u64 {
            break;
        }
        let query = RequestQuery {
            session: session.session,
            filter: period.clone(),
            descending: true,
            limit: MAX_SAMPLED_REQUESTS,
            cursor: None,
        };
        let page = store.requests(&query)?;
        missing.extend(page.incomplete);
        let is_whole = page.next.is_none();
        let mut requests = page.items;
        requests.reverse();
        let mut has_one = false;
        for (at, request) in requests.iter().enumerate().filter(|(_, one)| wanted.is(one)) {
            has_one = true;
            found.requests += 1;
            match at.checked_sub(1).and_then(|at| requests.get(at)) {
                Some(one) => count(&mut before, one),
                // In a longer session, the oldest request read is not the first.
                None => found.first += u64::from(is_whole),
            }
            match requests.get(at + 1) {
                Some(one) => count(&mut after, one),
                None => found.last += 1,
            }
            for hit in &request.record.rules {
                let rule = rules.entry(hit.name.to_string()).or_default();
                rule.requests += 1;
                rule.enforced += u64::from(hit.enforced);
            }
        }
        found.sessions += u64::from(has_one);
    }
    found.incomplete = missing.into_iter().collect();
    found.before = frequent(before, found.requests);
    found.after = frequent(after, found.requests);
    found.rules = rules.into_iter().map(|(name, rule)| RuleAt { name, ..rule }).collect();
    found.rules.sort_by_key(|rule| std::cmp::Reverse(rule.requests));
    Ok(found)
}

fn count(counts: &mut Counts, request: &StoredRequest) {
    let name = (request.record.method.to_string(), request.endpoint.clone());
    *counts.entry(name).or_default() += 1;
}

fn frequent(counts: Counts, all: u64) -> Vec<Neighbour> {
    let neighbour = |((method, endpoint), requests): ((String, String), u64)| Neighbour {
        method,
        endpoint,
        requests,
        share: requests as f64 / all.max(1) as f64,
    };
    let mut found: Vec<Neighbour> = counts.into_iter().map(neighbour).collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.requests));
    found.truncate(MAX_NEIGHBOURS);
    found
}
