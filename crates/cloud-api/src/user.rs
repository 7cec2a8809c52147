//! One user: totals and frequent values of their sessions, and denial of the current ones.

use ahash::AHashMap;
use api_sessions_protocol::{DenyEntry, SessionId};
use api_sessions_store::{Filter, SessionSummary, Store, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::aggregate::{self, UserSummary};

/// Maximum number of sessions whose values are counted: each needs a lookup.
pub const MAX_DETAILED: usize = 100;

/// Maximum number of values per kind.
pub const MAX_VALUES: usize = 50;

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

/// A value in the sessions of a user.
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
    /// Start of the oldest request of these sessions, ms since 1970.
    pub first_ts: u64,
    /// Start of the newest request of these sessions, ms since 1970.
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

/// A user, over the sessions with a request by this user: the most recently active ones, at most 1000.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct UserDetail {
    /// Totals.
    #[serde(flatten)]
    pub summary: UserSummary,
    /// Number of sessions whose most recent user this is.
    pub present: u64,
    /// Number of sessions whose values and failures are counted: the most recently active ones.
    #[schema(maximum = 100)]
    pub detailed: u64,
    /// Failed requests of these.
    pub failures: Failures,
    /// Their values by kind (`ua`, `ja4`, `ip`, `country`, `asn`, `organisation`, `application`, `host`, `method`,
    /// `endpoint`), most sessions first, at most 50 of a kind.
    pub values: Vec<UserValue>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

/// A user, and the sessions with a request by this user, most recently active first; `None` if there are none.
///
/// # Errors
/// [`StoreError`]
pub fn find(
    store: &dyn Store,
    user: &str,
) -> Result<Option<(UserDetail, Vec<SessionSummary>)>, StoreError> {
    let filter = Filter { user: Some(user.to_owned()), ..Filter::default() };
    let page = aggregate::matching(store, filter)?;
    if page.sessions.is_empty() {
        return Ok(None);
    }
    let all: Vec<&SessionSummary> = page.sessions.iter().collect();
    let mut detail = UserDetail {
        summary: UserSummary::of(user.to_owned(), &all),
        present: page.sessions.iter().filter(|session| is_present(session, user)).count() as u64,
        incomplete: page.incomplete,
        ..UserDetail::default()
    };
    let mut values: AHashMap<(&'static str, String), UserValue> = AHashMap::new();
    for summary in page.sessions.iter().take(MAX_DETAILED) {
        // Retention may just have deleted it.
        let Some(session) = store.session(&summary.session)? else { continue };
        detail.detailed += 1;
        for count in session.by.get("status").into_iter().flatten() {
            let failures = &mut detail.failures;
            match count.value.parse::<u16>() {
                Ok(401 | 403) => failures.refused += count.count,
                Ok(400..500) => failures.client += count.count,
                Ok(500..600) => failures.server += count.count,
                _ => {}
            }
        }
        for kind in KINDS {
            for count in session.by.get(kind).into_iter().flatten() {
                let value =
                    values.entry((kind, count.value.clone())).or_insert_with(|| UserValue {
                        kind,
                        value: count.value.clone(),
                        first_ts: u64::MAX,
                        ..UserValue::default()
                    });
                value.sessions += 1;
                value.requests += count.count;
                value.first_ts = value.first_ts.min(summary.first_ts);
                value.last_ts = value.last_ts.max(summary.last_ts);
            }
        }
    }
    detail.values = frequent(values.into_values().collect());
    Ok(Some((detail, page.sessions)))
}

/// Sorts values by kind, most sessions first, and truncates each kind to [`MAX_VALUES`].
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
        seen <= MAX_VALUES
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
        assert_eq!((kept.len(), kept[0].kind, kept[1].sessions), (MAX_VALUES + 1, "ua", 59));
    }
}
