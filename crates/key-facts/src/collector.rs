//! Measurements of a worker.

use api_sessions_extract::{Exchange, SessionKey, Side, cookie};

use super::candidate;
use super::claims::Tokens;
use super::facts::{KeyFacts, Kind, Seen};
use super::fingerprint::Key;
use super::names::{Known, Names};
use super::place::Place;
use super::wire::{ApplicationFacts, KeyLine, WindowFacts};
use crate::limits::{MAX_APPLICATION_BYTES, MAX_NAMES, MAX_WORKER_APPLICATIONS, MAX_WORKER_KEYS};

/// Maximum length of a moment, in which networks count as at once, milliseconds.
const MOMENT_MS: u64 = 10_000;
/// Requests of a window whose responses are all checked for `Set-Cookie`; after that, every [`SET_EVERY`]th.
const SET_FIRST: u64 = 256;
const SET_EVERY: u64 = 8;

/// Settings of a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Length of a window, milliseconds.
    pub window_ms: u64,
    /// Report only: verdicts do not demote keys.
    pub report: bool,
}

/// What decided the session of a request.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'d> {
    /// Kind of key.
    pub kind: Kind,
    /// Its label; for a followed cookie without a key, the name of the cookie.
    pub label: &'d str,
    /// Id of the session.
    pub session: &'d [u8; 16],
}

/// A request with its response.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'o> {
    /// Now, milliseconds since 1970.
    pub now_ms: u64,
    /// Name of its application.
    pub application: &'o [u8],
    /// Settings of its location.
    pub settings: Settings,
    /// What decided its session.
    pub decided: Decided<'o>,
    /// User; empty if unknown.
    pub user: &'o [u8],
    /// Keys of the operator.
    pub keys: &'o [SessionKey],
    /// Whether the built-in set is in use.
    pub builtin: bool,
}

struct Measured {
    hash: u32,
    kind: Kind,
    name: String,
    facts: KeyFacts,
    /// Requests that had it in the previous window.
    before: u64,
    /// Counts only sampled clients.
    is_claim: bool,
}

impl Measured {
    fn used(&self) -> u64 {
        self.before + self.facts.present + self.facts.decided
    }
}

struct Application {
    hash: u32,
    name: String,
    settings: Settings,
    window: u64,
    requests: u64,
    names: Box<Names>,
    tokens: Tokens,
    keys: Vec<Measured>,
}

/// Samples of one worker. Its memory is bounded by [`MAX_WORKER_APPLICATIONS`], [`MAX_NAMES`] and the size of a
/// sample, whatever clients send.
pub struct Collector {
    key: Key,
    /// Also measures what no key reads.
    with_candidates: bool,
    applications: Vec<Application>,
    done: Vec<WindowFacts>,
}

impl Collector {
    /// Creates a collector. All nodes with the same secret have the same key.
    pub fn new(key: Key) -> Self {
        Self { key, with_candidates: true, applications: Vec::new(), done: Vec::new() }
    }

    /// Creates a collector that measures what decides sessions, and no candidates.
    pub fn of_keys_alone(key: Key) -> Self {
        Self { with_candidates: false, ..Self::new(key) }
    }

    /// Measures a request and its response, if that has a status of 100 to 399.
    pub fn observe<X: Exchange + ?Sized>(&mut self, exchange: &X, observed: &Observed<'_>) {
        if !exchange.status().is_some_and(|status| (100..400).contains(&status)) {
            return;
        }
        let key = self.key.clone();
        let seen = seen(&key, exchange, observed);
        let with_candidates = self.with_candidates;
        let others: usize = self.applications.iter().map(|it| it.keys.len()).sum();
        let Some(application) = self.application(observed) else { return };
        application.requests += 1;
        let has_room = others < MAX_WORKER_KEYS;
        application.decide(&key, &seen, &observed.decided, has_room);
        if !with_candidates {
            return;
        }
        candidate::each(exchange, |place, name, value| {
            if place == Place::Header && name.eq_ignore_ascii_case(b"authorization") {
                return application.claims(&key, &seen, value, observed, has_room);
            }
            let hash = key.fingerprint(place as u8, name);
            let Some(at) = application.candidate(hash, place, name, observed, has_room) else {
                return;
            };
            if let Some(measured) = application.keys.get_mut(at) {
                measured.facts.add(&seen, key.fingerprint(0, value));
            }
        });
        if application.requests < SET_FIRST || application.requests % SET_EVERY == 0 {
            application.note_set(&key, exchange);
        }
    }

