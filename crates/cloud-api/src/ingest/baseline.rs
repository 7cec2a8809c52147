//! Per-endpoint baselines of response time and size, learned from stored requests.
//!
//! Baselines live in memory and are relearned after a restart: the Console uses them to highlight outliers,
//! nothing else depends on them.
//!
//! Clients choose hosts and paths. An endpoint is therefore identified by a keyed hash of its name, which
//! bounds its memory, and CLOCK eviction drops rarely used endpoints: a flood of one-time names neither stops
//! learning nor evicts endpoints in regular use.

use ahash::{AHashMap, RandomState};
use parking_lot::Mutex;

use api_sessions_protocol::Record;

use api_sessions_store::NewRequest;

use crate::limits::{
    MAX_BASELINE_PROBES, MAX_BASELINE_USES, MAX_BASELINES, MIN_BASELINE_DEVIATION,
    MIN_BASELINE_REQUESTS, MIN_OUTLIER_BYTES, MIN_OUTLIER_MS,
};

/// Minimum weight of a new sample, so that old traffic is forgotten.
const DECAY: f64 = 0.002;
/// Standard deviations of the logarithm beyond which a value is an outlier.
const OUTLIER_SIGMA: f64 = 3.0;

/// Exponentially weighted mean and variance of a value's logarithm.
#[derive(Debug, Default, Clone, Copy)]
struct EwmaDeviation {
    mean: f64,
    variance: f64,
}

impl EwmaDeviation {
    fn add(&mut self, value: u64, weight: f64) {
        let off = (value as f64).ln_1p() - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }

    fn is_outlier(&self, value: u64) -> bool {
        let deviation = self.variance.sqrt().max(MIN_BASELINE_DEVIATION);
        (value as f64).ln_1p() > self.mean + OUTLIER_SIGMA * deviation
    }

    fn typical(&self) -> u64 {
        self.mean.exp_m1().round() as u64
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Endpoint {
    requests: u32,
    time: EwmaDeviation,
    size: EwmaDeviation,
}

/// An endpoint in the clock.
#[derive(Debug)]
struct ClockEntry {
    name: u64,
    /// Requests since the hand last passed, approximately.
    uses: u8,
    endpoint: Endpoint,
}

/// Endpoints under CLOCK eviction: the hand decrements each entry's use count; the first entry at zero is
/// evicted.
#[derive(Debug, Default)]
struct Endpoints {
    by_name: AHashMap<u64, usize>,
    entries: Vec<ClockEntry>,
    hand: usize,
}

impl Endpoints {
    fn get(&self, name: u64) -> Option<&Endpoint> {
        Some(&self.entries.get(*self.by_name.get(&name)?)?.endpoint)
    }

    /// The endpoint to add a sample to. `None` if it is new and every probed entry is in use.
    fn touch(&mut self, name: u64) -> Option<&mut Endpoint> {
        let known = self.by_name.get(&name).copied();
        let at = known.or_else(|| self.insert(name))?;
        let entry = self.entries.get_mut(at)?;
        entry.uses = if known.is_some() { (entry.uses + 1).min(MAX_BASELINE_USES) } else { 0 };
        Some(&mut entry.endpoint)
    }

    fn insert(&mut self, name: u64) -> Option<usize> {
        let new = ClockEntry { name, uses: 0, endpoint: Endpoint::default() };
        if self.entries.len() < MAX_BASELINES {
            self.entries.push(new);
            self.by_name.insert(name, self.entries.len() - 1);
            return Some(self.entries.len() - 1);
        }
        for _ in 0..MAX_BASELINE_PROBES {
            let at = self.hand;
            self.hand = (at + 1) % self.entries.len();
            let entry = self.entries.get_mut(at)?;
            match entry.uses.checked_sub(1) {
                Some(left) => entry.uses = left,
                None => {
                    self.by_name.remove(&entry.name);
                    *entry = new;
                    self.by_name.insert(name, at);
                    return Some(at);
                }
            }
        }
        None
    }
}

/// One request, reduced to what a baseline learns.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    name: u64,
    time_ms: u64,
    response_bytes: u64,
}

/// Baselines of all endpoints, by host and endpoint.
#[derive(Debug, Default)]
pub struct Baseline {
    endpoints: Mutex<Endpoints>,
    /// Randomly keyed, so that clients cannot craft colliding names.
    hashes: RandomState,
}

/// Typical values of the endpoint; only those that the request far exceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outlier {
    /// Typical response time, milliseconds.
    pub time_ms: Option<u64>,
    /// Typical response size, bytes.
    pub response_bytes: Option<u64>,
}

impl Baseline {
    /// The samples of `requests`, taken before the store consumes them.
    pub fn samples(&self, requests: &[NewRequest]) -> Vec<Sample> {
        let sample = |NewRequest { record, endpoint, .. }: &NewRequest| Sample {
            name: self.name(record, endpoint),
            time_ms: record.time_ms,
            response_bytes: record.response_bytes,
        };
        requests.iter().map(sample).collect()
    }

