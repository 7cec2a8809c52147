//! What is usual at an endpoint: time and size of its requests, learned while they arrive.
//!
//! Kept in memory and learned anew after a start: it marks outliers for an analyst's eye, no more.
//!
//! Hosts and paths are what clients choose. So an endpoint is known by a hash of its name, which takes the same
//! memory for all, and where there is no place left, one that is hardly used goes: a flood of names that come
//! once neither stops the learning of others, nor pushes out those that come again and again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ahash::RandomState;

use api_sessions_protocol::Record;

use api_sessions_store::NewRequest;

/// Most endpoints remembered.
const MAX_ENDPOINTS: usize = 20_000;
/// Uses that count for an endpoint's place: so often a flood must go through all places to push it out.
const MAX_USES: u8 = 63;
/// Places that are looked at to find one for a new endpoint. Few: each look takes a use away.
const LOOKS: usize = 8;
/// Requests after which it is known what is usual.
const ENOUGH: u32 = 30;
/// Weight of a new request at least, so that what was usual long ago is forgotten.
const FORGET: f64 = 0.002;
/// Standard deviations (of logarithms) beyond which a value is an outlier.
const FAR: f64 = 3.0;
/// Faster and smaller than this is nothing to look at, ms and bytes.
const FLOOR: (u64, u64) = (100, 4096);

/// Mean and variance of a logarithm.
#[derive(Debug, Default, Clone, Copy)]
struct Spread {
    mean: f64,
    variance: f64,
}

impl Spread {
    fn add(&mut self, value: u64, weight: f64) {
        let off = (value as f64).ln_1p() - self.mean;
        self.mean += weight * off;
        self.variance = (1.0 - weight) * (self.variance + weight * off * off);
    }

    fn is_far(&self, value: u64) -> bool {
        // Where all are alike, twice as much is not far.
        let deviation = self.variance.sqrt().max(0.25);
        (value as f64).ln_1p() > self.mean + FAR * deviation
    }

    fn typical(&self) -> u64 {
        self.mean.exp_m1().round() as u64
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Endpoint {
    requests: u32,
    time: Spread,
    size: Spread,
}

/// An endpoint in its place.
#[derive(Debug)]
struct Place {
    name: u64,
    /// Requests since the hand last came by, about.
    uses: u8,
    endpoint: Endpoint,
}

/// Endpoints in places around a clock: its hand takes a use from each that it comes by, and the first without
/// one makes room.
#[derive(Debug, Default)]
struct Endpoints {
    by_name: HashMap<u64, usize, RandomState>,
    places: Vec<Place>,
    hand: usize,
}

impl Endpoints {
    fn get(&self, name: u64) -> Option<&Endpoint> {
        Some(&self.places.get(*self.by_name.get(&name)?)?.endpoint)
    }

    /// The endpoint of that name to learn from a request of; `None`: there is no room for a new one now.
    fn learn(&mut self, name: u64) -> Option<&mut Endpoint> {
        let known = self.by_name.get(&name).copied();
        let at = known.or_else(|| self.place_for(name))?;
        let place = self.places.get_mut(at)?;
        place.uses = if known.is_some() { (place.uses + 1).min(MAX_USES) } else { 0 };
        Some(&mut place.endpoint)
    }

    fn place_for(&mut self, name: u64) -> Option<usize> {
        let new = Place { name, uses: 0, endpoint: Endpoint::default() };
        if self.places.len() < MAX_ENDPOINTS {
            self.places.push(new);
            self.by_name.insert(name, self.places.len() - 1);
            return Some(self.places.len() - 1);
        }
        for _ in 0..LOOKS {
            let at = self.hand;
            self.hand = (at + 1) % self.places.len();
            let place = self.places.get_mut(at)?;
            match place.uses.checked_sub(1) {
                Some(left) => place.uses = left,
                None => {
                    self.by_name.remove(&place.name);
                    *place = new;
                    self.by_name.insert(name, at);
                    return Some(at);
                }
            }
        }
        None
    }
}

/// All endpoints, by host and endpoint.
#[derive(Debug, Default)]
pub struct Usual {
    endpoints: Mutex<Endpoints>,
    /// With keys of its own: nobody outside can make two names one.
    hashes: RandomState,
}

/// What is unusual about a request: the usual value, where the request's is far above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outlier {
    /// Usual time, ms.
    pub time_ms: Option<u64>,
    /// Usual size of the response, bytes.
    pub response_bytes: Option<u64>,
}

impl Usual {
    /// Learns from requests that were stored.
    pub fn learn(&self, requests: &[NewRequest]) {
        let mut all = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        for NewRequest { record, endpoint, .. } in requests {
            let Some(known) = all.learn(self.name(record, endpoint)) else { continue };
            known.requests = known.requests.saturating_add(1);
            let weight = (1.0 / f64::from(known.requests)).max(FORGET);
            known.time.add(record.time_ms, weight);
            known.size.add(record.response_bytes, weight);
        }
    }

