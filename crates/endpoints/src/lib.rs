//! Endpoints of applications: which are new, unused, or requested by probes only; as an OpenAPI document, and compared
//! with one.

#![forbid(unsafe_code)]

use std::collections::{BTreeMap, HashMap};

use api_sessions_store::endpoints::{Distribution, EndpointStats};
use serde::Serialize;
use utoipa::ToSchema;

mod compare;
pub mod limits;
mod openapi;
mod yaml;

pub use compare::{Comparison, Document, DocumentedOperation, compare};
pub use openapi::describe;

/// Maximum age of a new endpoint, milliseconds: a week.
const NEW_MS: u64 = 7 * 86_400_000;
/// Time after an application's first stored request until its endpoints count as new, milliseconds: a day. Earlier ones
/// may be older than the stored data.
const KNOWN_MS: u64 = 86_400_000;
/// Time without requests after which an endpoint is unused, milliseconds: three days.
const UNUSED_MS: u64 = 3 * 86_400_000;

/// Two percentiles, at most 6 % too low.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Percentiles {
    /// Median.
    pub p50: u64,
    /// 95th percentile.
    pub p95: u64,
}

impl From<&Distribution> for Percentiles {
    fn from(all: &Distribution) -> Percentiles {
        Percentiles { p50: all.percentile(50), p95: all.percentile(95) }
    }
}

/// Requests with one method to one endpoint of an application.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Endpoint {
    /// Application; absent: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// Method.
    pub method: String,
    /// Template of the path, such as `/users/{int}`.
    pub endpoint: String,
    /// Start of the oldest request, ms since 1970.
    pub first_ts: u64,
    /// Start of the newest request, ms since 1970.
    pub last_ts: u64,
    /// Number of requests.
    pub requests: u64,
    /// Number of malicious requests.
    pub attacks: u64,
    /// Number of denied requests.
    pub denied: u64,
    /// Number of sessions with such a request.
    pub sessions: u64,
    /// Number of users with such a request.
    pub users: u64,
    /// Number of requests by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Number of requests by the source of their session (`key`, `builtin`, `link`, `client`, `ip_ua_ja4`, `ip_ua`,
    /// `ip`).
    pub sources: BTreeMap<String, u64>,
    /// Response times, ms.
    pub time_ms: Percentiles,
    /// Response sizes, bytes.
    pub response_bytes: Percentiles,
    /// First seen less than a week ago, and at least a day after the application.
    pub is_new: bool,
    /// Not seen for three days.
    pub is_unused: bool,
    /// Fewer than two sessions received a 2xx.
    pub is_probe: bool,
}

impl Endpoint {
    /// Share of the requests whose session was identified by a key rather than by the address, 0 to 1.
    pub fn by_key(&self) -> f64 {
        let is_address = |source: &str| source.starts_with("ip");
        let keys = self.sources.iter().filter(|(source, _)| !is_address(source));
        keys.map(|(_, count)| count).sum::<u64>() as f64 / self.requests.max(1) as f64
    }
}

/// Assesses `stats` at `now` (ms since 1970), keeping their order.
pub fn assess(stats: Vec<EndpointStats>, now: u64) -> Vec<Endpoint> {
    let mut oldest: HashMap<String, u64> = HashMap::new();
    for one in &stats {
        let first = oldest.entry(one.application.clone()).or_insert(one.first_ts);
        *first = one.first_ts.min(*first);
    }
    let endpoint = |one: EndpointStats| {
        let known = oldest.get(&one.application).map_or(0, |first| first + KNOWN_MS);
        Endpoint {
            is_new: one.first_ts > now.saturating_sub(NEW_MS) && one.first_ts >= known,
            is_unused: one.last_ts < now.saturating_sub(UNUSED_MS),
            is_probe: one.successful_sessions < 2,
            time_ms: (&one.time_ms).into(),
            response_bytes: (&one.response_bytes).into(),
            application: Some(one.application).filter(|name| !name.is_empty()),
            method: one.method,
            endpoint: one.endpoint,
            first_ts: one.first_ts,
            last_ts: one.last_ts,
            requests: one.requests,
            attacks: one.attacks,
            denied: one.denied,
            sessions: one.sessions,
            users: one.users,
            statuses: one.statuses,
            sources: one.sources,
        }
    };
    stats.into_iter().map(endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_new_unused_or_a_probe() {
        let day = 86_400_000;
        let now = 100 * day;
        let of =
            |application: &str, endpoint: &str, first: u64, last: u64, successful| EndpointStats {
                application: application.into(),
                endpoint: endpoint.into(),
                first_ts: first * day / 2,
                last_ts: last * day / 2,
                successful_sessions: successful,
                ..EndpointStats::default()
            };
        let all = assess(
            vec![
                of("a", "/old", 180, 200, 2),
                of("a", "/as old as what is stored", 181, 193, 2),
                of("a", "/new", 190, 200, 2),
                of("a", "/.env", 199, 200, 1),
                of("b", "/all of b began yesterday", 198, 200, 2),
            ],
            now,
        );
        let found: Vec<_> = all
            .iter()
            .map(|one| (one.endpoint.as_str(), one.is_new, one.is_unused, one.is_probe))
            .collect();
        assert_eq!(
            found,
            [
                ("/old", false, false, false),
                ("/as old as what is stored", false, true, false),
                ("/new", true, false, false),
                ("/.env", true, false, true),
                ("/all of b began yesterday", false, false, false),
            ]
        );
    }
}
