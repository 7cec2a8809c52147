//! Rules over sessions: a request is counted once it is over, and refused in the access phase where a rule limits.
//!
//! A rule that denies adds to the node's own denylist, which the access phase asks anyway.

use std::cell::RefCell;

use api_sessions_extract::{Exchange, Ja4Form, Point, Scratch, Side, query};
use api_sessions_identity::{Namespace, Phase};
use api_sessions_protocol::{DenyEntry, ParamType, SessionId, Source};
use api_sessions_rules::{
    Answer, Counts, Facts, Mode, Observation, Reaction, Rule, Words, normalize, write_network,
};
use api_sessions_shm::{RuleCountsHandle, SessionCounters};

use super::lifecycle::with_parameter;
use super::state::{Counted, State};
use super::view::View;
use crate::directives::{Analysis, Deny, LocationConf, MainConf};
use crate::ffi::process;
use crate::ffi::request::Request;
use crate::worker::{RuleBuffers, Worker};

/// Seeds of keys that no rule's count has.
const DENIALS: u64 = 0x6465_6e69_616c_7300;
const HITS: u64 = 0x6869_7473_0000_0000;
/// Parameters of a request that are compared with those in another place of it.
const MAX_COMPARED: usize = 64;

/// A rule that fired with a request, or that refused it.
pub(crate) struct Hit {
    pub(crate) name: String,
    pub(crate) count: u64,
    pub(crate) then: String,
    pub(crate) enforced: bool,
    /// `rule:NAME`, where the rule marks.
    pub(crate) mark: Option<String>,
}

impl Hit {
    fn new(rule: &Rule, count: u64) -> Self {
        Self {
            name: rule.name().to_owned(),
            count,
            then: rule.then_text().to_owned(),
            enforced: rule.mode == Mode::Enforce,
            mark: None,
        }
    }
}

/// The counts of this worker, as rules want them.
struct NodeCounts<'c>(&'c RuleCountsHandle);

impl Counts for NodeCounts<'_> {
    #[inline]
    fn hash(&self, seed: u64, bytes: &[u8]) -> u64 {
        self.0.counts().hash(seed, bytes)
    }

    #[inline]
    fn update<R>(&self, key: u64, now_ms: u64, change: impl FnOnce(&mut Words) -> R) -> Option<R> {
        self.0.update(key, now_ms, change)
    }

    #[inline]
    fn read(&self, key: u64) -> Option<Words> {
        self.0.counts().read(key)
    }
}

/// What rules ask of a request of NGINX.
struct NodeFacts<'f> {
    view: &'f View<'f>,
    scratch: &'f RefCell<Scratch>,
    path: &'f [u8],
    status: u16,
    attacks: &'f [&'f str],
    source: Source,
    user: &'f [u8],
    session: &'f SessionId,
    begins_session: bool,
    bytes_in: u64,
    bytes_out: u64,
    time_ms: u64,
}

impl Facts for NodeFacts<'_> {
    fn method(&self) -> &[u8] {
        self.view.method()
    }

    fn path(&self) -> &[u8] {
        self.path
    }

    fn status(&self) -> u16 {
        self.status
    }

    fn has_attack(&self, kind: Option<&str>) -> bool {
        match kind {
            Some(kind) => self.attacks.contains(&kind),
            None => !self.attacks.is_empty(),
        }
    }

    fn attacks(&self) -> u64 {
        self.attacks.len() as u64
    }

    fn source(&self) -> Source {
        self.source
    }

    fn user(&self) -> Option<&[u8]> {
        Some(self.user).filter(|user| !user.is_empty())
    }

    fn session(&self) -> &[u8] {
        &self.session.0
    }

    fn ip(&self) -> &[u8] {
        self.view.ip()
    }

    fn ja4(&self) -> Option<&[u8]> {
        self.view.ja4(Ja4Form::Plain)
    }

    fn begins_session(&self) -> Answer {
        self.begins_session.into()
    }

    fn has_conflicting_parameters(&self) -> Answer {
        conflict(self.view).into()
    }

    fn bytes_in(&self) -> u64 {
        self.bytes_in
    }

    fn bytes_out(&self) -> u64 {
        self.bytes_out
    }

    fn time_ms(&self) -> u64 {
        self.time_ms
    }

    fn read(&self, point: &Point, then: &mut dyn FnMut(Option<&[u8]>)) -> bool {
        match self.scratch.try_borrow_mut() {
            Ok(mut scratch) => then(point.read(self.view, &mut scratch)),
            // A point that reads a variable that reads a point.
            Err(_) => then(None),
        }
        true
    }
}

/// Whether a parameter of the query is in the form of the body too, with another value.
fn conflict(view: &View<'_>) -> bool {
    let Some(body) = view.body(Side::Request).filter(|body| body.is_form()) else { return false };
    let pairs = body.bytes.split(|byte| *byte == b'&').take(MAX_COMPARED);
    pairs.filter(|pair| !pair.is_empty()).any(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let other = query::find(view.query(), name, 0);
        !name.is_empty() && other.is_some_and(|other| other != value)
    })
}

