//! What was measured of keys within a period, for the API and the Console.

use std::collections::BTreeMap;

use api_sessions_extract::builtin::{self, Rule};
use api_sessions_key_facts::{ClosedKey, Kind, Spread, Summary, Verdict, evidence, rank};
use api_sessions_protocol::Parameter;
use api_sessions_store::{KeyDecisions, KeyOf, Store, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::closed_windows;

/// Period that is shown if none is given, milliseconds: a day.
pub const DEFAULT_PERIOD: u64 = 86_400_000;
/// Most windows that are read: the newest.
const MAX_WINDOWS: usize = 2000;
/// Windows in which a verdict is looked for.
const MAX_RECENT: usize = 12;

/// Keys and candidates.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct KeyOverview {
    /// By application: keys in use, then suggestions, best first, then other candidates.
    pub keys: Vec<KeyFigures>,
}

/// What was measured of a key.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct KeyFigures {
    /// The application; absent: requests that have none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub application: String,
    /// Its label, or the point of a candidate.
    pub name: String,
    /// `own`, `builtin`, `candidate`, `ip_ua` or `ip`.
    pub kind: String,
    /// The point that reads it, if that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point: Option<String>,
    /// Successful requests that have it.
    pub requests: u64,
    /// Requests that were grouped by it.
    pub grouped: u64,
    /// Share of the application's successful requests, 0 to 1.
    pub coverage: f64,
    /// Sessions that it makes, or would make; estimated.
    pub sessions: u64,
    /// Values of a client within an hour.
    pub values_per_client: ValuesPerClient,
    /// Clients of a value within a window.
    pub clients_per_value: ClientsPerValue,
    /// Users of a value (median).
    pub users_per_value: u32,
    /// `good`, `volatile`, `shared` or `too_little`.
    pub verdict: String,
    /// Start of the window with which the verdict began, ms since 1970; 0: none yet.
    pub since: u64,
    /// What the verdict rests on.
    pub evidence: Vec<String>,
    /// It would be a key.
    pub suggested: bool,
    /// Nodes do not use it.
    pub demoted: bool,
}

/// Values of a client.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ValuesPerClient {
    /// Median.
    pub p50: u32,
    /// 90 % of clients have no more.
    pub p90: u32,
}

/// Clients of a value.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub struct ClientsPerValue {
    /// Median.
    pub p50: u32,
    /// 90 % of values have no more.
    pub p90: u32,
    /// The most, up to 16.
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

/// What was measured of the keys of an application, or of all, in windows that began between two times (ms since
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
    let mut requests: BTreeMap<String, u64> = BTreeMap::new();
    let mut keys: BTreeMap<Name, (Summary, ClosedKey)> = BTreeMap::new();
    for window in closed_windows(store, application, from, to, MAX_WINDOWS)? {
        *requests.entry(window.application.clone()).or_default() += window.requests;
        for key in window.keys {
            let name = (window.application.clone(), key.kind, key.name.clone());
            match keys.get_mut(&name) {
                Some((summary, last)) => {
                    summary.merge(&key.summary);
                    *last = key;
                }
                None => {
                    keys.insert(name, (key.summary.clone(), key));
                }
            }
        }
    }
    let (decisions, parameters) = (store.key_decisions()?, store.parameters()?.parameters);
    let mut ordered: Vec<_> = keys
        .into_iter()
        .map(|((application, kind, name), (mut summary, last))| {
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

/// Whether nodes do not use a built-in key.
pub fn is_demoted(decisions: &KeyDecisions, application: &str, name: &str) -> bool {
    let is_it =
        |key: &api_sessions_protocol::DemotedKey| key.application == application && key.key == name;
    decisions.demoted.iter().any(is_it)
}

/// The point that reads a key, as far as the cloud knows it.
pub fn point(kind: Kind, name: &str, parameters: &[Parameter]) -> Option<String> {
    let place = |place: &str, name: &str| Some(api_sessions_key_facts::quoted_point(place, name));
    match kind {
        Kind::Candidate => Some(name.to_owned()),
        Kind::Own => {
            let is_it = |parameter: &&Parameter| {
                parameter.name.as_deref().unwrap_or(&parameter.point) == name
            };
            let known = parameters.iter().find(is_it).map(|parameter| parameter.point.clone());
            // Without a name, its label is the point.
            known.or_else(|| name.starts_with("re").then(|| name.to_owned()))
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

/// The verdict on a key that stands, as the newest windows within a day of `ts` (ms since 1970) say.
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
    let windows = closed_windows(store, Some(application), from, to, MAX_RECENT)?;
    let key = windows.into_iter().rev().find_map(|window| {
        window.keys.into_iter().find(|key| key.kind == kind && key.name == name)
    });
    Ok(key.map(|key| (key.standing.verdict, key.summary)))
}
