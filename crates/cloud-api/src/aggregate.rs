//! Aggregates over many sessions: frequent values, and users.
//!
//! Computed from a session list, so that both store engines return the same. Covers at most [`MAX_COUNTED`] sessions:
//! the most recently active ones.

use ahash::AHashMap;
use api_sessions_store::{
    Filter, SessionPage, SessionQuery, SessionSummary, Sort, Store, StoreError,
};
use serde::Serialize;
use utoipa::ToSchema;

/// Maximum number of sessions that are counted.
pub const MAX_COUNTED: usize = 1000;

/// Maximum number of values per facet.
pub const MAX_VALUES: usize = 10;

/// The sessions that match, most recently active first.
///
/// # Errors
/// [`StoreError`]
pub fn matching(store: &dyn Store, filter: Filter) -> Result<SessionPage, StoreError> {
    store.sessions(&SessionQuery {
        filter,
        sort: Sort::LastTs,
        ascending: false,
        limit: MAX_COUNTED,
        cursor: None,
    })
}

/// A value and the number of sessions that have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FacetValue {
    /// The value.
    pub value: String,
    /// Number of sessions with it.
    pub sessions: u64,
}

/// The most frequent values of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Facet {
    /// Name of the filter.
    pub name: &'static str,
    /// The values, most sessions first; at most 10.
    pub values: Vec<FacetValue>,
    /// Number of distinct values, including those not listed.
    pub distinct: u64,
}

type Values = fn(&SessionSummary) -> &[String];

/// Facets: name of the filter, and its values in a session.
const FACETS: [(&str, Values); 8] = [
    ("application", |session| &session.applications),
    ("host", |session| &session.hosts),
    ("attack", |session| &session.attack_types),
    ("user", |session| &session.users),
    ("role", |session| &session.roles),
    ("ip", |session| &session.ips),
    ("country", |session| &session.countries),
    ("organisation", |session| &session.organisations),
];

/// The facets of `sessions`; those without a value are absent.
pub fn facets(sessions: &[SessionSummary]) -> Vec<Facet> {
    let facet = |(name, values): (&'static str, Values)| {
        let values = count(sessions.iter().flat_map(values));
        let distinct = values.len() as u64;
        let values = values.into_iter().take(MAX_VALUES).collect();
        Facet { name, values, distinct }
    };
    FACETS.into_iter().map(facet).filter(|facet| facet.distinct > 0).collect()
}

/// Distinct values with their counts, most frequent first.
pub fn count<'a>(values: impl Iterator<Item = &'a String>) -> Vec<FacetValue> {
    let mut counts: AHashMap<&String, u64> = AHashMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    let mut all: Vec<FacetValue> = counts
        .into_iter()
        .map(|(value, sessions)| FacetValue { value: value.clone(), sessions })
        .collect();
    all.sort_by(|a, b| b.sessions.cmp(&a.sessions).then_with(|| a.value.cmp(&b.value)));
    all
}

/// A user and the totals of their sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserSummary {
    /// The user.
    pub user: String,
    /// Sessions that had this user in any request.
    pub sessions: u64,
    /// Requests of these, those under other users and without one included.
    pub requests: u64,
    /// Number of malicious requests.
    pub attacks: u64,
    /// Number of denied requests.
    pub denied: u64,
    /// Start of the oldest request, ms since 1970.
    pub first_ts: u64,
    /// Start of the newest request, ms since 1970.
    pub last_ts: u64,
    /// Client addresses, most sessions first; at most 10.
    pub ips: Vec<String>,
    /// Number of distinct client addresses, including those not listed.
    pub ip_count: u64,
}

impl UserSummary {
    /// The totals of `sessions`.
    pub fn of(user: String, sessions: &[&SessionSummary]) -> UserSummary {
        let ips = count(sessions.iter().flat_map(|session| &session.ips));
        let sum = |value: fn(&SessionSummary) -> u64| sessions.iter().map(|one| value(one)).sum();
        UserSummary {
            user,
            sessions: sessions.len() as u64,
            requests: sum(|session| session.requests),
            attacks: sum(|session| session.attacks),
            denied: sum(|session| session.denied),
            first_ts: sessions.iter().map(|one| one.first_ts).min().unwrap_or_default(),
            last_ts: sessions.iter().map(|one| one.last_ts).max().unwrap_or_default(),
            ip_count: ips.len() as u64,
            ips: ips.into_iter().take(MAX_VALUES).map(|ip| ip.value).collect(),
        }
    }
}

/// The users of `sessions`, most recently active first. A session belongs to its most recent user; sessions without a
/// user are skipped.
pub fn users(sessions: &[SessionSummary]) -> Vec<UserSummary> {
    let mut by_user: AHashMap<&String, Vec<&SessionSummary>> = AHashMap::new();
    for session in sessions {
        for user in &session.users {
            by_user.entry(user).or_default().push(session);
        }
    }
    let mut all: Vec<UserSummary> = by_user
        .into_iter()
        .map(|(user, sessions)| UserSummary::of(user.clone(), &sessions))
        .collect();
    all.sort_by(|a, b| b.last_ts.cmp(&a.last_ts).then_with(|| a.user.cmp(&b.user)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(user: Option<&str>, ip: &str, last_ts: u64) -> SessionSummary {
        SessionSummary {
            users: user.into_iter().map(str::to_owned).collect(),
            ips: vec![ip.to_owned()],
            first_ts: last_ts - 1,
            last_ts,
            requests: 2,
            ..SessionSummary::default()
        }
    }

    #[test]
    fn values_and_users_are_counted_by_session() {
        let mut all = [
            session(Some("b"), "192.0.2.1", 5),
            session(Some("a"), "192.0.2.2", 9),
            session(Some("b"), "192.0.2.1", 7),
            session(None, "192.0.2.3", 8),
        ];
        // A session that had another user before.
        all[1].users.push("c".to_owned());
        let facets = facets(&all);
        let names: Vec<_> = facets.iter().map(|facet| facet.name).collect();
        assert_eq!(names, ["user", "ip"]);
        let value = |value: &str, sessions| FacetValue { value: value.into(), sessions };
        assert_eq!(facets[0].values, [value("b", 2), value("a", 1), value("c", 1)]);
        assert_eq!(facets[1].distinct, 3);
        let users = users(&all);
        let names: Vec<_> = users.iter().map(|user| user.user.as_str()).collect();
        assert_eq!(names, ["a", "c", "b"]);
        let b = &users[2];
        assert_eq!((b.sessions, b.requests, b.first_ts, b.last_ts, b.ip_count), (2, 4, 4, 7, 1));
    }
}
