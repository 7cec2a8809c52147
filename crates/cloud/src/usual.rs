//! What is usual at an endpoint: time and size of its requests, learned while they arrive.
//!
//! Kept in memory and learned anew after a start: it marks outliers for an analyst's eye, no more.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use api_sessions_wire::Record;

use crate::store::NewRequest;

/// Most endpoints remembered; beyond, new ones are not learned.
const MAX_ENDPOINTS: usize = 20_000;
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

/// All endpoints, by host and endpoint.
#[derive(Debug, Default)]
pub struct Usual(Mutex<HashMap<(String, String), Endpoint>>);

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
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for NewRequest { record, endpoint, .. } in requests {
            let host = record.host.as_deref().unwrap_or_default().to_owned();
            let key = (host, endpoint.clone());
            if all.len() >= MAX_ENDPOINTS && !all.contains_key(&key) {
                continue;
            }
            let known = all.entry(key).or_default();
            known.requests = known.requests.saturating_add(1);
            let weight = (1.0 / f64::from(known.requests)).max(FORGET);
            known.time.add(record.time_ms, weight);
            known.size.add(record.response_bytes, weight);
        }
    }

    /// What is unusual about a request.
    pub fn outlier(&self, record: &Record<'_>, endpoint: &str) -> Outlier {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (record.host.as_deref().unwrap_or_default().to_owned(), endpoint.to_owned());
        let Some(known) = all.get(&key).filter(|known| known.requests >= ENOUGH) else {
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
}
