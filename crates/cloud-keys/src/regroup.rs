//! Tries other keys on stored requests: the sessions that they would make, by the values in the records.

mod carried;
mod recent;
#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry;
use std::hash::{BuildHasher as _, RandomState};
use std::net::Ipv6Addr;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use ahash::{AHashMap, AHashSet};
use api_sessions_extract::{NoVariables, Point};
use api_sessions_protocol::{Parameter, Record, Source};
use api_sessions_store::clock::rfc3339;
use api_sessions_store::{ReplayQuery, Store, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use carried::{Carried, Carrier};
pub use recent::recent;

/// Maximum number of keys of a trial.
pub const MAX_KEYS: usize = 16;
/// Maximum length of a point, bytes.
pub const MAX_POINT_BYTES: usize = 1024;
/// Maximum duration of a trial.
pub const MAX_TIME: Duration = Duration::from_secs(60);
/// Maximum number of sessions, and of groups, of a trial. It stops there and reports that.
const MAX_SESSIONS: usize = 300_000;
/// Maximum number of pairs of a session and a group with requests of it.
const MAX_PAIRS: usize = 600_000;
/// Maximum number of examples of each kind.
const MAX_EXAMPLES: usize = 10;
/// Maximum number of sessions named in an example.
const MAX_NAMED: usize = 5;
/// Number of requests between two checks of the clock.
const LOOK_EVERY: u64 = 512;

/// The sessions that other keys would make of stored requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Regrouped {
    /// Number of stored requests that were read.
    pub requests: u64,
    /// Number of sessions they are in.
    pub sessions_before: u64,
    /// Number of sessions they would be in.
    pub sessions_after: u64,
    /// Number of sessions with the same requests before and after.
    pub unchanged: u64,
    /// Sessions that would be merged into one, largest first; at most 10.
    pub merged: Vec<MergedSessions>,
    /// Sessions that would be split, largest first; at most 10.
    pub split: Vec<SplitSession>,
    /// Number of requests that each key would group.
    pub keys: Vec<KeyUse>,
    /// What the stored records do not tell, one sentence each; empty if nothing is missing.
    pub incomplete: Vec<String>,
}

/// Sessions that would be merged into one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MergedSessions {
    /// Ids of the first sessions; at most 5.
    pub sessions: Vec<String>,
    /// Number of sessions.
    pub count: u64,
    /// Number of requests of the merged session.
    pub requests: u64,
    /// The point whose value they share; absent: they share address and `User-Agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point: Option<String>,
}

/// A session that would be split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SplitSession {
    /// The session.
    pub session: String,
    /// Number of sessions it would be.
    pub count: u64,
    /// Number of its requests.
    pub requests: u64,
}

/// Usage of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KeyUse {
    /// Its point.
    pub point: String,
    /// Number of requests that it would group.
    pub requests: u64,
}

/// Parses the points to try.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn points(texts: &[String]) -> Result<Vec<Point>, String> {
    if texts.len() > MAX_KEYS {
        return Err(format!("keys: at most {MAX_KEYS} are accepted"));
    }
    let read = |(at, text): (usize, &String)| {
        if text.len() > MAX_POINT_BYTES {
            return Err(format!("keys[{at}]: a point has at most {MAX_POINT_BYTES} bytes"));
        }
        Point::parse(text, &mut NoVariables).map_err(|error| format!("keys[{at}]: {error}"))
    };
    texts.iter().enumerate().map(read).collect()
}

