//! One user: totals and frequent values of their sessions, and denial of the current ones.

use ahash::{AHashMap, AHashSet};
use api_sessions_protocol::{DenyEntry, SessionId};
use api_sessions_store::{Filter, SessionSummary, Store, StoreError, StoredRequest};
use serde::Serialize;
use utoipa::ToSchema;

use crate::aggregate::{self, UserSummary};
use crate::limits::{MAX_COUNTED_REQUESTS, MAX_FACET_VALUES, MAX_USER_SESSIONS, MAX_USER_VALUES};

/// Sessions whose requests are read at once.
const AT_ONCE: usize = 25;

/// Kinds of values that are counted, as named in a session's detail.
const KINDS: [&str; 10] = [
    "ua",
    "ja4",
    "ip",
    "country",
    "asn",
    "organisation",
    "application",
    "host",
    "method",
    "endpoint",
];

/// A value of the requests of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct UserValue {
    /// Kind of the value.
    pub kind: &'static str,
    /// The value.
    pub value: String,
    /// Number of sessions with it.
    pub sessions: u64,
    /// Number of requests with it.
    pub requests: u64,
    /// Start of the oldest of these, ms since 1970.
    pub first_ts: u64,
    /// Start of the newest of these, ms since 1970.
    pub last_ts: u64,
}

/// Numbers of failed requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Failures {
    /// 401 and 403.
    pub refused: u64,
    /// Other 4xx.
    pub client: u64,
    /// 5xx.
    pub server: u64,
}

/// A user: the sessions that had this user in some request, at most the 1000 most recently active ones, and what the
/// user did in the first 100 of them. What these sessions did under other users, or before the login, is not counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct UserDetail {
    /// Totals of the user's own requests.
    #[serde(flatten)]
    pub summary: UserSummary,
    /// Number of sessions whose most recent user this is.
    pub present: u64,
    /// Sessions in which the requests of the user are counted: the most recently active ones.
    #[schema(maximum = 100)]
    pub detailed: u64,
    /// Of these, sessions in which only the newest 200 requests of the user are counted. Absent if there are none.
    #[serde(skip_serializing_if = "is_zero")]
    pub cut: u64,
    /// Failed requests.
    pub failures: Failures,
    /// Their values by kind (`ua`, `ja4`, `ip`, `country`, `asn`, `organisation`, `application`, `host`, `method`,
    /// `endpoint`), most sessions first, at most 50 of a kind.
    pub values: Vec<UserValue>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A user, and the sessions that had this user, most recently active first; `None`: there are none.
