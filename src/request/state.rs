//! What is remembered of a request between its phases.

use std::cell::{Cell, RefCell};
use std::ptr;

use api_sessions_identity::{FoundBy, IdMemo, Label, Resolution};
use api_sessions_protocol::SessionId;
use api_sessions_protocol::Source;
use api_sessions_shm::{LinkKey, SessionCounters};

use super::bodies::BodyPair;
use super::look::BodyLook;
use super::rules::Hit;
use crate::directives::LocationConf;
use crate::ffi::context;
use crate::ffi::evaluation::When;
use crate::ffi::open_requests::OpenLink;
use crate::ffi::request::Request;
use crate::worker;

/// The session that a request was counted in.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub(super) session: SessionId,
    pub(super) source: Source,
    /// Of the table, right after counting; `None` where its lock was busy.
    pub(super) standing: Option<SessionCounters>,
    /// Address of the location's settings it was resolved under: a redirect changes them.
    pub(super) under: *const LocationConf,
    /// How it was resolved, where nothing that is still to come can resolve it otherwise.
    pub(super) settled: Option<Settled>,
}

/// A resolution that stands.
#[derive(Clone, Copy)]
pub(super) struct Settled {
    pub(super) found_by: FoundBy,
    /// Of the cloud's settings it was resolved under.
    pub(super) generation: u64,
}

/// What was learned from a response before it was sent: the client may be quick.
#[derive(Default)]
pub(super) struct Early {
    /// The headers were looked at.
    pub(super) is_done: bool,
    /// Issued values that are remembered.
    pub(super) known: Vec<LinkKey>,
    /// The session that the answer began, which the request belongs to, and the value that identifies it.
    pub(super) moved: Option<(Resolution<'static>, Vec<u8>)>,
}

/// What the denylist said.
#[derive(Clone, Copy)]
pub(super) struct Verdict {
    pub(super) denied: bool,
    /// Address of the location's settings it was asked under: entries count for some applications, and
    /// a redirect may lead into another one.
    pub(super) under: *const LocationConf,
}

/// State of a main request. Only shared references to it exist, so its parts are cells: a variable may
/// be asked for while a point that reads a variable is being evaluated.
#[derive(Default)]
pub(crate) struct State {
    pub(super) counted: Cell<Option<Counted>>,
    pub(super) bodies: RefCell<BodyPair>,
    /// The id that its value gave.
    pub(super) ids: IdMemo,
    /// What it was settled by, and the label of that.
    pub(super) settled_by: Cell<Option<(FoundBy, Option<Label<'static>>)>>,
    /// What was learned before the response was sent.
    pub(super) early: RefCell<Option<Early>>,
    /// What the denylist said of its session, once it was asked.
    pub(super) verdict: Cell<Option<Verdict>>,
    /// Its session is being joined: who asks for it meanwhile (a variable in the text of
    /// `api_sessions_application`) gets nothing, rather than counting the request once more.
    pub(super) joining: Cell<bool>,
    /// Its body is being looked at, and the client has not sent enough of it.
    pub(super) look: Cell<Option<Box<BodyLook>>>,
    /// Its body was asked for in the access phase.
    pub(super) preread: Cell<bool>,
    /// Whether its bodies are looked at in the location with settings of that address.
    pub(super) watched: Cell<Option<(*const LocationConf, bool)>>,
    /// Rules that fired with it, or that refused it.
    pub(super) hits: RefCell<Vec<Hit>>,
    /// It was asked whether a rule limits it.
    pub(super) asked_for_limits: Cell<bool>,
    /// A rule's rate has refused it.
    pub(super) limited: Cell<bool>,
    /// Its place among the requests that are under way.
    open: OpenLink,
    /// The log phase has begun: the response is there to be read.
    pub(super) over: Cell<bool>,
}

impl State {
    pub(super) fn of(r: Request<'_>) -> Option<&State> {
        context::find(r.main())
    }

    pub(super) fn of_or_new(r: Request<'_>) -> Option<&State> {
        let r = r.main();
        context::find(r).or_else(|| {
            let state = context::attach(r, State::default())?;
            worker::watch_open_requests();
            Some(state)
        })
    }

    pub(crate) fn open(&self) -> &OpenLink {
        &self.open
    }

    /// Whether what variables say is final.
    pub(super) fn when(&self) -> When {
        if self.over.get() { When::Over } else { When::Early }
    }

    /// The request is refused, or would be in dry run.
    pub(super) fn is_denied(&self) -> bool {
        self.verdict.get().is_some_and(|verdict| verdict.denied)
    }
}

impl Counted {
    /// Still the location that the request is in.
    pub(super) fn is_under(&self, conf: &LocationConf) -> bool {
        ptr::eq(self.under, conf)
    }
}
