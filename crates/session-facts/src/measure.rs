//! The values of a session's facts.

use ahash::{AHashMap, AHashSet};
use api_sessions_store::{Filter, Page, Store, StoreError, StoredRequest};

use crate::fact::Fact;
use crate::limits::{MAX_MEASURED_REQUESTS, MIN_GAPS};
use crate::network::network;

/// Length of the measured part of a session, which ends with its last request, ms.
pub const PERIOD_MS: u64 = 86_400_000;

/// A minute, ms.
const MINUTE_MS: u64 = 60_000;

/// The figures from which the facts of a session are computed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// Number of requests that were read.
    pub requests: u64,
    /// Days that could not be read completely.
    pub incomplete: Vec<String>,
    values: Vec<(Fact, f64)>,
    endpoints: AHashMap<String, u64>,
}

impl Measured {
    /// The value of a fact, except [`Fact::RareEndpoints`], which does not depend on the session alone.
    pub fn value(&self, fact: Fact) -> Option<f64> {
        self.values.iter().find(|(one, _)| *one == fact).map(|(_, value)| *value)
    }

    /// Its endpoints, with the number of requests of each.
    pub fn endpoints(&self) -> impl Iterator<Item = (&str, u64)> {
        self.endpoints.iter().map(|(endpoint, count)| (&**endpoint, *count))
    }

    /// Measures requests, in any order.
    pub fn of(requests: &[StoredRequest]) -> Measured {
        let mut times: Vec<u64> = requests.iter().map(|request| request.record.ts).collect();
        times.sort_unstable();
        let mut measured = Measured { requests: requests.len() as u64, ..Measured::default() };
        let mut paths: AHashMap<&str, AHashSet<&str>> = AHashMap::new();
        let (mut networks, mut agents, mut users) =
            (AHashSet::new(), AHashSet::new(), AHashSet::new());
        let (mut client_errors, mut refused, mut login_failures, mut bytes) = (0, 0, 0, 0_u64);
        for request in requests {
            let record = &request.record;
            match measured.endpoints.get_mut(&request.endpoint) {
                Some(count) => *count += 1,
                None => _ = measured.endpoints.insert(request.endpoint.clone(), 1),
            }
            if request.endpoint.contains('{') {
                paths.entry(&request.endpoint).or_default().insert(&record.path);
            }
            let is_refused = matches!(record.status, 401 | 403);
            client_errors += u64::from(record.status / 100 == 4);
            refused += u64::from(is_refused);
            login_failures += u64::from(is_refused && record.method == "POST");
            bytes = bytes.saturating_add(record.response_bytes);
            networks.insert(network(&record.ip));
            agents.extend(record.ua.as_deref());
            users.extend(record.user.as_deref());
        }
        let ids = paths.values().map(|paths| paths.len()).max().unwrap_or_default();
        let share = |count: u64| count as f64 / requests.len().max(1) as f64;
        measured.values = vec![
            (Fact::PeakPerMinute, peak(&times) as f64),
            (Fact::Endpoints, measured.endpoints.len() as f64),
            (Fact::IdsAtOneEndpoint, ids as f64),
            (Fact::ClientErrors, share(client_errors)),
            (Fact::Refused, share(refused)),
            (Fact::LoginFailures, login_failures as f64),
            (Fact::BytesOut, bytes as f64),
            (Fact::Networks, networks.len() as f64),
            (Fact::UserAgents, agents.len() as f64),
            (Fact::Users, users.len() as f64),
        ];
        measured.values.extend(regularity(&times).map(|value| (Fact::Regularity, value)));
        measured
    }
}

/// Measures the newest [`MAX_MEASURED_REQUESTS`] requests of a session in the [`PERIOD_MS`] up to its last one, which is not
/// before `last_ts`.
///
/// # Errors
/// [`StoreError`]
pub fn measure(store: &dyn Store, session: &str, last_ts: u64) -> Result<Measured, StoreError> {
    let measured = measure_all(store, &[(session.to_owned(), last_ts)])?;
    Ok(measured.into_iter().next().map(|(measured, _)| measured).unwrap_or_default())
}

