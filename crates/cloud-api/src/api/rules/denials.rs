//! `GET /v1/rules/denials`: sessions and addresses that nodes deny because a rule fired, derived from their records.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ahash::AHashMap;
use api_sessions_extract::NoVariables;
use api_sessions_protocol::{Record, SessionRule};
use api_sessions_rules::{self as rules, NETWORK_BYTES, Reaction, Rule};

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::error::AppError;
use crate::extractors::{NoQuery, Query};
use crate::limits::MAX_LISTED_DENIALS;
use crate::state::AppState;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{ReplayQuery, RequestQuery, Store, StoreError};

/// Period that is searched for denials, milliseconds: a week.
const PERIOD: u64 = 7 * 86_400_000;

/// Maximum number of requests of a session that are searched: the newest ones.
const NEWEST: usize = 1000;

/// The subject of a denial.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denied {
    /// A session, by its id.
    Session(String),
    /// An IPv4 address, or the /64 of an IPv6 one: `2001:db8::/64`.
    Address(String),
}

impl Denied {
    /// The id or address.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Session(text) | Self::Address(text) => text,
        }
    }
}

/// A session or address that a rule denied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleDenial {
    /// The subject.
    pub denied: Denied,
    /// Name of the rule.
    pub rule: String,
    /// Start of the request that made it fire, ms since 1970.
    pub since: u64,
    /// End of the denial, ms since 1970.
    pub until: u64,
}

/// Current denials by rules.
#[derive(Debug, Serialize, ToSchema)]
pub struct RuleDenials {
    /// Denials, newest first; at most 1000.
    denials: Vec<DenialByRule>,
}

/// A denial by a rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct DenialByRule {
    /// Session id; absent: an address is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// IPv4 address, or the /64 of an IPv6 one (`2001:db8::/64`); absent: a session is denied.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Name of the rule.
    rule: String,
    /// Start of the request that made it fire, ms since 1970.
    since: u64,
    /// End of the denial, ms since 1970.
    until: u64,
}

impl From<RuleDenial> for DenialByRule {
    fn from(RuleDenial { denied, rule, since, until }: RuleDenial) -> Self {
        let (session, address) = match denied {
            Denied::Session(id) => (Some(id), None),
            Denied::Address(address) => (None, Some(address)),
        };
        Self { session, address, rule, since, until }
    }
}

/// Sessions and addresses that nodes deny by rules, from the records of the last week.
///
/// `DELETE /v1/denylist/{session}` ends such a denial, of a session or an address.
#[utoipa::path(
    get,
    path = "/v1/rules/denials",
    responses((status = 200, description = "Denials in force.", body = RuleDenials))
)]
pub async fn list(
    State(state): State<AppState>,
    _: Query<NoQuery>,
) -> Result<Json<RuleDenials>, AppError> {
    let denials = state.list(move |store| all(store, now_ms())).await?;
    Ok(Json(RuleDenials { denials: denials.into_iter().map(Into::into).collect() }))
}

/// Current denials; for each subject, the one that ends last.
struct InForce {
    now: u64,
    lifted: AHashMap<String, u64>,
    times: Times,
    found: BTreeMap<Denied, RuleDenial>,
}

impl InForce {
    fn new(store: &dyn Store, now: u64) -> Result<Self, StoreError> {
        let lifted = store.lifted(now.saturating_sub(PERIOD))?;
        let lifted = lifted.into_iter().map(|one| (one.session, one.ts)).collect();
        Ok(Self { now, lifted, times: Times::default(), found: BTreeMap::new() })
    }

