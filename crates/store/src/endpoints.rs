//! Usage of endpoints: counts of requests by application, method and endpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which requests are counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct EndpointQuery {
    /// Earliest start, ms since 1970.
    pub from: Option<u64>,
    /// Latest start, ms since 1970.
    pub to: Option<u64>,
    /// Application, exactly.
    pub application: Option<String>,
}

/// Endpoints, most requests first; at most [`MAX_ENDPOINT_STATS`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EndpointPage {
    /// The endpoints.
    pub endpoints: Vec<EndpointStats>,
    /// Days that could not be read completely: `2026-11-23`.
    pub incomplete: Vec<String>,
}

/// Requests with one method to one endpoint of an application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointStats {
    /// Application; empty: none.
    pub application: String,
    /// Method.
    pub method: String,
    /// Template of the path.
    pub endpoint: String,
    /// Start of the oldest request, ms since 1970.
    pub first_ts: u64,
    /// Start of the newest request, ms since 1970.
    pub last_ts: u64,
    /// Requests.
    pub requests: u64,
    /// Number of malicious requests.
    pub attacks: u64,
    /// Number of denied requests.
    pub denied: u64,
    /// Number of sessions with such a request.
    pub sessions: u64,
    /// Number of sessions with such a request that was answered with 2xx; 2 means two or more.
    pub successful_sessions: u64,
    /// Number of users with such a request.
    pub users: u64,
    /// Requests by status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests by what identified their session (`key`, `builtin`, `ip`, …).
    pub sources: BTreeMap<String, u64>,
    /// Response times, ms.
    pub time_ms: Distribution,
    /// Response sizes, bytes.
    pub response_bytes: Distribution,
}

impl EndpointStats {
    /// Sort key of endpoints.
    pub fn order(&self) -> impl Ord + use<'_> {
        (std::cmp::Reverse(self.requests), &self.application, &self.method, &self.endpoint)
    }

    /// Adds the counts of another part of the same endpoint, except sessions and users.
    pub fn add(&mut self, other: &EndpointStats) {
        self.first_ts = self.first_ts.min(other.first_ts);
        self.last_ts = self.last_ts.max(other.last_ts);
        self.requests += other.requests;
        self.attacks += other.attacks;
        self.denied += other.denied;
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (source, count) in &other.sources {
            *self.sources.entry(source.clone()).or_default() += count;
        }
        self.time_ms.merge(&other.time_ms);
        self.response_bytes.merge(&other.response_bytes);
    }
}

/// Histogram of values, each rounded down to five significant binary digits: at most 6 % too low.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Distribution(pub BTreeMap<u64, u64>);

impl Distribution {
    /// The rounded value.
    pub fn rounded(value: u64) -> u64 {
        let width = value.checked_ilog2().map_or(1, |digits| 1 << digits.saturating_sub(4));
        value / width * width
    }

    /// Counts a value.
    pub fn count(&mut self, value: u64) {
        *self.0.entry(Self::rounded(value)).or_default() += 1;
    }

    /// Adds the counts of another one.
    pub fn merge(&mut self, other: &Distribution) {
        for (value, count) in &other.0 {
            *self.0.entry(*value).or_default() += count;
        }
    }

    /// The percentile by nearest rank; 0 if there are no values.
    pub fn percentile(&self, percent: u64) -> u64 {
        let total: u64 = self.0.values().sum();
        let rank = (total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        let at = self.0.iter().find(|(_, count)| {
            seen += **count;
            seen >= rank
        });
        at.map_or(0, |(value, _)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_lose_at_most_six_percent() {
        for value in (0..70).chain([100, 1000, 12_345, 1 << 40, (1 << 40) + 1, u64::MAX]) {
            let rounded = Distribution::rounded(value);
            assert!(rounded <= value && value - rounded <= value / 16, "{value}: {rounded}");
            assert_eq!(Distribution::rounded(rounded), rounded);
        }
        assert_eq!([31, 32, 33, 34, 63].map(Distribution::rounded), [31, 32, 32, 34, 62]);
    }

    #[test]
    fn a_percentile_is_the_value_of_the_nearest_rank() {
        let mut times = Distribution::default();
        assert_eq!(times.percentile(50), 0);
        (1..=20).for_each(|value| times.count(value));
        assert_eq!([1, 50, 95, 100].map(|percent| times.percentile(percent)), [1, 10, 19, 20]);
    }
}