    /// Measures a demoted key of the built-in set that a request carries; `session` is the id that it would
    /// give.
    pub fn observe_unused<X: Exchange + ?Sized>(
        &mut self,
        exchange: &X,
        observed: &Observed<'_>,
        label: &str,
        session: &[u8; 16],
    ) {
        let key = self.key.clone();
        let seen = seen(&key, exchange, observed);
        let Some(application) = self.application(observed) else { return };
        let hash = key.fingerprint(Kind::Builtin as u8 + 16, label.as_bytes());
        if let Some(at) = application.label(hash, Kind::Builtin, label, true)
            && let Some(measured) = application.keys.get_mut(at)
        {
            measured.facts.add(&seen, of_session(session));
        }
    }

    fn application(&mut self, observed: &Observed<'_>) -> Option<&mut Application> {
        let name =
            observed.application.get(..MAX_APPLICATION_BYTES).unwrap_or(observed.application);
        let hash = self.key.fingerprint(8, name);
        let window = observed.now_ms / observed.settings.window_ms.max(1);
        let found = self.applications.iter().position(|it| it.hash == hash);
        let at = match found {
            Some(at) => at,
            None if self.applications.len() < MAX_WORKER_APPLICATIONS => {
                self.applications.push(Application {
                    hash,
                    name: String::from_utf8_lossy(name).into_owned(),
                    settings: observed.settings,
                    window,
                    requests: 0,
                    names: Box::default(),
                    tokens: Tokens::default(),
                    keys: Vec::new(),
                });
                self.applications.len() - 1
            }
            None => return None,
        };
        let application = self.applications.get_mut(at)?;
        if application.window != window
            || application.settings.window_ms != observed.settings.window_ms
        {
            self.done.extend(application.end());
            application.window = window;
        }
        application.settings = observed.settings;
        Some(application)
    }

    /// Returns the windows that are over at `now_ms`.
    pub fn take_done(&mut self, now_ms: u64) -> Vec<WindowFacts> {
        for application in &mut self.applications {
            if now_ms / application.settings.window_ms.max(1) != application.window {
                self.done.extend(application.end());
                application.window = now_ms / application.settings.window_ms.max(1);
            }
        }
        self.applications.retain(|it| it.requests > 0 || !it.keys.is_empty());
        std::mem::take(&mut self.done)
    }

    /// Returns all windows, also the current ones, when the worker exits.
    pub fn take_all(&mut self) -> Vec<WindowFacts> {
        self.done.extend(self.applications.iter_mut().filter_map(Application::end));
        std::mem::take(&mut self.done)
    }
}

impl Application {
    /// Ends the window. `None`: it has no requests.
    fn end(&mut self) -> Option<WindowFacts> {
        let requests = std::mem::take(&mut self.requests);
        let mut lines = Vec::new();
        for measured in &mut self.keys {
            let mut facts = std::mem::take(&mut measured.facts);
            if measured.is_claim {
                facts.present = self.tokens.scaled(facts.present);
            }
            measured.before = facts.present + facts.decided;
            if measured.before > 0 {
                lines.push(KeyLine { kind: measured.kind, name: measured.name.clone(), facts });
            }
        }
        self.keys.retain(|measured| measured.before > 0);
        self.names.rebuild(self.keys.iter().map(|measured| measured.hash));
        self.names.forget_ignored();
        self.tokens.end();
        let length = self.settings.window_ms;
        (requests > 0).then(|| WindowFacts {
            start: self.window * length,
            length,
            application: ApplicationFacts {
                name: self.name.clone(),
                requests,
                report: self.settings.report,
                keys: lines,
            },
        })
    }

    fn decide(&mut self, key: &Key, seen: &Seen, decided: &Decided<'_>, has_room: bool) {
        let Decided { kind, label, session } = *decided;
        if kind == Kind::Candidate {
            let hash = key.fingerprint(Place::Cookie as u8, label.as_bytes());
            if let Known::Key(at) = self.names.look(hash)
                && let Some(measured) = self.keys.get_mut(at)
            {
                measured.facts.decided += 1;
            }
            return;
        }
        let hash = key.fingerprint(kind as u8 + 16, label.as_bytes());
        let Some(at) = self.label(hash, kind, label, has_room) else { return };
        let Some(measured) = self.keys.get_mut(at) else { return };
        measured.facts.decided += 1;
        measured.facts.add(seen, of_session(session));
    }

    /// Index of the key with a label.
    fn label(&mut self, hash: u32, kind: Kind, label: &str, has_room: bool) -> Option<usize> {
        match self.names.look(hash) {
            Known::Key(at) => Some(at),
            Known::Ignored => None,
            Known::New(_) => self.add(hash, kind, label.to_owned(), u64::MAX, has_room),
        }
    }

