//! The state of a request between its phases.

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::ptr;

use api_sessions_identity::{FoundBy, IdMemo, Label, Learned, Phase, Resolution};
use api_sessions_nginx::context;
use api_sessions_nginx::open_requests::OpenLink;
use api_sessions_nginx::peek::BodyLook;
use api_sessions_nginx::request::Request;
use api_sessions_protocol::SessionId;
use api_sessions_protocol::Source;
use api_sessions_shm::SessionCounters;

use super::bodies::BodyPair;
use super::rules::hit::{Hit, Hits};
use crate::directives::{Deny, LocationConf, MainConf};
use crate::worker;

/// Progress of a request's session.
#[derive(Clone, Copy, Default)]
pub(super) enum Progress {
    /// The request is counted in no session.
    #[default]
    New,
    /// The request is being counted: a variable that is evaluated meanwhile (in the text of `api_sessions_application`)
    /// gets the previous state and does not count the request again.
    Joining { before: Option<Membership>, settled_by: Option<SettledBy> },
    /// The request is counted in a session, which may change until the log phase.
    Counted(Membership),
    /// The log phase has settled the session.
    Settled(Membership, SettledBy),
}

/// The source of the session in the log phase, and its label if it is not the key's own.
pub(super) type SettledBy = (FoundBy, Option<Label<'static>>);

/// The session that a request was counted in.
#[derive(Clone, Copy)]
pub(super) struct Membership {
    pub(super) session: SessionId,
    pub(super) source: Source,
    /// The table's figures right after counting; `None` if its lock was busy.
    pub(super) counters: Option<SessionCounters>,
    /// Address of the location's settings that it was resolved under; an internal redirect changes the location.
    pub(super) under: *const LocationConf,
    /// How it was resolved, if nothing later can change that.
    pub(super) cached: Option<CachedResolution>,
}

/// A resolution that cannot change any more.
#[derive(Clone, Copy)]
pub(super) struct CachedResolution {
    pub(super) found_by: FoundBy,
    /// Generation of the cloud's settings that it was resolved under.
    pub(super) generation: u64,
}

/// Identifiers found in a response before it is sent, since the client may use them at once.
#[derive(Default)]
pub(super) struct Early {
    /// The headers were examined.
    pub(super) is_done: bool,
    /// Number of issued values that were linked.
    pub(super) learned: Learned,
    /// The session that the response began, to which the request belongs, and the value that identifies it.
    pub(super) moved: Option<(Resolution<'static>, Vec<u8>)>,
}

/// The denylist's verdict.
#[derive(Clone, Copy)]
pub(super) struct DenyDecision {
    pub(super) denied: bool,
    /// `api_sessions_deny` of the location that consulted it.
    pub(super) by: Deny,
    /// Address of the settings of the location that consulted it: an entry may apply to some applications only, and
    /// an internal redirect may lead to another application.
    pub(super) under: *const LocationConf,
}

/// State of a main request. Only shared references to it exist, so its parts are cells: a variable may
/// be evaluated while a point that reads it is being evaluated.
#[derive(Default)]
pub(crate) struct State {
    pub(super) progress: Cell<Progress>,
    pub(super) bodies: RefCell<BodyPair>,
    /// The id derived from its value.
    pub(super) ids: IdMemo,
    /// Identifiers found before the response was sent.
    pub(super) early: RefCell<Option<Early>>,
    /// The denylist's verdict on its session, once consulted.
    pub(super) denial: Cell<Option<DenyDecision>>,
    /// Pending refusal of the rewrite phases with this status, unless a control or status location answers.
    pub(super) refusal: Cell<Option<u16>>,
    /// The pending refusal was sent.
    pub(super) refused: Cell<bool>,
    /// Its body is being peeked at, and the client has not sent enough of it.
    pub(super) look: Cell<Option<Box<BodyLook>>>,
    /// Its body was requested in the access phase.
    pub(super) preread: Cell<bool>,
    /// Whether its bodies are captured in the location with the settings at this address.
    pub(super) watched: Cell<Option<(*const LocationConf, bool)>>,
    /// Rules that fired for it or refused it.
    hits: RefCell<Hits>,
    /// Rate limits of rules were evaluated.
    pub(super) asked_for_limits: Cell<bool>,
    /// A rule's rate limit refused it.
    pub(super) limited: Cell<bool>,
    /// Its place in the list of open requests.
    open: OpenLink,
    /// The log phase has begun: the response is complete.
    over: Cell<bool>,
}

impl State {
    pub(super) fn of(r: Request<'_>) -> Option<&State> {
        context::find(r.main())
    }

    pub(super) fn of_or_new(r: Request<'_>) -> Option<&State> {
        let r = r.main();
        context::find(r).or_else(|| {
            let state = context::attach(r)?;
            worker::watch_open_requests();
            Some(state)
        })
    }

    pub(crate) fn open(&self) -> &OpenLink {
        &self.open
    }

    /// The log phase begins.
    pub(super) fn begin_log_phase(&self) {
        self.over.set(true);
    }

    #[inline]
    pub(super) fn is_over(&self) -> bool {
        self.over.get()
    }

    /// The phase of a request in which a variable is evaluated.
    #[inline]
    pub(super) fn phase_of(r: Request<'_>) -> Phase {
        if State::of(r).is_some_and(State::is_over) { Phase::Log } else { Phase::Early }
    }

    /// The session that the request is counted in.
    #[inline]
    pub(super) fn membership(&self) -> Option<Membership> {
        match self.progress.get() {
            Progress::New => None,
            Progress::Joining { before, .. } => before,
            Progress::Counted(membership) | Progress::Settled(membership, _) => Some(membership),
        }
    }

    /// The source of the session, in the log phase.
    pub(super) fn settled_by(&self) -> Option<SettledBy> {
        match self.progress.get() {
            Progress::Joining { settled_by, .. } => settled_by,
            Progress::Settled(_, settled_by) => Some(settled_by),
            Progress::New | Progress::Counted(_) => None,
        }
    }

    #[inline]
    pub(super) fn is_joining(&self) -> bool {
        matches!(self.progress.get(), Progress::Joining { .. })
    }

    /// Its captured bodies, mutably. `None`, and counted, while they are borrowed.
    #[inline]
    pub(super) fn bodies_mut(&self, r: Request<'_>) -> Option<RefMut<'_, BodyPair>> {
        self.bodies.try_borrow_mut().ok().or_else(|| reentered(r))
    }

    /// Identifiers found before the response was sent. `None`, and counted, while they are borrowed.
    #[inline]
    pub(super) fn early_mut(&self, r: Request<'_>) -> Option<RefMut<'_, Option<Early>>> {
        self.early.try_borrow_mut().ok().or_else(|| reentered(r))
    }

    /// Rules that fired for it or refused it. `None`, and counted, while one is added.
    #[inline]
    pub(super) fn hits(&self, r: Request<'_>) -> Option<Ref<'_, Hits>> {
        self.hits.try_borrow().ok().or_else(|| reentered(r))
    }

    pub(super) fn add_hit(&self, r: Request<'_>, hit: Hit) {
        if let Some(mut hits) = self.hits.try_borrow_mut().ok().or_else(|| reentered(r)) {
            hits.push(hit);
        }
    }

    /// The request is refused, or would be in dry run.
    pub(super) fn is_denied(&self) -> bool {
        self.denial.get().is_some_and(|decision| decision.denied)
    }
}

impl Membership {
    /// Whether the request is still in this location.
    pub(super) fn is_under(&self, conf: &LocationConf) -> bool {
        ptr::eq(self.under, conf)
    }
}

/// Counts a failed borrow. Always `None`.
#[cold]
pub(super) fn reentered<T>(r: Request<'_>) -> Option<T> {
    MainConf::of(r).and_then(|main| main.runtime().table_handle())?.count_reentry();
    None
}
