//! The figures of keys within a period, for the API and the Console.

use std::collections::BTreeMap;

use api_sessions_extract::builtin::{self, Rule};
use api_sessions_extract::{NoVariables, Point};
use api_sessions_key_facts::{ClosedKey, Kind, Spread, Summary, Verdict, evidence, rank};
use api_sessions_protocol::Parameter;
use api_sessions_store::{KeyDecisions, KeyOf, Store, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::closed_windows;
use crate::limits::{MAX_OVERVIEW_WINDOWS, MAX_RECENT_WINDOWS};

/// Default period, milliseconds: a day.
pub const DEFAULT_PERIOD: u64 = 86_400_000;

/// Keys and candidates.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct KeyOverview {
    /// Ordered by application; then keys in use, suggestions (best first) and other candidates.
    pub keys: Vec<KeyFigures>,
}

/// The figures of a key.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeyFigures {
    /// The application; absent: requests without one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub application: String,
    /// Its label, or the point of a candidate.
    pub name: String,
    /// `own`, `builtin`, `candidate`, `ip_ua` or `ip`.
    pub kind: String,
    /// The point that reads it, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point: Option<String>,
    /// Number of successful requests that carry it.
    pub requests: u64,
    /// Number of requests that it grouped.
    pub grouped: u64,
    /// Share of the application's successful requests, 0 to 1.
    pub coverage: f64,
    /// Estimated number of sessions that it makes, or would make.
    pub sessions: u64,
    /// Number of values per client within an hour.
    pub values_per_client: ValuesPerClient,
    /// Number of clients per value within a window.
    pub clients_per_value: ClientsPerValue,
    /// Number of users per value (median).
    pub users_per_value: u32,
    /// `good`, `volatile`, `shared` or `too_little`.
    pub verdict: String,
    /// Start of the window since which the verdict stands, ms since 1970; 0: none yet.
    pub since: u64,
    /// The reasons for the verdict, in words.
    pub evidence: Vec<String>,
    /// Whether it is suggested as a key.
    pub suggested: bool,
    /// Whether it is demoted, so that nodes do not use it.
    pub demoted: bool,
}

/// Number of values per client.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ValuesPerClient {
    /// Median.
    pub p50: u32,
    /// 90th percentile.
    pub p90: u32,
}

/// Number of clients per value.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ClientsPerValue {
    /// Median.
    pub p50: u32,
    /// 90th percentile.
    pub p90: u32,
    /// Maximum, up to 16.
    pub max: u32,
}

impl From<Spread> for ValuesPerClient {
    fn from(Spread { p50, p90, .. }: Spread) -> Self {
        Self { p50, p90 }
    }
}

impl From<Spread> for ClientsPerValue {
    fn from(Spread { p50, p90, max }: Spread) -> Self {
        Self { p50, p90, max }
    }
}

/// A key of an application.
type Name = (String, Kind, String);

/// The figures of an application's keys, or of all, in windows that started between two times (ms since
/// 1970).
///
/// # Errors
/// The error of the store.
pub fn read(
    store: &dyn Store,
    application: Option<&str>,
    from: u64,
    to: u64,
) -> Result<KeyOverview, StoreError> {
    // Before the windows: a key is demoted once the window that decided it is stored.
    let (decisions, parameters) = (store.key_decisions()?, store.parameters()?.parameters);
    let mut requests: BTreeMap<String, u64> = BTreeMap::new();
    // Totals, the last window, and the figures of the last window with the verdict that stands.
    let mut keys: BTreeMap<Name, (Summary, ClosedKey, Summary)> = BTreeMap::new();
    for window in closed_windows(store, application, from, to, MAX_OVERVIEW_WINDOWS)? {
        *requests.entry(window.application.clone()).or_default() += window.requests;
        for key in window.keys {
            let name = (window.application.clone(), key.kind, key.name.clone());
            match keys.get_mut(&name) {
                Some((summary, last, judged)) => {
                    summary.merge(&key.summary);
                    if key.verdict == key.standing.verdict {
                        *judged = key.summary.clone();
                    }
                    *last = key;
                }
                None => {
                    let summary = key.summary.clone();
                    keys.insert(name, (summary.clone(), key, summary));
                }
            }
        }
    }
    let mut ordered: Vec<_> = keys
        .into_iter()
        .map(|((application, kind, name), (mut summary, mut last, judged))| {
            last.summary = judged;
            summary.requests = requests.get(&application).copied().unwrap_or_default();
            let order = (kind == Kind::Candidate, !last.suggested, rank(&name, &summary));
            let order = (application.clone(), order);
            (order, figures(application, kind, &summary, &last, &decisions, &parameters))
        })
        .collect();
    ordered.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(KeyOverview { keys: ordered.into_iter().map(|(_, figures)| figures).collect() })
}