/// As [`measure`], of several sessions, each with the time of its last request.
pub(crate) fn measure_all(
    store: &dyn Store,
    sessions: &[(String, u64)],
) -> Result<Vec<(Measured, u64)>, StoreError> {
    let first = sessions.iter().map(|(_, last)| *last).min().unwrap_or_default();
    let filter = Filter { from: Some(first.saturating_sub(PERIOD_MS)), ..Filter::default() };
    let ids: Vec<String> = sessions.iter().map(|(session, _)| session.clone()).collect();
    let pages = store.newest(&ids, &filter, MAX_MEASURED_REQUESTS)?;
    let of = |(page, (_, known)): (Page<StoredRequest>, &(String, u64))| {
        let Page { mut items, incomplete, .. } = page;
        let last = items.first().map_or(*known, |newest| newest.record.ts);
        items.retain(|request| request.record.ts >= last.saturating_sub(PERIOD_MS));
        (Measured { incomplete, ..Measured::of(&items) }, last)
    };
    Ok(pages.into_iter().zip(sessions).map(of).collect())
}

/// Maximum number of times within a minute; `times` must be sorted.
fn peak(times: &[u64]) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (at, time) in times.iter().enumerate() {
        while times.get(first).is_some_and(|start| time - start >= MINUTE_MS) {
            first += 1;
        }
        most = most.max(at + 1 - first);
    }
    most
}

/// 1 minus the coefficient of variation of the gaps, at least 0; `times` must be sorted.
fn regularity(times: &[u64]) -> Option<f64> {
    let gaps: Vec<f64> =
        times.iter().zip(times.iter().skip(1)).map(|(one, next)| (next - one) as f64).collect();
    if gaps.len() < MIN_GAPS {
        return None;
    }
    let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
    if mean <= 0.0 {
        return Some(1.0);
    }
    let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
    Some((1.0 - variance.sqrt() / mean).max(0.0))
}

#[cfg(test)]
mod tests {
    use api_sessions_protocol::Record;

    use super::*;

    fn request(ts: u64, method: &'static str, path: &'static str, status: u16) -> StoredRequest {
        let record = Record {
            ts,
            method: method.into(),
            path: path.into(),
            status,
            ip: "192.0.2.1".into(),
            response_bytes: 100,
            ..Record::default()
        };
        let endpoint = api_sessions_store::path_template::endpoint(path);
        StoredRequest { record, endpoint, has_content: false }
    }

    #[test]
    fn values_are_those_of_the_requests() {
        let mut requests = vec![
            request(0, "GET", "/users/1", 200),
            request(10, "GET", "/users/2", 404),
            request(20, "GET", "/users/2", 403),
            request(59_999, "POST", "/login", 401),
            request(60_000, "POST", "/login", 200),
        ];
        requests[3].record.ip = "198.51.100.1".into();
        requests[3].record.ua = Some("b".into());
        requests[3].record.user = Some("ann".into());
        requests.reverse();
        let measured = Measured::of(&requests);
        let value = |fact| measured.value(fact);
        assert_eq!(value(Fact::PeakPerMinute), Some(4.0), "a minute after the first is the next");
        assert_eq!(value(Fact::Endpoints), Some(2.0));
        assert_eq!(value(Fact::IdsAtOneEndpoint), Some(2.0));
        assert_eq!(value(Fact::ClientErrors), Some(0.6));
        assert_eq!(value(Fact::Refused), Some(0.4));
        assert_eq!(value(Fact::LoginFailures), Some(1.0));
        assert_eq!(value(Fact::BytesOut), Some(500.0));
        assert_eq!(value(Fact::Networks), Some(2.0));
        assert_eq!((value(Fact::UserAgents), value(Fact::Users)), (Some(1.0), Some(1.0)));
        assert_eq!((value(Fact::Regularity), value(Fact::RareEndpoints)), (None, None));
    }

    #[test]
    fn a_clock_is_regular_and_a_person_is_not() {
        let clock: Vec<u64> = (0..20).map(|n| n * 5000).collect();
        assert_eq!(regularity(&clock), Some(1.0));
        let person: Vec<u64> = (0..20).map(|n| n / 4 * 60_000 + n % 4 * 700 + n % 3 * 90).collect();
        assert!(regularity(&person).unwrap() < 0.1);
        assert_eq!(regularity(&clock[..10]), None);
        assert_eq!(regularity(&[7; 11]), Some(1.0));
    }
}
