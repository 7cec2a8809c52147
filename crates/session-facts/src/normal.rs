//! Normal values of an application: the facts of a sample of its sessions of the last week.

use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};
use api_sessions_store::{Filter, SessionQuery, Sort, Store, StoreError};
use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::fact::Fact;
use crate::limits::{
    MAX_APPLICATIONS, MAX_LISTED_SESSIONS, MAX_SAMPLED_SESSIONS, MAX_SESSIONS_AT_ONCE,
    MIN_NORMAL_SESSIONS,
};
use crate::measure::{Measured, measure_all};

/// Period of the sample, ms.
const WEEK_MS: u64 = 7 * 86_400_000;

/// Time until normal values are outdated, ms.
const FRESH_MS: u64 = 600_000;

/// Normal values of a fact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Spread {
    /// Median over the sessions.
    pub median: f64,
    /// 99th percentile over the sessions.
    pub p99: f64,
}

/// Normal values of an application.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Normal {
    /// Number of sessions that were measured; below [`MIN_NORMAL_SESSIONS`], the number of sessions there are.
    pub sessions: usize,
    spreads: Vec<(Fact, Spread)>,
    /// Endpoints that more than 1 % of the sessions use.
    common: AHashSet<String>,
}

impl Normal {
    /// Whether there are enough sessions for normal values.
    pub fn is_known(&self) -> bool {
        self.sessions >= MIN_NORMAL_SESSIONS
    }

    /// Normal values of a fact; `None` if no session has it.
    pub fn spread(&self, fact: Fact) -> Option<Spread> {
        self.spreads.iter().find(|(one, _)| *one == fact).map(|(_, spread)| *spread)
    }

    /// The value of a fact in a session, including [`Fact::RareEndpoints`].
    pub fn value(&self, measured: &Measured, fact: Fact) -> Option<f64> {
        if fact != Fact::RareEndpoints {
            return measured.value(fact);
        }
        if !self.is_known() {
            return None;
        }
        let is_rare = |endpoint: &str| !self.common.contains(endpoint);
        let rare: u64 =
            measured.endpoints().filter(|(one, _)| is_rare(one)).map(|(_, count)| count).sum();
        Some(rare as f64 / measured.requests.max(1) as f64)
    }

    /// Normal values of these sessions.
    pub fn of(sessions: &[Measured]) -> Normal {
        let mut normal = Normal { sessions: sessions.len(), ..Normal::default() };
        if !normal.is_known() {
            return normal;
        }
        let mut used: AHashMap<&str, usize> = AHashMap::new();
        let endpoints = sessions.iter().flat_map(Measured::endpoints);
        endpoints.for_each(|(endpoint, _)| *used.entry(endpoint).or_default() += 1);
        let common = used.into_iter().filter(|(_, count)| count * 100 > sessions.len());
        normal.common = common.map(|(endpoint, _)| endpoint.to_owned()).collect();
        let spread = |fact| {
            let values = sessions.iter().filter_map(|one| normal.value(one, fact)).collect();
            Some((fact, spread(values)?))
        };
        let spreads = Fact::ALL.into_iter().filter_map(spread).collect();
        Normal { spreads, ..normal }
    }
}

/// Median and 99th percentile, by nearest rank.
fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.sort_by(f64::total_cmp);
    let at = |percent: usize| values.get((values.len() * percent).div_ceil(100).max(1) - 1);
    Some(Spread { median: *at(50)?, p99: *at(99)? })
}

