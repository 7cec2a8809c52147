//! `GET /v1/rules/hits`: what rules have done, from the records of nodes.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ahash::AHashSet;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::denials::network;
use crate::api::query::RawQuery;
use crate::error::AppError;
use crate::extractors::Query;
use crate::limits::{MAX_HIT_RULES, MAX_HIT_SESSIONS, MAX_LISTED_HITS};
use crate::state::AppState;
use api_sessions_protocol::RuleHit;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{ReplayQuery, Store, StoreError, StoredRequest};

/// Default period, milliseconds: a week.
pub const DEFAULT_PERIOD: u64 = 7 * 86_400_000;

/// Query string; an empty value counts as absent.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RawHitsQuery {
    /// Earliest time: milliseconds since 1970 or RFC 3339; absent: seven days before `to`.
    pub from: String,
    /// Latest time; absent: now.
    pub to: String,
    /// Name of a rule, to list its sessions.
    pub rule: String,
}

/// What rules have done.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Hits {
    /// Rules that fired or refused a request, by name.
    pub rules: Vec<RuleHits>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

/// What one rule has done.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RuleHits {
    /// Its name.
    pub rule: String,
    /// Number of requests that made it fire or that it refused.
    pub hits: u64,
    /// Number of sessions with such requests.
    pub sessions: u64,
    /// Number of sessions against which it was enforced with more than `mark`; with `deny_ip`, number of addresses, an
    /// IPv6 one by its /64.
    pub subjects_refused: u64,
    /// Start of the newest of these requests, ms since 1970.
    pub last_hit: u64,
    /// Its sessions, most recent hit first, at most 1000. Absent unless the query names a rule.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sessions_hit: Vec<SessionHits>,
}

/// What a rule has done to a session.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionHits {
    /// Session id.
    pub session: String,
    /// Number of requests that made the rule fire or that it refused.
    pub hits: u64,
    /// Number of these requests against which it was enforced.
    pub enforced: u64,
    /// Largest count.
    pub count: u64,
    /// Start of the newest of these requests, ms since 1970.
    pub last_hit: u64,
}

/// What rules have done in a period, from the records of nodes.
#[utoipa::path(
    get,
    path = "/v1/rules/hits",
    params(RawHitsQuery),
    responses((status = 200, description = "Rules with hits, by name.", body = Hits))
)]
pub async fn list(
    State(state): State<AppState>,
    Query(raw): Query<RawHitsQuery>,
) -> Result<Json<Hits>, AppError> {
    hits(&state, raw).await.map(Json)
}

/// The hits, for the API and the Console.
///
/// # Errors
/// 400 for an invalid time; the error of the store.
pub async fn hits(state: &AppState, raw: RawHitsQuery) -> Result<Hits, AppError> {
    let times = RawQuery { from: raw.from, to: raw.to, ..RawQuery::default() }.filter()?;
    let to = times.to.unwrap_or_else(now_ms);
    let from = times.from.unwrap_or_else(|| to.saturating_sub(DEFAULT_PERIOD));
    let rule = Some(raw.rule).filter(|rule| !rule.is_empty());
    state.list(move |store| collect(store, from, to, rule.as_deref())).await
}

#[derive(Default)]
struct Counting {
    hits: u64,
    last_hit: u64,
    refused: AHashSet<String>,
    sessions: BTreeMap<String, SessionHits>,
}

fn collect(store: &dyn Store, from: u64, to: u64, only: Option<&str>) -> Result<Hits, StoreError> {
    let mut rules: BTreeMap<String, Counting> = BTreeMap::new();
    let query = ReplayQuery { from, to, with_rules: true };
    let incomplete = store.replay(&query, &mut |request| {
        for hit in &request.record.rules {
            if only.is_some_and(|only| *hit.name != *only) {
                continue;
            }
            if !rules.contains_key(&*hit.name) && rules.len() >= MAX_HIT_RULES {
                continue;
            }
            rules.entry(hit.name.to_string()).or_default().add(&request, hit);
        }
        ControlFlow::Continue(())
    })?;
    let rules = rules.into_iter().map(|(rule, counting)| counting.finish(rule, only.is_some()));
    Ok(Hits { rules: rules.collect(), incomplete })
}

impl Counting {
    fn add(&mut self, request: &StoredRequest, hit: &RuleHit<'_>) {
        let record = &request.record;
        self.hits += 1;
        self.last_hit = self.last_hit.max(record.ts);
        let refuses = hit.enforced && hit.then.split(',').any(|word| word != "mark");
        if refuses && self.refused.len() < MAX_HIT_SESSIONS {
            let by_address = hit.then.split(',').any(|word| word.starts_with("deny_ip"));
            self.refused.insert(match by_address {
                true => network(&record.ip),
                false => record.session.to_string(),
            });
        }
        if self.sessions.len() >= MAX_HIT_SESSIONS && !self.sessions.contains_key(&*record.session)
        {
            return;
        }
        let of_session = self.sessions.entry(record.session.to_string()).or_default();
        of_session.hits += 1;
        of_session.enforced += u64::from(hit.enforced);
        of_session.count = of_session.count.max(hit.count);
        of_session.last_hit = of_session.last_hit.max(record.ts);
    }

    fn finish(self, rule: String, lists_sessions: bool) -> RuleHits {
        let sessions = self.sessions.len() as u64;
        let mut sessions_hit: Vec<SessionHits> = match lists_sessions {
            true => self
                .sessions
                .into_iter()
                .map(|(session, hits)| SessionHits { session, ..hits })
                .collect(),
            false => Vec::new(),
        };
        sessions_hit.sort_by_key(|session| std::cmp::Reverse(session.last_hit));
        sessions_hit.truncate(MAX_LISTED_HITS);
        RuleHits {
            rule,
            hits: self.hits,
            sessions,
            subjects_refused: self.refused.len() as u64,
            last_hit: self.last_hit,
            sessions_hit,
        }
    }
}