/// What would group a request.
#[derive(Hash)]
enum By<'r> {
    Value(&'r str),
    Client(&'r str, Option<&'r str>),
    Network([u16; 4], Option<&'r str>),
}

#[derive(Debug)]
struct Session {
    id: Box<str>,
    requests: u64,
    /// Its requests without a value, which stay in the session.
    own: u64,
    /// Whether one of them followed a request with a value.
    is_own_later: bool,
    /// Number of groups with its other requests.
    groups: u32,
    /// The first of these groups.
    first: u32,
}

#[derive(Debug, Default)]
struct Group {
    requests: u64,
    /// Number of sessions with requests in the group.
    sessions: u32,
    named: Vec<u32>,
    /// Index of the key; `None`: address and `User-Agent`.
    key: Option<usize>,
}

/// A trial in progress: counts sessions before and after, one record at a time.
pub struct Regrouping {
    carriers: Vec<Carrier>,
    builtin: bool,
    application: Option<String>,
    hasher: RandomState,
    known: AHashMap<Box<str>, u32>,
    sessions: Vec<Session>,
    by: AHashMap<u64, u32>,
    groups: Vec<Group>,
    pairs: AHashSet<(u32, u32)>,
    requests: u64,
    used: Vec<u64>,
    /// Number of requests whose value of the key cannot be compared.
    unreadable: Vec<u64>,
    /// Whether the key has both plain and hashed values.
    forms: Vec<(bool, bool)>,
    /// Whether some record carries the key, even one that a key before it groups.
    is_carried: Vec<bool>,
    /// Whether requests before the first one with a value are ignored.
    is_from_first: bool,
}

impl Regrouping {
    /// Creates a trial of `keys` before those in use, with or without the built-in set, for one application or all.
    pub fn new(
        keys: Vec<Point>,
        builtin: bool,
        application: Option<String>,
        parameters: &[Parameter],
    ) -> Self {
        let len = keys.len();
        Self {
            carriers: keys.into_iter().map(|point| Carrier::new(point, parameters)).collect(),
            builtin,
            application,
            hasher: RandomState::new(),
            known: AHashMap::new(),
            sessions: Vec::new(),
            by: AHashMap::new(),
            groups: Vec::new(),
            pairs: AHashSet::new(),
            requests: 0,
            used: vec![0; len],
            unreadable: vec![0; len],
            forms: vec![(false, false); len],
            is_carried: vec![false; len],
            is_from_first: false,
        }
    }

    /// Starts at the first request that carries a value: the point may have been exported only recently.
    #[must_use]
    pub fn from_first_value(self) -> Self {
        Self { is_from_first: true, ..self }
    }

    /// Whether there is room for another request.
    pub fn has_room(&self) -> bool {
        self.sessions.len() < MAX_SESSIONS
            && self.groups.len() < MAX_SESSIONS
            && self.pairs.len() < MAX_PAIRS
    }

    /// Adds the next request, in the order of start.
    pub fn take(&mut self, record: &Record<'_>) {
        let application = record.app.as_deref().unwrap_or_default();
        if self.application.as_deref().is_some_and(|wanted| wanted != application) {
            return;
        }
        if self.is_from_first && self.requests == 0 {
            let has_none = |it: &Carrier| matches!(it.of(record), Carried::Nothing);
            if self.carriers.iter().all(has_none) {
                return;
            }
        }
        self.requests += 1;
        for (carrier, is_carried) in self.carriers.iter().zip(&mut self.is_carried) {
            *is_carried = *is_carried || !matches!(carrier.of(record), Carried::Nothing);
        }
        let at = self.session(&record.session);
        let group = self.group(record);
        let Some(session) = self.sessions.get_mut(at as usize) else { return };
        session.requests += 1;
        let Some(group) = group else {
            session.own += 1;
            session.is_own_later |= session.groups > 0;
            return;
        };
        let Some(of) = self.groups.get_mut(group as usize) else { return };
        of.requests += 1;
        if self.pairs.insert((at, group)) {
            of.sessions += 1;
            if of.named.len() < MAX_NAMED {
                of.named.push(at);
            }
            if session.groups == 0 {
                session.first = group;
            }
            session.groups += 1;
        }
    }

    fn session(&mut self, id: &str) -> u32 {
        if let Some(at) = self.known.get(id) {
            return *at;
        }
        let at = u32::try_from(self.sessions.len()).unwrap_or(u32::MAX);
        self.known.insert(id.into(), at);
        self.sessions.push(Session {
            id: id.into(),
            requests: 0,
            own: 0,
            is_own_later: false,
            groups: 0,
            first: 0,
        });
        at
    }

    /// The group of a request; `None`: it stays in its session.
    fn group(&mut self, record: &Record<'_>) -> Option<u32> {
        for (at, carrier) in self.carriers.iter().enumerate() {
            let counts =
                (self.used.get_mut(at), self.unreadable.get_mut(at), self.forms.get_mut(at));
            let (Some(used), Some(unreadable), Some(forms)) = counts else { continue };
            match carrier.of(record) {
                Carried::Value { text, hashed } => {
                    *used += 1;
                    forms.0 |= hashed;
                    forms.1 |= !hashed;
                    return Some(self.numbered(&By::Value(text), Some(at)));
                }
                Carried::Unreadable => *unreadable += 1,
                Carried::Nothing => {}
            }
        }
        let ua = match record.source {
            _ if self.builtin => return None,
            Source::Key | Source::IpUaJa4 => return None,
            Source::Ip => None,
            Source::Builtin | Source::Client | Source::Link | Source::IpUa => record.ua.as_deref(),
        };
        let by = match network(&record.ip) {
            Some(network) => By::Network(network, ua),
            None => By::Client(&record.ip, ua),
        };
        Some(self.numbered(&by, None))
    }

    fn numbered(&mut self, by: &By<'_>, key: Option<usize>) -> u32 {
        let next = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        match self.by.entry(self.hasher.hash_one(by)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(free) => {
                free.insert(next);
                self.groups.push(Group { key, ..Group::default() });
                next
            }
        }
    }

    /// The result.
    pub fn finish(self) -> Regrouped {
        let mut after = self.groups.len() as u64;
        let mut unchanged = 0;
        let mut split: Vec<(u64, &Session)> = Vec::new();
        for session in &self.sessions {
            let stays = session.own > 0 && !self.joins(session);
            after += u64::from(stays);
            let count = u64::from(session.groups) + u64::from(stays);
            let is_alone = || {
                let group = self.groups.get(session.first as usize);
                group.is_some_and(|group| group.sessions == 1)
            };
            if count > 1 {
                split.push((count, session));
            } else if session.groups == 0 || is_alone() {
                unchanged += 1;
            }
        }
        split.sort_by(|(one, first), (other, second)| {
            (other, second.requests, &first.id).cmp(&(one, first.requests, &second.id))
        });
        let mut merged: Vec<&Group> = self.groups.iter().filter(|it| it.sessions > 1).collect();
        merged.sort_by_key(|it| std::cmp::Reverse((it.sessions, it.requests)));
        let name = |at: &u32| Some(self.sessions.get(*at as usize)?.id.to_string());
        let point = |at: usize| Some(self.carriers.get(at)?.point.as_str().to_owned());
        let used = self.carriers.iter().zip(&self.used);
        Regrouped {
            requests: self.requests,
            sessions_before: self.sessions.len() as u64,
            sessions_after: after,
            unchanged,
            merged: merged
                .iter()
                .take(MAX_EXAMPLES)
                .map(|group| MergedSessions {
                    sessions: group.named.iter().filter_map(name).collect(),
                    count: group.sessions.into(),
                    requests: group.requests,
                    point: group.key.and_then(point),
                })
                .collect(),
            split: split
                .iter()
                .take(MAX_EXAMPLES)
                .map(|(count, session)| SplitSession {
                    session: session.id.to_string(),
                    count: *count,
                    requests: session.requests,
                })
                .collect(),
            keys: used
                .map(|(carrier, requests)| KeyUse {
                    point: carrier.point.as_str().to_owned(),
                    requests: *requests,
                })
                .collect(),
            incomplete: self.incomplete(),
        }
    }

    /// Requests before the first one with a cookie belong to its session, since nodes follow cookies.
    fn joins(&self, session: &Session) -> bool {
        let group = self.groups.get(session.first as usize);
        let key = group.and_then(|group| self.carriers.get(group.key?));
        self.builtin
            && session.groups == 1
            && !session.is_own_later
            && key.is_some_and(Carrier::is_cookie)
    }

    fn incomplete(&self) -> Vec<String> {
        let mut all = Vec::new();
        let each =
            self.carriers.iter().zip(&self.is_carried).zip(self.unreadable.iter().zip(&self.forms));
        for ((carrier, is_carried), (unreadable, forms)) in each {
            let point = carrier.point.as_str();
            if !is_carried && (self.requests > 0 || self.is_from_first) {
                all.push(format!(
                    "no record carries a value of {point}: add it to the parameters, hashed, to see what it would change"
                ));
            }
            if *unreadable > 0 {
                all.push(format!(
                    "{unreadable} requests have a value of {point} that is cut or hidden: export it hashed"
                ));
            }
            if *forms == (true, true) {
                all.push(format!(
                    "{point} is in clear in some records and hashed in others: the same value counts as two"
                ));
            }
        }
        let without: u64 = self.sessions.iter().map(|session| session.own).sum();
        if without > 0 && self.used.iter().any(|used| *used > 0) {
            all.push(format!(
                "{without} requests stay in their sessions: they had no value, or it was not exported then"
            ));
        }
        all
    }
}

/// An IPv6 client is identified by its /64.
fn network(ip: &str) -> Option<[u16; 4]> {
    let address: Ipv6Addr = ip.parse().ok()?;
    let [a, b, c, d, ..] = address.segments();
    address.to_ipv4_mapped().is_none().then_some([a, b, c, d])
}

/// Replays the requests of a period with other keys. Stops early when `is_cancelled` returns true, and after `most`.
///
/// # Errors
/// The error of the store.
pub fn run(
    store: &dyn Store,
    tries: &mut [Regrouping],
    query: &ReplayQuery,
    most: Duration,
    is_cancelled: &dyn Fn() -> bool,
) -> Result<Vec<String>, StoreError> {
    let (begin, mut taken, mut ended) = (Instant::now(), 0_u64, None);
    let days = store.replay(query, &mut |request| {
        let why = match tries.iter().all(Regrouping::has_room) {
            _ if taken.is_multiple_of(LOOK_EVERY) && is_cancelled() => Some("it was cancelled"),
            _ if taken.is_multiple_of(LOOK_EVERY) && begin.elapsed() > most => {
                Some("it took too long")
            }
            true => None,
            false => Some("there are too many sessions"),
        };
        if let Some(why) = why {
            let from = rfc3339(request.record.ts);
            ended = Some(format!("the requests from {from} on were not looked at: {why}"));
            return ControlFlow::Break(());
        }
        taken += 1;
        tries.iter_mut().for_each(|it| it.take(&request.record));
        ControlFlow::Continue(())
    })?;
    let mut incomplete: Vec<String> = ended.into_iter().collect();
    if !days.is_empty() {
        incomplete.push(format!("days that could not be read completely: {}", days.join(", ")));
    }
    Ok(incomplete)
}
