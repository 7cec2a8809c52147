//! Aggregates over many sessions: frequent values, and users.
//!
//! Computed from a session list, so that both store engines return the same. Covers at most [`MAX_AGGREGATED_SESSIONS`] sessions:
//! the most recently active ones.

use ahash::AHashMap;
use api_sessions_store::{
    Filter, SessionPage, SessionQuery, SessionSummary, Sort, Store, StoreError, UserPart,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::limits::{MAX_AGGREGATED_SESSIONS, MAX_COUNTED_REQUESTS, MAX_FACET_VALUES};

/// The sessions that match, most recently active first.
///
/// # Errors
/// [`StoreError`]
pub fn matching(store: &dyn Store, filter: Filter) -> Result<SessionPage, StoreError> {
    store.sessions(&SessionQuery {
        filter,
        sort: Sort::LastTs,
        ascending: false,
        limit: MAX_AGGREGATED_SESSIONS,
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
const FACETS: [(&str, Values); 9] = [
    ("application", |session| &session.applications),
    ("host", |session| &session.hosts),
    ("attack", |session| &session.attack_types),
    ("user", |session| &session.users),
    ("role", |session| &session.roles),
    ("ip", |session| &session.ips),
    ("country", |session| &session.countries),
    ("organisation", |session| &session.organisations),
    // The stable form tells clients apart; the plain one changes within a visit.
    ("ja4", |session| match session.ja4_stable.as_slice() {
        [] => &session.ja4,
        stable => stable,
    }),
];

/// The facets of `sessions`; those without a value are absent.
pub fn facets(sessions: &[SessionSummary]) -> Vec<Facet> {
    let facet = |(name, values): (&'static str, Values)| {
        let values = count(sessions.iter().flat_map(values));
        let distinct = values.len() as u64;
        let values = values.into_iter().take(MAX_FACET_VALUES).collect();
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

/// A user and what they did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserSummary {
    /// The user.
    pub user: String,
    /// Sessions that had this user in any request.
    pub sessions: u64,
    /// Requests of the user; of a session that had other requests too, those among its newest 200.
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

/// The users of `sessions` with what they did in them, most recently active first. Requests under other users, and those
/// before a login, count for nobody.
///
/// # Errors
/// [`StoreError`]
pub fn users(
    store: &dyn Store,
    sessions: &[SessionSummary],
) -> Result<Vec<UserSummary>, StoreError> {
    // Where every request has the same user, the totals of the session are the user's.
    let (whole, mixed): (Vec<_>, Vec<_>) = sessions
        .iter()
        .filter(|session| !session.users.is_empty())
        .partition(|session| session.users.len() == 1 && session.with_user == session.requests);
    let mixed: Vec<String> = mixed.into_iter().map(|session| session.session.clone()).collect();
    let mut parts = store.user_parts(&mixed, MAX_COUNTED_REQUESTS)?;
    parts.extend(whole.into_iter().map(|session| UserPart {
        session: session.session.clone(),
        user: session.users.concat(),
        requests: session.requests,
        attacks: session.attacks,
        denied: session.denied,
        first_ts: session.first_ts,
        last_ts: session.last_ts,
        ips: session.ips.iter().cloned().collect(),
    }));
    let mut by_user: AHashMap<&String, Vec<&UserPart>> = AHashMap::new();
    for part in &parts {
        by_user.entry(&part.user).or_default().push(part);
    }
    let mut all: Vec<UserSummary> =
        by_user.into_iter().map(|(user, parts)| UserSummary::of(user.clone(), &parts)).collect();
    all.sort_by(|a, b| b.last_ts.cmp(&a.last_ts).then_with(|| a.user.cmp(&b.user)));
    Ok(all)
}

impl UserSummary {
    /// The totals of a user's parts of sessions.
    fn of(user: String, parts: &[&UserPart]) -> UserSummary {
        let ips = count(parts.iter().flat_map(|part| &part.ips));
        let sum = |value: fn(&UserPart) -> u64| parts.iter().map(|one| value(one)).sum();
        UserSummary {
            user,
            sessions: parts.len() as u64,
            requests: sum(|part| part.requests),
            attacks: sum(|part| part.attacks),
            denied: sum(|part| part.denied),
            first_ts: parts.iter().map(|one| one.first_ts).min().unwrap_or_default(),
            last_ts: parts.iter().map(|one| one.last_ts).max().unwrap_or_default(),
            ip_count: ips.len() as u64,
            ips: ips.into_iter().take(MAX_FACET_VALUES).map(|ip| ip.value).collect(),
        }
    }
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
    fn values_are_counted_by_session() {
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
    }
}
