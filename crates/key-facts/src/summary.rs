//! Figures of a key within a window.

use serde::{Deserialize, Serialize};

use super::facts::{KeyFacts, Kind};
use super::sample::{ClientSample, Value};

/// Number of clients from which a value counts as one of many clients.
pub(crate) const MANY: u32 = 8;
/// Moments in several networks from which a value counts as used at once.
const REPEATEDLY: usize = 2;

/// Distribution of counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spread {
    /// Median.
    pub p50: u32,
    /// 90th percentile.
    pub p90: u32,
    /// Maximum.
    pub max: u32,
}

impl Spread {
    /// Distribution of sorted counts.
    fn of(sorted: &[u32]) -> Self {
        let at = |percent: usize| {
            let last = sorted.len().saturating_sub(1);
            sorted.get(last * percent / 100).copied().unwrap_or_default()
        };
        Self { p50: at(50), p90: at(90), max: at(100) }
    }
}

/// Figures of a key in a window; values per client are of the last hour.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// Requests of the application.
    pub requests: u64,
    /// Requests that have the key.
    pub present: u64,
    /// Requests whose session it decided.
    pub decided: u64,
    /// Sessions that it makes: its distinct values, estimated.
    pub sessions: u64,
    /// The lowest fingerprints of its values, to estimate the sessions of several windows.
    pub lowest: Vec<u32>,
    /// Responses that set it.
    pub issued: u64,
    /// Responses that set it to its current value.
    pub kept: u64,
    /// Clients within the last hour, estimated.
    pub clients: u64,
    /// Windows of that hour in which it was seen.
    pub windows: u32,
    /// Distinct values per client within that hour.
    pub values_per_client: Spread,
    /// Median of the values per client in this window.
    pub window_values_per_client: u32,
    /// Median over networks of the values per client within that hour.
    #[serde(default)]
    pub network_values_per_client: u32,
    /// Clients per value.
    pub clients_per_value: Spread,
    /// Median of the users per value, of values with users.
    pub users_per_value: u32,
    /// Number of sampled values that were seen at several endpoints.
    pub counted_values: u32,
    /// Median of the clients of those values.
    pub counted_clients: u32,
    /// Clients of the most used of those values.
    pub top_clients: u32,
    /// Share of requests or of clients with that value, whichever is greater.
    pub top_share: f64,
    /// Values of many clients that were repeatedly in several networks at once.
    pub at_once: u32,
}

impl Summary {
    /// Figures of a window in which the application had `requests`; `clients` is the sample of the last hour,
    /// in which the key was seen in `windows`.
    pub fn new(requests: u64, facts: &KeyFacts, clients: &ClientSample, windows: u32) -> Self {
        let sampled: Vec<(u32, &Value)> = facts.values.0.iter().collect();
        let counted: Vec<(u32, &Value)> =
            sampled.iter().filter(|(_, value)| value.has_other_endpoints).copied().collect();
        let clients_of = |values: &[(u32, &Value)]| {
            let mut counts: Vec<u32> =
                values.iter().map(|(_, value)| value.clients.count()).collect();
            counts.sort_unstable();
            counts
        };
        let mut users: Vec<u32> = sampled.iter().map(|(_, value)| value.users.count()).collect();
        users.retain(|users| *users > 0);
        users.sort_unstable();
        let top = counted.iter().max_by_key(|(_, value)| (value.clients.count(), value.requests));
        let share = |part: f64, all: f64| if all > 0.0 { part / all } else { 0.0 };
        let is_at_once = |value: &&(u32, &Value)| {
            value.1.clients.count() >= MANY && value.1.moments_at_once() >= REPEATEDLY
        };
        Self {
            requests,
            present: facts.present,
            decided: facts.decided,
            sessions: facts.sessions(),
            lowest: facts.distinct.iter().map(|(value, ())| value).collect(),
            issued: facts.issued,
            kept: facts.kept,
            clients: clients.estimate(),
            windows,
            values_per_client: Spread::of(&clients.values()),
            window_values_per_client: Spread::of(&facts.clients.values()).p50,
            network_values_per_client: Spread::of(&clients.network_values()).p50,
            clients_per_value: Spread::of(&clients_of(&sampled)),
            users_per_value: Spread::of(&users).p50,
            counted_values: u32::try_from(counted.len()).unwrap_or(u32::MAX),
            counted_clients: Spread::of(&clients_of(&counted)).p50,
            top_clients: top.map_or(0, |(_, value)| value.clients.count()),
            top_share: top.map_or(0.0, |(hash, value)| {
                let of_requests = share(value.requests as f64, facts.present as f64);
                let with = facts.clients.with(*hash) as f64;
                of_requests.max(share(with, facts.clients.len() as f64))
            }),
            at_once: u32::try_from(counted.iter().filter(is_at_once).count()).unwrap_or(u32::MAX),
        }
    }

    /// Share of requests that have the key.
    pub fn coverage(&self) -> f64 {
        if self.requests == 0 { 0.0 } else { (self.present as f64 / self.requests as f64).min(1.0) }
    }

    /// Adds a later window: counts are added; other figures are those of the later window, or the greater
    /// ones.
    pub fn merge(&mut self, later: &Self) {
        let mut values = KeyFacts::default();
        for value in self.lowest.iter().chain(&later.lowest) {
            values.distinct.entry(*value, |_| true);
        }
        *self = Self {
            requests: self.requests + later.requests,
            present: self.present + later.present,
            decided: self.decided + later.decided,
            sessions: values.sessions(),
            lowest: values.distinct.iter().map(|(value, ())| value).collect(),
            issued: self.issued + later.issued,
            kept: self.kept + later.kept,
            clients: self.clients.max(later.clients),
            ..later.clone()
        };
    }

    /// Whether the application issues it.
    pub fn is_issued(&self) -> bool {
        self.issued > 0
    }
}

/// Whether keys of this kind are judged.
pub(crate) fn is_judged(kind: Kind) -> bool {
    !matches!(kind, Kind::IpUa | Kind::Ip)
}