    fn name(&self, record: &Record<'_>, endpoint: &str) -> u64 {
        self.hashes.hash_one((record.host.as_deref().unwrap_or_default(), endpoint))
    }

    /// What is unusual about a request.
    pub fn outlier(&self, record: &Record<'_>, endpoint: &str) -> Outlier {
        let all = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(self.name(record, endpoint));
        let Some(known) = known.filter(|known| known.requests >= ENOUGH) else {
            return Outlier::default();
        };
        let far = |spread: &Spread, value: u64, floor: u64| {
            (value > floor && spread.is_far(value)).then(|| spread.typical())
        };
        Outlier {
            time_ms: far(&known.time, record.time_ms, FLOOR.0),
            response_bytes: far(&known.size, record.response_bytes, FLOOR.1),
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

    #[test]
    fn what_is_far_above_the_usual_is_an_outlier_once_that_is_known() {
        let usual = Usual::default();
        let slow = request(5000, 900_000);
        usual.learn(&(0..10).map(|n| request(20 + n, 1000)).collect::<Vec<_>>());
        assert_eq!(usual.outlier(&slow.record, "/a"), Outlier::default(), "too early to say");
        usual.learn(&(0..90).map(|n| request(20 + n % 10, 1000)).collect::<Vec<_>>());
        let outlier = usual.outlier(&slow.record, "/a");
        assert!((20..30).contains(&outlier.time_ms.unwrap()));
        assert_eq!(outlier.response_bytes, Some(1000));
        assert_eq!(usual.outlier(&request(25, 1000).record, "/a"), Outlier::default());
        assert_eq!(usual.outlier(&slow.record, "/other"), Outlier::default());
    }

    fn of_host(host: String, time_ms: u64) -> NewRequest {
        let mut request = request(time_ms, 1000);
        request.record.host = Some(host.into());
        request
    }

    /// Requests of hosts that come once.
    fn flood(usual: &Usual, hosts: std::ops::Range<u32>) {
        for n in hosts {
            usual.learn(&[of_host(format!("random-{n}.example"), 1)]);
        }
    }

    fn is_known(usual: &Usual, host: &str) -> bool {
        usual.outlier(&of_host(host.to_owned(), 60_000).record, "/a").time_ms.is_some()
    }

    #[test]
    fn a_flood_of_hosts_stopped_the_learning() {
        let usual = Usual::default();
        flood(&usual, 0..30_000);
        // One request in a hundred is of a host that is really there.
        for n in 0..100 {
            usual.learn(&[of_host("new.example".to_owned(), 20)]);
            flood(&usual, 30_000 + n * 100..30_000 + (n + 1) * 100);
        }
        assert!(is_known(&usual, "new.example"));
        let all = usual.endpoints.lock().unwrap();
        assert_eq!((all.places.len(), all.by_name.len()), (MAX_ENDPOINTS, MAX_ENDPOINTS));
        for (name, at) in &all.by_name {
            assert_eq!(all.places[*at].name, *name);
        }
    }

    #[test]
    fn a_flood_of_hosts_pushes_out_none_that_is_used() {
        let usual = Usual::default();
        let hosts: Vec<String> = (0..50).map(|n| format!("{n}.example")).collect();
        for host in &hosts {
            usual.learn(&(0..100).map(|n| of_host(host.clone(), 20 + n % 10)).collect::<Vec<_>>());
        }
        // Ten times as many as there are places, and not one request of the others meanwhile.
        flood(&usual, 0..10 * MAX_ENDPOINTS as u32);
        assert!(hosts.iter().all(|host| is_known(&usual, host)));
    }

    #[test]
    fn what_is_not_used_any_more_makes_room() {
        let usual = Usual::default();
        let old = |n: usize| format!("old-{n}.example");
        for n in 0..MAX_ENDPOINTS {
            usual.learn(&[of_host(old(n), 20), of_host(old(n), 20), of_host(old(n), 20)]);
        }
        // All places are of endpoints that were used: those of today are learned nevertheless.
        for _ in 0..6000 {
            usual.learn(&[of_host("new.example".to_owned(), 20)]);
        }
        assert!(is_known(&usual, "new.example"));
    }
}