/// Whether a rule neither counts nor refuses the request.
fn is_excepted(r: Request<'_>, conf: &LocationConf, user: &[u8], role: &[u8]) -> bool {
    let exceptions = conf.exceptions();
    let ip = || u128::from_be_bytes(r.client_ip());
    !exceptions.is_empty() && exceptions.iter().any(|one| one.covers(ip(), user, role))
}

/// What is known of a request that is over.
pub(super) struct Finished<'f> {
    pub(super) session: &'f SessionId,
    pub(super) source: Source,
    pub(super) standing: Option<SessionCounters>,
    pub(super) user: &'f [u8],
    pub(super) role: &'f [u8],
    pub(super) attacks: &'f [&'f str],
}

/// Counts the request under each rule that it is about, and reacts where one fires. What fired is in the state.
pub(super) fn count(
    r: Request<'_>,
    (conf, analysis): (&LocationConf, &Analysis),
    main: &MainConf,
    worker: &Worker,
    state: &State,
    finished: &Finished<'_>,
) {
    let rules = analysis.rules();
    if rules.is_empty() || state.limited.get() {
        return;
    }
    let Some(hand) = main.counts_hand() else { return };
    let counts = NodeCounts(hand);
    let now_ms = process::now_ms();
    if state.is_denied() && !matches!(conf.deny(), Deny::DryRun(_)) {
        note_denial(r, analysis, main, &counts, state, finished.session, now_ms);
        return;
    }
    let line = r.line();
    let Ok(mut buffers) = worker.rules.try_borrow_mut() else { return };
    let RuleBuffers { path, observe, scratch } = &mut *buffers;
    let path = normalize(line.path, path);
    let matched = rules.matches(line.method, path);
    if matched.is_empty() || is_excepted(r, conf, finished.user, finished.role) {
        return;
    }
    let Ok(bodies) = state.bodies.try_borrow() else { return };
    let facts = NodeFacts {
        view: &bodies.view(r, main.variables(), Phase::Log),
        scratch,
        path,
        status: r.logged_status(),
        attacks: finished.attacks,
        source: finished.source,
        user: finished.user,
        session: finished.session,
        begins_session: finished.standing.is_some_and(|standing| standing.requests == 1),
        bytes_in: r.request_length(),
        bytes_out: r.bytes_sent(),
        time_ms: now_ms.saturating_sub(r.start_ms()),
    };
    for one in matched.iter().filter_map(|at| rules.get(at)) {
        let seen = one.rule.observe(&counts, &facts, now_ms, observe);
        let Observation::Counted { count, fires: true } = seen else { continue };
        let mut hit = Hit::new(&one.rule, count);
        hit.mark = one.rule.then.contains(&Reaction::Mark).then(|| one.mark.clone());
        counts.update(hits_key(&counts, one.rule.name()), now_ms, |words| words[0] += 1);
        if hit.enforced {
            react(r, main, &counts, &one.rule, finished.session, now_ms);
        }
        if let Ok(mut hits) = state.hits.try_borrow_mut() {
            hits.push(hit);
        }
    }
}

/// Denies the session or the address of a request with which a rule has fired.
fn react(
    r: Request<'_>,
    main: &MainConf,
    counts: &NodeCounts<'_>,
    rule: &Rule,
    session: &SessionId,
    now_ms: u64,
) {
    for reaction in &rule.then {
        match reaction {
            Reaction::Deny(ms) => deny(main, counts, rule, session, *ms, now_ms),
            Reaction::DenyIp(ms) => {
                if let Some(address) = address_session(r, main) {
                    deny(main, counts, rule, &address, *ms, now_ms);
                }
            }
            Reaction::Mark | Reaction::Limit(_) => {}
        }
    }
}

/// The session that an address by itself would have: under its id, an address is denied.
fn address_session(r: Request<'_>, main: &MainConf) -> Option<SessionId> {
    let mut counted = Vec::new();
    write_network(r.remote_addr(), &mut counted);
    Some(main.hasher()?.session_id(Namespace::Ip, &counted))
}

/// Adds an entry to the node's own denylist, unless there is one, or one was taken off by hand a while ago.
///
/// | word | content |
/// | --- | --- |
/// | 0 | id of the rule |
/// | 1, 2 | end and begin of the entry, milliseconds |
/// | 3 | end of the time in which no rule puts it back |
fn deny(
    main: &MainConf,
    counts: &NodeCounts<'_>,
    rule: &Rule,
    session: &SessionId,
    ms: u64,
    now_ms: u64,
) {
    let Some(writer) = main.deny_hand() else { return };
    let key = counts.hash(DENIALS, &session.0);
    let begins = counts.update(key, now_ms, |words| {
        let begins = now_ms >= words[1] && now_ms >= words[3];
        if begins {
            *words = [rule.id(), now_ms + ms, now_ms, 0, 0, 0, 0];
        }
        begins
    });
    if begins != Some(true) {
        return;
    }
    let entry = DenyEntry {
        session: session.to_string(),
        since: now_ms,
        until: Some(now_ms + ms),
        reason: Some(format!("rule {}", rule.name())),
        by: Some("rule".to_owned()),
        ..DenyEntry::default()
    };
    if writer.insert(&entry, now_ms).is_err() {
        // The next request that fires tries again.
        counts.update(key, now_ms, |words| words[1] = 0);
    }
}

