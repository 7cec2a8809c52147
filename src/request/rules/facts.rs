//! A request as rules see it.

use std::cell::RefCell;

use api_sessions_extract::{Exchange, Ja4Form, Point, Scratch, Side, query};
use api_sessions_nginx::request::Request;
use api_sessions_protocol::{SessionId, Source};
use api_sessions_rules::{Answer, Facts};

use crate::limits::MAX_COMPARED_PARAMETERS;
use crate::request::state;
use crate::request::view::View;

pub(super) struct NodeFacts<'f, 'v> {
    pub(super) r: Request<'f>,
    pub(super) view: &'f View<'v>,
    pub(super) scratch: &'f RefCell<Scratch>,
    /// The normalized path.
    pub(super) path: &'f [u8],
    pub(super) source: Source,
    pub(super) user: &'f [u8],
    pub(super) session: &'f SessionId,
    /// Properties that only a finished request has.
    pub(super) end: End<'f>,
}

/// Properties known once a request is finished.
#[derive(Default)]
pub(super) struct End<'f> {
    pub(super) status: u16,
    pub(super) attacks: &'f [&'f str],
    pub(super) begins_session: bool,
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
    pub(super) time_ms: u64,
}

impl Facts for NodeFacts<'_, '_> {
    fn method(&self) -> &[u8] {
        self.view.method()
    }

    fn path(&self) -> &[u8] {
        self.path
    }

    fn status(&self) -> u16 {
        self.end.status
    }

    fn has_attack(&self, kind: Option<&str>) -> bool {
        match kind {
            Some(kind) => self.end.attacks.contains(&kind),
            None => !self.end.attacks.is_empty(),
        }
    }

    fn attacks(&self) -> u64 {
        self.end.attacks.len() as u64
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
        self.view.ja4(Ja4Form::Stable)
    }

    fn begins_session(&self) -> Answer {
        self.end.begins_session.into()
    }

    fn has_conflicting_parameters(&self) -> Answer {
        conflict(self.view).into()
    }

    fn bytes_in(&self) -> u64 {
        self.end.bytes_in
    }

    fn bytes_out(&self) -> u64 {
        self.end.bytes_out
    }

    fn time_ms(&self) -> u64 {
        self.end.time_ms
    }

    fn read(&self, point: &Point, then: &mut dyn FnMut(Option<&[u8]>)) -> bool {
        match self.scratch.try_borrow_mut() {
            Ok(mut scratch) => then(point.read(self.view, &mut scratch)),
            // A point reads a variable that reads a point.
            Err(_) => then(state::reentered(self.r)),
        }
        true
    }
}

/// Whether a query parameter is also in the form body, with another value.
fn conflict(view: &View<'_>) -> bool {
    let Some(body) = view.body(Side::Request).filter(|body| body.is_form()) else { return false };
    let pairs = body.bytes.split(|byte| *byte == b'&').take(MAX_COMPARED_PARAMETERS);
    pairs.filter(|pair| !pair.is_empty()).any(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let other = query::find(view.query(), name, 0);
        !name.is_empty() && other.is_some_and(|other| other != value)
    })
}