    /// Learns from `samples`. Called once per stored request, after the store confirms it.
    pub fn learn(&self, samples: &[Sample]) {
        let mut endpoints = self.endpoints.lock();
        for sample in samples {
            let Some(known) = endpoints.touch(sample.name) else { continue };
            known.requests = known.requests.saturating_add(1);
            let weight = (1.0 / f64::from(known.requests)).max(DECAY);
            known.time.add(sample.time_ms, weight);
            known.size.add(sample.response_bytes, weight);
        }
    }

    fn name(&self, record: &Record<'_>, endpoint: &str) -> u64 {
        self.hashes.hash_one((record.host.as_deref().unwrap_or_default(), endpoint))
    }

    /// Compares a request with its endpoint's baseline.
    pub fn outlier(&self, record: &Record<'_>, endpoint: &str) -> Outlier {
        let endpoints = self.endpoints.lock();
        let known = endpoints.get(self.name(record, endpoint));
        let Some(known) = known.filter(|known| known.requests >= MIN_BASELINE_REQUESTS) else {
            return Outlier::default();
        };
        let typical = |deviation: &EwmaDeviation, value: u64, min_abs: u64| {
            (value > min_abs && deviation.is_outlier(value)).then(|| deviation.typical())
        };
        Outlier {
            time_ms: typical(&known.time, record.time_ms, MIN_OUTLIER_MS),
            response_bytes: typical(&known.size, record.response_bytes, MIN_OUTLIER_BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(time_ms: u64, response_bytes: u64) -> NewRequest {
        let record = Record { time_ms, response_bytes, ..Record::default() };
        NewRequest { record, endpoint: "/a".into(), line: 0 }
    }

    fn learn(baseline: &Baseline, requests: &[NewRequest]) {
        baseline.learn(&baseline.samples(requests));
    }

    #[test]
    fn values_far_above_the_baseline_are_outliers_once_there_are_enough_samples() {
        let baseline = Baseline::default();
        let slow = request(5000, 900_000);
        learn(&baseline, &(0..10).map(|n| request(20 + n, 1000)).collect::<Vec<_>>());
        assert_eq!(baseline.outlier(&slow.record, "/a"), Outlier::default(), "too few samples");
        learn(&baseline, &(0..90).map(|n| request(20 + n % 10, 1000)).collect::<Vec<_>>());
        let outlier = baseline.outlier(&slow.record, "/a");
        assert!((20..30).contains(&outlier.time_ms.unwrap()));
        assert_eq!(outlier.response_bytes, Some(1000));
        assert_eq!(baseline.outlier(&request(25, 1000).record, "/a"), Outlier::default());
        assert_eq!(baseline.outlier(&slow.record, "/other"), Outlier::default());
    }

    fn of_host(host: String, time_ms: u64) -> NewRequest {
        let mut request = request(time_ms, 1000);
        request.record.host = Some(host.into());
        request
    }

    /// One request for each of many hosts.
    fn flood(baseline: &Baseline, hosts: std::ops::Range<u32>) {
        for n in hosts {
            learn(baseline, &[of_host(format!("random-{n}.example"), 1)]);
        }
    }

    fn is_known(baseline: &Baseline, host: &str) -> bool {
        baseline.outlier(&of_host(host.to_owned(), 60_000).record, "/a").time_ms.is_some()
    }

    #[test]
    fn a_flood_of_hosts_stopped_the_learning() {
        let baseline = Baseline::default();
        flood(&baseline, 0..30_000);
        // One request in a hundred is for a host that exists.
        for n in 0..100 {
            learn(&baseline, &[of_host("new.example".to_owned(), 20)]);
            flood(&baseline, 30_000 + n * 100..30_000 + (n + 1) * 100);
        }
        assert!(is_known(&baseline, "new.example"));
        let endpoints = baseline.endpoints.lock();
        let sizes = (endpoints.entries.len(), endpoints.by_name.len());
        assert_eq!(sizes, (MAX_BASELINES, MAX_BASELINES));
        for (name, at) in &endpoints.by_name {
            assert_eq!(endpoints.entries[*at].name, *name);
        }
    }

    #[test]
    fn a_flood_of_hosts_evicts_no_endpoint_in_use() {
        let baseline = Baseline::default();
        let hosts: Vec<String> = (0..50).map(|n| format!("{n}.example")).collect();
        for host in &hosts {
            let requests: Vec<_> = (0..100).map(|n| of_host(host.clone(), 20 + n % 10)).collect();
            learn(&baseline, &requests);
        }
        // Ten times the capacity, without a request for the known hosts in between.
        flood(&baseline, 0..10 * MAX_BASELINES as u32);
        assert!(hosts.iter().all(|host| is_known(&baseline, host)));
    }

    #[test]
    fn an_endpoint_no_longer_used_is_evicted() {
        let baseline = Baseline::default();
        let old = |n: usize| format!("old-{n}.example");
        for n in 0..MAX_BASELINES {
            learn(&baseline, &[of_host(old(n), 20), of_host(old(n), 20), of_host(old(n), 20)]);
        }
        for _ in 0..6000 {
            learn(&baseline, &[of_host("new.example".to_owned(), 20)]);
        }
        assert!(is_known(&baseline, "new.example"));
    }
}