///
/// # Errors
/// [`StoreError`]
pub fn find(
    store: &dyn Store,
    user: &str,
) -> Result<Option<(UserDetail, Vec<SessionSummary>)>, StoreError> {
    let filter = Filter { user: Some(user.to_owned()), ..Filter::default() };
    let page = aggregate::matching(store, filter.clone())?;
    if page.sessions.is_empty() {
        return Ok(None);
    }
    let summary = UserSummary {
        user: user.to_owned(),
        sessions: page.sessions.len() as u64,
        first_ts: u64::MAX,
        ..UserSummary::default()
    };
    let mut detail = UserDetail {
        summary,
        present: page.sessions.iter().filter(|session| is_present(session, user)).count() as u64,
        incomplete: page.incomplete,
        ..UserDetail::default()
    };
    let mut values: AHashMap<(&'static str, String), UserValue> = AHashMap::new();
    let newest = page.sessions.get(..MAX_USER_SESSIONS).unwrap_or(&page.sessions);
    for chunk in newest.chunks(AT_ONCE) {
        let ids: Vec<String> = chunk.iter().map(|session| session.session.clone()).collect();
        for of_session in store.newest(&ids, &filter, MAX_COUNTED_REQUESTS)? {
            // One that retention has just deleted is left out.
            detail.detailed += u64::from(!of_session.items.is_empty());
            detail.cut += u64::from(of_session.items.len() >= MAX_COUNTED_REQUESTS);
            let mut in_session = AHashSet::new();
            for request in &of_session.items {
                detail.add(request);
                for (kind, text) in values_of(request) {
                    let key = (kind, text.to_owned());
                    let value = values.entry(key.clone()).or_insert_with(|| UserValue {
                        kind,
                        value: text.to_owned(),
                        first_ts: u64::MAX,
                        ..UserValue::default()
                    });
                    value.sessions += u64::from(in_session.insert(key));
                    value.requests += 1;
                    value.first_ts = value.first_ts.min(request.record.ts);
                    value.last_ts = value.last_ts.max(request.record.ts);
                }
            }
        }
    }
    detail.summary.first_ts = detail.summary.first_ts.min(detail.summary.last_ts);
    detail.summary.ip_count = values.keys().filter(|(kind, _)| *kind == "ip").count() as u64;
    detail.values = frequent(values.into_values().collect());
    let ips = detail.values.iter().filter(|value| value.kind == "ip");
    detail.summary.ips = ips.take(MAX_FACET_VALUES).map(|value| value.value.clone()).collect();
    Ok(Some((detail, page.sessions)))
}

impl UserDetail {
    /// Counts a request of the user.
    fn add(&mut self, StoredRequest { record, .. }: &StoredRequest) {
        let (summary, failures) = (&mut self.summary, &mut self.failures);
        summary.requests += 1;
        summary.attacks += u64::from(!record.attacks.is_empty());
        summary.denied += u64::from(record.denied);
        summary.first_ts = summary.first_ts.min(record.ts);
        summary.last_ts = summary.last_ts.max(record.ts);
        match record.status {
            401 | 403 => failures.refused += 1,
            400..500 => failures.client += 1,
            500..600 => failures.server += 1,
            _ => {}
        }
    }
}

/// The values of a request, with their kinds.
fn values_of(request: &StoredRequest) -> impl Iterator<Item = (&'static str, &str)> {
    let StoredRequest { record, endpoint, .. } = request;
    let values = [
        record.ua.as_deref(),
        record.ja4.as_deref(),
        Some(&*record.ip),
        record.country.as_deref(),
        record.asn.as_deref(),
        record.organisation.as_deref(),
        record.app.as_deref(),
        record.host.as_deref(),
        Some(&*record.method),
        Some(endpoint.as_str()),
    ];
    KINDS.into_iter().zip(values).filter_map(|(kind, value)| Some((kind, value?)))
}

/// The values in the order of their kinds, most sessions first, without those beyond the limit.
fn frequent(mut values: Vec<UserValue>) -> Vec<UserValue> {
    let rank = |value: &UserValue| KINDS.iter().position(|kind| *kind == value.kind);
    values.sort_by(|a, b| {
        let by_count = (b.sessions, b.requests).cmp(&(a.sessions, a.requests));
        rank(a).cmp(&rank(b)).then(by_count).then_with(|| a.value.cmp(&b.value))
    });
    let (mut kind, mut seen) = ("", 0);
    values.retain(|value| {
        seen = if value.kind == kind { seen + 1 } else { 1 };
        kind = value.kind;
        seen <= MAX_USER_VALUES
    });
    values
}

fn is_present(session: &SessionSummary, user: &str) -> bool {
    session.user.as_deref() == Some(user)
}

/// Denies the sessions whose most recent user this is, each with a copy of `entry`. A session whose entry already
/// denies as much keeps it. Returns the sessions that this call denied, and the number of those that nodes cannot deny.
///
/// # Errors
/// [`StoreError`]
pub fn deny(
    store: &dyn Store,
    user: &str,
    entry: &DenyEntry,
) -> Result<(Vec<String>, u64), StoreError> {
    let filter = Filter { user: Some(user.to_owned()), ..Filter::default() };
    let sessions = aggregate::matching(store, filter)?.sessions;
    let present: Vec<&str> = sessions
        .iter()
        .filter(|session| is_present(session, user))
        .map(|session| session.session.as_str())
        .collect();
    let known = store.denied(&present, entry.since)?;
    let (mut denied, mut impossible) = (Vec::new(), 0);
    for session in present {
        if session.parse::<SessionId>().is_err() {
            impossible += 1;
        } else if !known.iter().any(|known| known.session == session && covers(known, entry)) {
            store.deny(&DenyEntry { session: session.to_owned(), ..entry.clone() })?;
            denied.push(session.to_owned());
        }
    }
    Ok((denied, impossible))
}

/// Whether `known` denies at least as much as `entry`.
fn covers(known: &DenyEntry, entry: &DenyEntry) -> bool {
    let lasts = match (known.until, entry.until) {
        (None, _) => true,
        (Some(known), Some(wanted)) => known >= wanted,
        (Some(_), None) => false,
    };
    let everywhere = known.applications.is_empty();
    let is_part = |name: &String| known.applications.contains(name);
    lasts
        && (everywhere || !entry.applications.is_empty() && entry.applications.iter().all(is_part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_kept_only_if_it_denies_as_much() {
        let entry = |until, applications: &[&str]| DenyEntry {
            until,
            applications: applications.iter().map(|name| (*name).to_owned()).collect(),
            ..DenyEntry::default()
        };
        assert!(covers(&entry(None, &[]), &entry(Some(5), &["shop"])));
        assert!(covers(&entry(Some(5), &["shop", "blog"]), &entry(Some(5), &["shop"])));
        assert!(!covers(&entry(Some(4), &[]), &entry(Some(5), &[])));
        assert!(!covers(&entry(Some(5), &[]), &entry(None, &[])));
        assert!(!covers(&entry(None, &["shop"]), &entry(Some(5), &[])));
        assert!(!covers(&entry(None, &["shop"]), &entry(Some(5), &["blog"])));
    }

    #[test]
    fn no_more_values_than_the_limit_are_kept_of_a_kind() {
        let of = |kind, n: u64| UserValue {
            kind,
            value: n.to_string(),
            sessions: n,
            ..UserValue::default()
        };
        let all = (0..60).map(|n| of("ip", n)).chain([of("ua", 1)]).collect();
        let kept = frequent(all);
        assert_eq!((kept.len(), kept[0].kind, kept[1].sessions), (MAX_USER_VALUES + 1, "ua", 59));
    }
}