    fn add(&mut self, record: &Record<'_>) {
        // The count is 0 if the denylist refused the request.
        for hit in record.rules.iter().filter(|hit| hit.enforced && hit.count > 0) {
            let (session, address) = self.times.of(&hit.then);
            let session = session.map(|ms| (Denied::Session(record.session.to_string()), ms));
            let address = address.map(|ms| (Denied::Address(network(&record.ip)), ms));
            for (denied, ms) in session.into_iter().chain(address) {
                let until = record.ts.saturating_add(ms);
                let is_lifted = self.lifted.get(denied.as_str()).is_some_and(|ts| *ts > record.ts);
                let ends_later = self.found.get(&denied).is_none_or(|other| other.until < until);
                if until > self.now && !is_lifted && ends_later {
                    let (rule, since) = (hit.name.to_string(), record.ts);
                    let denial = RuleDenial { denied: denied.clone(), rule, since, until };
                    self.found.insert(denied, denial);
                }
            }
        }
    }

    /// Returns the denials, newest first.
    fn finish(self) -> Vec<RuleDenial> {
        let mut all: Vec<RuleDenial> = self.found.into_values().collect();
        all.sort_by_key(|denial| std::cmp::Reverse(denial.since));
        all
    }
}

/// Current denials that requests of a session triggered, of the session and of its addresses. Searches its newest 1000
/// requests.
///
/// # Errors
/// The error of the store.
pub fn of_session(
    store: &dyn Store,
    session: &str,
    now: u64,
) -> Result<Vec<RuleDenial>, StoreError> {
    let query = RequestQuery {
        session: session.to_owned(),
        descending: true,
        limit: NEWEST,
        ..RequestQuery::default()
    };
    let mut found = InForce::new(store, now)?;
    store.requests(&query)?.items.iter().for_each(|request| found.add(&request.record));
    Ok(found.finish())
}

/// Whether a rule denies this session id or address.
///
/// # Errors
/// The error of the store.
pub fn is_denied(store: &dyn Store, subject: &str, now: u64) -> Result<bool, StoreError> {
    let of_session = of_session(store, subject, now)?;
    if of_session.iter().any(|one| one.denied == Denied::Session(subject.to_owned())) {
        return Ok(true);
    }
    let address = Denied::Address(subject.to_owned());
    Ok(collect(store, now)?.found.contains_key(&address))
}

/// All current denials, newest first; at most [`MAX_LISTED_DENIALS`].
///
/// # Errors
/// The error of the store.
pub fn all(store: &dyn Store, now: u64) -> Result<Vec<RuleDenial>, StoreError> {
    let mut all = collect(store, now)?.finish();
    all.truncate(MAX_LISTED_DENIALS);
    Ok(all)
}

fn collect(store: &dyn Store, now: u64) -> Result<InForce, StoreError> {
    let query = ReplayQuery { from: now.saturating_sub(PERIOD), to: now, with_rules: true };
    let mut found = InForce::new(store, now)?;
    store.replay(&query, &mut |request| {
        found.add(&request.record);
        ControlFlow::Continue(())
    })?;
    Ok(found)
}

/// The address as nodes deny it: IPv6 by its /64.
pub(super) fn network(ip: &str) -> String {
    let mut room = [0; NETWORK_BYTES];
    String::from_utf8_lossy(rules::network(ip.as_bytes(), &mut room)).into_owned()
}

/// Durations of denials of the session and of the address, cached by the text of the reactions: few texts occur.
#[derive(Default)]
struct Times(AHashMap<String, (Option<u64>, Option<u64>)>);

impl Times {
    fn of(&mut self, then: &str) -> (Option<u64>, Option<u64>) {
        if let Some(known) = self.0.get(then) {
            return *known;
        }
        let text = SessionRule {
            name: "any".into(),
            over: "1/1m".into(),
            then: Some(then.to_owned()),
            ..SessionRule::default()
        };
        let times = Rule::new(text, &mut NoVariables).map_or((None, None), |rule| {
            let session = rule.reaction(|reaction| match reaction {
                Reaction::Deny(ms) => Some(*ms),
                _ => None,
            });
            let address = rule.reaction(|reaction| match reaction {
                Reaction::DenyIp(ms) => Some(*ms),
                _ => None,
            });
            (session, address)
        });
        // Nodes may report arbitrary text, so the cache is bounded.
        if self.0.len() < 1000 {
            self.0.insert(then.to_owned(), times);
        }
        times
    }
}