fn figures(
    application: String,
    kind: Kind,
    summary: &Summary,
    last: &ClosedKey,
    decisions: &KeyDecisions,
    parameters: &[Parameter],
) -> KeyFigures {
    let of = KeyOf { application, name: last.name.clone() };
    let point = point(kind, &last.name, parameters);
    let is_adopted = parameters
        .iter()
        .any(|parameter| parameter.group && Some(&parameter.point) == point.as_ref());
    let is_dismissed = decisions.dismissed.contains(&of);
    KeyFigures {
        kind: kind.as_str().to_owned(),
        requests: summary.present,
        grouped: summary.decided,
        coverage: summary.coverage(),
        sessions: summary.sessions,
        values_per_client: last.summary.values_per_client.into(),
        clients_per_value: last.summary.clients_per_value.into(),
        users_per_value: last.summary.users_per_value,
        verdict: last.standing.verdict.as_str().to_owned(),
        since: last.standing.since,
        evidence: evidence(kind, &last.summary),
        suggested: last.suggested && !is_adopted && !is_dismissed,
        demoted: is_demoted(decisions, &of.application, &of.name) && kind == Kind::Builtin,
        application: of.application,
        name: of.name,
        point,
    }
}

/// Whether a built-in key is demoted.
pub fn is_demoted(decisions: &KeyDecisions, application: &str, name: &str) -> bool {
    let is_it =
        |key: &api_sessions_protocol::DemotedKey| key.application == application && key.key == name;
    decisions.demoted.iter().any(is_it)
}

/// The point that reads a key, if the cloud knows it.
pub fn point(kind: Kind, name: &str, parameters: &[Parameter]) -> Option<String> {
    let place = |place: &str, name: &str| Some(api_sessions_key_facts::quoted_point(place, name));
    match kind {
        Kind::Candidate => Some(name.to_owned()),
        Kind::Own => {
            let is_it = |parameter: &&Parameter| {
                parameter.name.as_deref().unwrap_or(&parameter.point) == name
            };
            let known = parameters.iter().find(is_it).map(|parameter| parameter.point.clone());
            // The label of a key without a name is its point.
            let is_point = || name.contains('$') || Point::parse(name, &mut NoVariables).is_ok();
            known.or_else(|| is_point().then(|| name.to_owned()))
        }
        Kind::Builtin => {
            let entry = builtin::TABLE.iter().find(|entry| entry.name == name)?;
            match entry.rule {
                Rule::Cookie(_) | Rule::CookieExact(_) | Rule::CookieExcept { .. } => {
                    place("cookie", name)
                }
                Rule::Header(header) => place("header", header),
                Rule::Query(argument) => place("query", argument),
                _ => None,
            }
        }
        Kind::IpUa | Kind::Ip => None,
    }
}

/// The standing verdict on a key, from the newest windows within a day of `ts` (ms since 1970).
///
/// # Errors
/// The error of the store.
pub fn verdict(
    store: &dyn Store,
    application: &str,
    kind: Kind,
    name: &str,
    ts: u64,
) -> Result<Option<(Verdict, Summary)>, StoreError> {
    let (from, to) = (ts.saturating_sub(DEFAULT_PERIOD), ts.saturating_add(DEFAULT_PERIOD));
    let windows = closed_windows(store, Some(application), from, to, MAX_RECENT_WINDOWS)?;
    let key = windows.into_iter().rev().find_map(|window| {
        window.keys.into_iter().find(|key| key.kind == kind && key.name == name)
    });
    Ok(key.map(|key| (key.standing.verdict, key.summary)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_key_was_taken_for_its_point() {
        let of = |label: &str| point(Kind::Own, label, &[]);
        for label in ["region", "request.nothing", "user"] {
            assert_eq!(of(label), None, "{label}");
        }
        for label in ["request.cookie.sid", "$remote_user"] {
            assert_eq!(of(label).as_deref(), Some(label));
        }
    }
}