/// An entry of the denylist was taken off by hand: for half of its time, no rule puts it back.
pub(crate) fn lifted(main: &MainConf, session: &SessionId, now_ms: u64) {
    let Some(hand) = main.counts_hand() else { return };
    let key = hand.counts().hash(DENIALS, &session.0);
    if hand.counts().read(key).is_none() {
        return;
    }
    hand.update(key, now_ms, |words| {
        if now_ms < words[1] {
            words[3] = now_ms + words[1].saturating_sub(words[2]) / 2;
            words[1] = 0;
        }
    });
}

/// Of a request that was refused since a rule denied its session or address: which rule that was.
fn note_denial(
    r: Request<'_>,
    analysis: &Analysis,
    main: &MainConf,
    counts: &NodeCounts<'_>,
    state: &State,
    session: &SessionId,
    now_ms: u64,
) {
    let denial = |session: &SessionId| {
        let words = counts.read(counts.hash(DENIALS, &session.0))?;
        (now_ms < words[1]).then_some(words[0])
    };
    let address = || analysis.rules().denies_address().then(|| address_session(r, main)).flatten();
    let Some(id) = denial(session).or_else(|| denial(&address()?)) else { return };
    let Some(one) = analysis.rules().iter().find(|one| one.rule.id() == id) else { return };
    refused(counts, state, Hit { enforced: true, ..Hit::new(&one.rule, 0) }, now_ms);
}

fn refused(counts: &NodeCounts<'_>, state: &State, hit: Hit, now_ms: u64) {
    counts.update(hits_key(counts, &hit.name), now_ms, |words| words[1] += 1);
    if let Ok(mut hits) = state.hits.try_borrow_mut() {
        hits.push(hit);
    }
}

fn hits_key(counts: &NodeCounts<'_>, name: &str) -> u64 {
    counts.hash(HITS, name.as_bytes())
}

/// Requests with which a rule has fired, and requests that it refused, on this node.
pub(crate) fn figures(main: &MainConf, name: &str) -> (u64, u64) {
    let Some(counts) = main.rule_counts() else { return (0, 0) };
    let words = counts.read(counts.hash(HITS, name.as_bytes())).unwrap_or_default();
    (words[0], words[1])
}

/// Whether a rule denies the request's address.
pub(super) fn is_address_denied(
    r: Request<'_>,
    conf: &LocationConf,
    main: &MainConf,
    is_denied: impl Fn(&SessionId) -> bool,
) -> bool {
    if !conf.analysis(main).rules().denies_address() {
        return false;
    }
    let (user, role) = who(r, conf);
    !is_excepted(r, conf, &user, &role)
        && address_session(r, main).is_some_and(|address| is_denied(&address))
}

/// User and role, where an exception may name them.
fn who(r: Request<'_>, conf: &LocationConf) -> (Vec<u8>, Vec<u8>) {
    let (mut user, mut role) = (Vec::new(), Vec::new());
    if !conf.exceptions().is_empty() {
        with_parameter(r, conf, ParamType::User, |value| user.extend_from_slice(value));
        with_parameter(r, conf, ParamType::Role, |value| role.extend_from_slice(value));
    }
    (user, role)
}

/// Seconds until the request's subject may come again, where it is over a rule's threshold and over its rate. Asked
/// once a request.
pub(super) fn limit(
    r: Request<'_>,
    conf: &LocationConf,
    main: &MainConf,
    worker: &Worker,
    counted: &Counted,
) -> Option<u64> {
    let analysis = conf.analysis(main);
    let rules = analysis.rules();
    if !rules.limits() {
        return None;
    }
    let state = State::of(r)?;
    if state.asked_for_limits.replace(true) {
        return None;
    }
    let line = r.line();
    let (user, role) = who(r, conf);
    let hand = main.counts_hand()?;
    let mut buffers = worker.rules.try_borrow_mut().ok()?;
    let RuleBuffers { path, observe, scratch } = &mut *buffers;
    let path = normalize(line.path, path);
    let limiting = rules.limiting(line.method, path);
    if limiting.is_empty() || is_excepted(r, conf, &user, &role) {
        return None;
    }
    let bodies = state.bodies.try_borrow().ok()?;
    let facts = NodeFacts {
        view: &bodies.view(r, main.variables(), Phase::Access),
        scratch,
        path,
        status: 0,
        attacks: &[],
        source: counted.source,
        user: &user,
        session: &counted.session,
        begins_session: false,
        bytes_in: 0,
        bytes_out: 0,
        time_ms: 0,
    };
    let counts = NodeCounts(hand);
    let now_ms = process::now_ms();
    for one in limiting.iter().filter_map(|at| rules.get(at)) {
        if let Err((count, wait_ms)) = one.rule.limit(&counts, &facts, now_ms, observe) {
            state.limited.set(true);
            refused(&counts, state, Hit { enforced: true, ..Hit::new(&one.rule, count) }, now_ms);
            return Some(wait_ms.div_ceil(1000).max(1));
        }
    }
    None
}
