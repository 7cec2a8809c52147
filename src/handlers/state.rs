//! What is remembered of a request between its phases.

use std::cell::{Cell, RefCell};
use std::ptr;

use api_sessions_engine::session::{IdMemo, SessionId};
use api_sessions_engine::table::Snapshot;
use api_sessions_wire::Source;

use super::bodies::BodyPair;
use crate::conf::LocationConf;
use crate::nginx::context;
use crate::nginx::request::Request;

/// The session that a request was counted in.
#[derive(Clone, Copy)]
pub(super) struct Counted {
    pub(super) session: SessionId,
    pub(super) source: Source,
    /// Of the table, right after counting; `None` where its lock was busy.
    pub(super) snapshot: Option<Snapshot>,
    /// Address of the location's settings it was resolved under: a redirect changes them.
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
    /// Whether the denylist has its session, once it was asked.
    pub(super) denied: Cell<Option<bool>>,
    /// The log phase has begun: the response is there to be read.
    pub(super) over: Cell<bool>,
}

impl State {
    pub(super) fn of(r: Request<'_>) -> Option<&State> {
        context::find(r.main())
    }

    pub(super) fn of_or_new(r: Request<'_>) -> Option<&State> {
        let r = r.main();
        context::find(r).or_else(|| context::attach(r, State::default()))
    }
}

impl Counted {
    /// Still the location that the request is in.
    pub(super) fn is_under(&self, conf: &LocationConf) -> bool {
        ptr::eq(self.under, conf)
    }
}