    /// Index of a candidate, if it is measured.
    #[inline]
    fn candidate(
        &mut self,
        hash: u32,
        place: Place,
        name: &[u8],
        observed: &Observed<'_>,
        has_room: bool,
    ) -> Option<usize> {
        match self.names.look(hash) {
            Known::Key(at) => Some(at),
            Known::Ignored => None,
            Known::New(comes) if !Names::is_often(comes) => None,
            Known::New(comes) => {
                match candidate::new_point(place, name, observed.keys, observed.builtin) {
                    Some(point) => self.add(hash, Kind::Candidate, point, comes.into(), has_room),
                    None => {
                        self.names.ignore(hash);
                        None
                    }
                }
            }
        }
    }

    /// Measures the claims of the token in `Authorization`, which is never a key itself.
    fn claims(
        &mut self,
        key: &Key,
        seen: &Seen,
        header: &[u8],
        observed: &Observed<'_>,
        has_room: bool,
    ) {
        let mut tokens = std::mem::take(&mut self.tokens);
        for claim in tokens.read(seen.client, header, |bytes| key.fingerprint(0, bytes)) {
            let name = claim.name.as_bytes();
            let hash = key.fingerprint(Place::Claim as u8, name);
            if let Some(at) = self.candidate(hash, Place::Claim, name, observed, has_room)
                && let Some(measured) = self.keys.get_mut(at)
            {
                measured.is_claim = true;
                measured.facts.add(seen, claim.value);
            }
        }
        self.tokens = tokens;
    }

    /// Adds a name that has occurred `comes` times, if there is room or a candidate is used less. Returns its
    /// index.
    fn add(
        &mut self,
        hash: u32,
        kind: Kind,
        name: String,
        comes: u64,
        has_room: bool,
    ) -> Option<usize> {
        let facts = KeyFacts::default();
        let new = Measured { hash, kind, name, facts, before: 0, is_claim: false };
        let at = if self.keys.len() < MAX_NAMES && has_room {
            self.keys.push(new);
            self.keys.len() - 1
        } else {
            let candidates =
                self.keys.iter_mut().enumerate().filter(|(_, it)| it.kind == Kind::Candidate);
            let (at, least) = candidates.min_by_key(|(_, it)| it.used())?;
            if least.used() >= comes {
                return None;
            }
            *least = new;
            at
        };
        self.names.rebuild(self.keys.iter().map(|measured| measured.hash));
        Some(at)
    }

    /// Records which candidates the response sets, and whether to the value of the request.
    fn note_set<X: Exchange + ?Sized>(&mut self, key: &Key, exchange: &X) {
        exchange.headers(Side::Response, &mut |name, header| {
            if name.eq_ignore_ascii_case(b"set-cookie")
                && let Some((name, value)) = cookie::set_cookie(header)
                && let Known::Key(at) = self.names.look(key.fingerprint(Place::Cookie as u8, name))
                && let Some(measured) = self.keys.get_mut(at)
            {
                measured.facts.issued += 1;
                let mut is_same = false;
                exchange.headers(Side::Request, &mut |header, pairs| {
                    is_same |= header.eq_ignore_ascii_case(b"cookie")
                        && cookie::pairs(pairs).any(|pair| pair == (name, value));
                    !is_same
                });
                measured.facts.kept += u64::from(is_same);
            }
            true
        });
    }
}

/// A session id is a keyed hash already.
fn of_session(session: &[u8; 16]) -> u32 {
    u32::from_le_bytes([session[0], session[1], session[2], session[3]]).max(1)
}

fn seen<X: Exchange + ?Sized>(key: &Key, exchange: &X, observed: &Observed<'_>) -> Seen {
    let network = network(key, exchange.ip());
    let agent = exchange.header(Side::Request, b"user-agent").unwrap_or_default();
    let moment_ms = MOMENT_MS.min(observed.settings.window_ms / 6).max(1);
    let user = match observed.user {
        [] => 0,
        user => key.fingerprint(9, user),
    };
    Seen {
        client: key.client(network, key.fingerprint(10, agent)),
        network,
        moment: ((observed.now_ms / moment_ms) as u32).max(1),
        user,
        endpoint: key.fingerprint(11, exchange.path()),
    }
}

/// Fingerprint of the /24 of an IPv4 address or of the /48 of an IPv6 address.
fn network(key: &Key, ip: &[u8]) -> u32 {
    if let Some(dot) = ip.iter().rposition(|byte| *byte == b'.') {
        return key.fingerprint(12, ip.get(..dot).unwrap_or_default());
    }
    let address = std::str::from_utf8(ip).ok().and_then(|ip| ip.parse::<std::net::Ipv6Addr>().ok());
    match address {
        Some(address) => key.fingerprint(12, address.octets().get(..6).unwrap_or_default()),
        None => key.fingerprint(12, ip),
    }
}
