//! The context of a request in one phase, built once per handler.

use std::cell::{Ref, RefMut};
use std::rc::Rc;

use api_sessions_identity::{Follow, Hasher, Keys, Phase};
use api_sessions_nginx::process;
use api_sessions_nginx::request::Request;
use api_sessions_shm::TableHandle;

use super::bodies::BodyPair;
use super::state::{self, State};
use super::view::View;
use crate::directives::{Analysis, LocationConf, MainConf};
use crate::worker::{self, Buffers, RuleBuffers, Worker};

/// A main request in one of its phases, with its location's settings, the process's runtime state and the
/// state of the request.
#[derive(Clone, Copy)]
pub(super) struct RequestContext<'r> {
    pub(super) r: Request<'r>,
    pub(super) conf: &'r LocationConf,
    pub(super) main: &'r MainConf,
    pub(super) worker: &'static Worker,
    pub(super) state: &'r State,
    pub(super) phase: Phase,
}

impl<'r> RequestContext<'r> {
    /// `None` in a process without a worker, and if memory ran out. Once the log phase has begun, the phase is the log
    /// phase.
    #[inline]
    pub(super) fn new(r: Request<'r>, conf: &'r LocationConf, phase: Phase) -> Option<Self> {
        let state = State::of_or_new(r)?;
        let phase = if state.is_over() { Phase::Log } else { phase };
        Some(Self { r, conf, main: MainConf::of(r)?, worker: worker::current()?, state, phase })
    }

    /// Begins the log phase of the same request.
    pub(super) fn begin_log_phase(self) -> Self {
        self.state.begin_log_phase();
        Self { phase: Phase::Log, ..self }
    }

    /// Keys, parameters and rules in force. Call it once per step: the cloud may change them in between.
    #[inline]
    pub(super) fn analysis(&self) -> Rc<Analysis> {
        self.conf.analysis(self.main)
    }

    /// The keys in force: demoted keys are left out, unless the location only reports.
    #[inline]
    pub(super) fn keys<'a>(&self, analysis: &'a Analysis) -> Keys<'a> {
        let obeys = || self.conf.key_facts(self.main).filter(|facts| !facts.report).is_some();
        analysis.keys(|| obeys().then(|| self.application()))
    }

    #[inline]
    pub(super) fn table(&self) -> Option<&'r TableHandle> {
        self.main.runtime().table_handle()
    }

    #[inline]
    pub(super) fn hasher(&self) -> Option<&'r Hasher> {
        self.main.runtime().hasher()
    }

    /// The links, if the location follows issued values.
    #[inline]
    pub(super) fn links(&self) -> Option<Follow<'r>> {
        let following = self.conf.follow();
        if !following.on {
            return None;
        }
        let now_s = u32::try_from(process::now_ms() / 1000).unwrap_or(u32::MAX);
        let handle = self.main.runtime().link_handle()?;
        let has_others = self.main.export().is_some_and(|export| export.sync);
        Some(Follow { handle, now_s, tokens: following.tokens, has_others })
    }

    #[inline]
    pub(super) fn application(&self) -> &'r [u8] {
        self.conf.application(self.r, self.phase).unwrap_or_default()
    }

    /// Both captured bodies. `None`, and counted, while they are borrowed mutably.
    #[inline]
    pub(super) fn bodies(&self) -> Option<Ref<'r, BodyPair>> {
        self.state.bodies.try_borrow().ok().or_else(|| state::reentered(self.r))
    }

    /// The worker's buffers. `None`, and counted, if a point that is being read evaluates a variable of this module: the
    /// variable is empty, which ends the recursion.
    #[inline]
    pub(super) fn buffers(&self) -> Option<RefMut<'static, Buffers>> {
        self.worker.buffers.try_borrow_mut().ok().or_else(|| state::reentered(self.r))
    }

    /// The buffers for evaluating rules, as [`Self::buffers`].
    #[inline]
    pub(super) fn rule_buffers(&self) -> Option<RefMut<'static, RuleBuffers>> {
        self.worker.rules.try_borrow_mut().ok().or_else(|| state::reentered(self.r))
    }

    /// The exchange as points see it in this phase.
    #[inline]
    pub(super) fn view<'v>(&self, bodies: &'v BodyPair) -> View<'v>
    where
        'r: 'v,
    {
        bodies.view(self.r, self.main.variables(), self.phase)
    }
}
