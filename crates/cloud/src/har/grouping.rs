//! Groups requests as the module's log phase does: in the order of their responses, each resolved with the values that
//! earlier responses have issued.

use api_sessions_extract::builtin::EntrySet;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use api_sessions_extract::{Scratch, SessionKey};
use api_sessions_identity::{
    Exchanged, Fallback, Follow, Hasher, Keys, Learned, Namespace, Phase, Resolution, learn,
    resolve_with,
};
use api_sessions_protocol::SessionId;
use api_sessions_shm::{LinkHandle, Links, Region};

use super::exchange::HarExchange;
use super::rotation::Rotations;
use crate::limits::{MAX_IN_FLIGHT, MAX_PATHS};

/// Memory for links, bytes: far more than one browser needs.
const LINK_BYTES: usize = 16 << 20;
/// Lifetime of a link, seconds: the default of `api_sessions_zone`.
const INACTIVE_S: u32 = 24 * 60 * 60;

/// One session.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) requests: usize,
    /// Start of its first request, ms since 1970.
    pub(super) first_ms: u64,
    /// Start of its last request, ms since 1970.
    pub(super) last_ms: u64,
    /// Requests by key: its label, and its kind (`$api_session_source`).
    pub(super) keys: BTreeMap<(String, &'static str), usize>,
    /// The first distinct paths.
    pub(super) paths: Vec<String>,
}

/// The result for a file.
#[derive(Debug)]
pub(super) struct Groups {
    /// In the order of their first responses.
    pub(super) sessions: Vec<Session>,
    /// Labels of the keys given on the command line.
    pub(super) given: Vec<String>,
    pub(super) rotations: Rotations,
}

/// Acts as a node with one client.
pub(super) struct Grouping {
    keys: Vec<SessionKey>,
    builtin: bool,
    hasher: Hasher,
    links: LinkHandle,
    scratch: Scratch,
    found: Vec<u8>,
    /// By the time of their responses, then in the order of the file.
    under_way: BinaryHeap<Reverse<(u64, usize)>>,
    waiting: HashMap<usize, HarExchange>,
    taken: usize,
    numbers: HashMap<SessionId, usize>,
    groups: Groups,
}

impl Grouping {
    /// Returns `None` if there is no memory for links.
    pub(super) fn new(keys: Vec<SessionKey>, builtin: bool) -> Option<Self> {
        let given = keys.iter().map(|key| key.name.clone()).collect();
        let links = Links::attach(Region::of_process(LINK_BYTES)?, INACTIVE_S).ok()?.0;
        Some(Self {
            keys,
            builtin,
            // Ids are not printed, so any secret will do.
            hasher: Hasher::new(b"api-sessions-cloud try"),
            links: links.join(0, std::process::id()),
            scratch: Scratch::default(),
            found: Vec::new(),
            under_way: BinaryHeap::new(),
            waiting: HashMap::new(),
            taken: 0,
            numbers: HashMap::new(),
            groups: Groups { sessions: Vec::new(), given, rotations: Rotations::default() },
        })
    }

    /// Adds the next request of the file.
    pub(super) fn take(&mut self, request: HarExchange) {
        self.answer_until(request.started_ms);
        if self.under_way.len() >= MAX_IN_FLIGHT {
            self.answer_next();
        }
        self.under_way.push(Reverse((request.ended_ms, self.taken)));
        self.waiting.insert(self.taken, request);
        self.taken += 1;
    }

    /// Completes the requests in flight and returns the result.
    pub(super) fn finish(mut self) -> Groups {
        while self.answer_next() {}
        self.groups
    }

    fn answer_until(&mut self, now_ms: u64) {
        while self.under_way.peek().is_some_and(|Reverse((ended_ms, _))| *ended_ms <= now_ms) {
            self.answer_next();
        }
    }

    fn answer_next(&mut self) -> bool {
        let Some(Reverse((_, at))) = self.under_way.pop() else { return false };
        if let Some(request) = self.waiting.remove(&at) {
            self.settle(&request);
        }
        true
    }

    /// Resolves and learns, like the module's log phase.
    fn settle(&mut self, request: &HarExchange) {
        let Self { keys: own, builtin, hasher, links, scratch, found, numbers, .. } = self;
        let keys =
            Keys { own, builtin: *builtin, fallback: Fallback::default(), demoted: EntrySet::NONE };
        let now_s = u32::try_from(request.ended_ms / 1000).unwrap_or(u32::MAX);
        let follow = Follow { handle: links, now_s, tokens: true, has_others: false };
        let id = |namespace: Namespace, value: &[u8]| hasher.session_id(namespace, value);
        let exists = |session| numbers.contains_key(&session);
        let resolution = resolve_with(keys, request, Phase::Log, id, Some(follow), scratch, found);
        let exchanged = Exchanged {
            exchange: request,
            keys,
            is_new: !exists(resolution.id),
            id: &id,
            exists: &exists,
            known: None,
        };
        let mut learned = Learned::default();
        let moved = learn(follow, &exchanged, &resolution, scratch, found, &mut learned);
        let resolution = moved.unwrap_or(resolution);
        let next = numbers.len();
        let number = *numbers.entry(resolution.id).or_insert(next);
        count(&mut self.groups.sessions, number, request, &resolution);
        self.groups.rotations.observe(request, number);
    }
}

fn count(
    sessions: &mut Vec<Session>,
    number: usize,
    request: &HarExchange,
    resolution: &Resolution<'_>,
) {
    if sessions.len() <= number {
        sessions.resize_with(number + 1, Session::default);
    }
    let Some(session) = sessions.get_mut(number) else { return };
    let is_first = session.requests == 0;
    session.requests += 1;
    if is_first || request.started_ms < session.first_ms {
        session.first_ms = request.started_ms;
    }
    session.last_ms = session.last_ms.max(request.started_ms);
    let key = (resolution.label.as_str().to_owned(), resolution.source().as_str());
    *session.keys.entry(key).or_default() += 1;
    if session.paths.len() < MAX_PATHS && !session.paths.contains(&request.path) {
        session.paths.push(request.path.clone());
    }
}