/// Measures a sample of sessions.
fn sample(store: &dyn Store, application: Option<&str>, now: u64) -> Result<Normal, StoreError> {
    let application = application.map(str::to_owned);
    let filter =
        Filter { from: Some(now.saturating_sub(WEEK_MS)), application, ..Filter::default() };
    let query =
        SessionQuery { filter, sort: Sort::LastTs, limit: MAX_LISTED_SESSIONS, ..<_>::default() };
    let sessions = store.sessions(&query)?.sessions;
    if sessions.len() < MIN_NORMAL_SESSIONS {
        return Ok(Normal { sessions: sessions.len(), ..Normal::default() });
    }
    let wanted = sessions.len().min(MAX_SAMPLED_SESSIONS);
    let taken = (0..wanted).filter_map(|at| sessions.get(at * sessions.len() / wanted));
    let taken: Vec<(String, u64)> =
        taken.map(|session| (session.session.clone(), session.last_ts)).collect();
    let mut measured = Vec::with_capacity(wanted);
    for chunk in taken.chunks(MAX_SESSIONS_AT_ONCE) {
        measured.extend(measure_all(store, chunk)?.into_iter().map(|(measured, _)| measured));
    }
    Ok(Normal::of(&measured))
}

type Known = AHashMap<Option<String>, (u64, Arc<Normal>)>;

/// Normal values of each application, cached for ten minutes.
#[derive(Debug, Default)]
pub struct Normals {
    known: Mutex<Known>,
    /// Held while a sample is measured: one at a time.
    sampling: Mutex<()>,
}

impl Normals {
    /// The cached values of an application, and whether they are fresh at `now` (ms since 1970).
    pub fn remembered(&self, application: Option<&str>, now: u64) -> Option<(Arc<Normal>, bool)> {
        let known = self.known.lock();
        let (at, normal) = known.get(&application.map(str::to_owned))?;
        Some((Arc::clone(normal), now.saturating_sub(*at) < FRESH_MS))
    }

    /// Normal values of an application; without one, of all. Reads up to 300 sessions if they are not cached. `None`
    /// if other samples were being measured for as long as `patience`.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn get(
        &self,
        store: &dyn Store,
        application: Option<&str>,
        now: u64,
        patience: Duration,
    ) -> Result<Option<Arc<Normal>>, StoreError> {
        let fresh =
            || self.remembered(application, now).filter(|found| found.1).map(|found| found.0);
        if let Some(normal) = fresh() {
            return Ok(Some(normal));
        }
        let Some(_one) = self.sampling.try_lock_for(patience) else { return Ok(None) };
        if let Some(normal) = fresh() {
            return Ok(Some(normal));
        }
        let normal = Arc::new(sample(store, application, now)?);
        let mut known = self.known.lock();
        let key = application.map(str::to_owned);
        if known.len() >= MAX_APPLICATIONS && !known.contains_key(&key) {
            let oldest = known.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
            oldest.map(|oldest| known.remove(&oldest));
        }
        known.insert(key, (now, Arc::clone(&normal)));
        Ok(Some(normal))
    }
}

#[cfg(test)]
mod tests {
    use api_sessions_protocol::Record;
    use api_sessions_store::StoredRequest;

    use super::*;

    fn session(endpoints: &[&str]) -> Measured {
        let of = |endpoint: &&str| StoredRequest {
            record: Record::default(),
            endpoint: (*endpoint).to_owned(),
            has_content: false,
        };
        Measured::of(&endpoints.iter().map(of).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_normal_is_median_and_p99_of_enough_sessions() {
        let mut sessions: Vec<Measured> = (0..199).map(|_| session(&["/a"])).collect();
        assert!(
            !Normal::of(&sessions).is_known()
                && Normal::of(&sessions).spread(Fact::Users).is_none()
        );
        sessions.push(session(&["/a", "/b", "/rare"]));
        sessions.push(session(&["/b"]));
        sessions.push(session(&["/b"]));
        let normal = Normal::of(&sessions);
        let endpoints = normal.spread(Fact::Endpoints).unwrap();
        assert_eq!(endpoints, Spread { median: 1.0, p99: 1.0 });
        assert_eq!(normal.spread(Fact::Regularity), None);
        // Three of 202 sessions use `/b`, which is more than 1 %; one uses `/rare`.
        let value = |endpoints: &[&str]| normal.value(&session(endpoints), Fact::RareEndpoints);
        assert_eq!(value(&["/a", "/b", "/rare", "/unseen"]), Some(0.5));
        assert_eq!(spread((1..=200).map(f64::from).collect()).unwrap().p99, 198.0);
    }
}
