//! Open requests: what they wait for, and whether they may go on.

use api_sessions_identity::Phase;
use api_sessions_nginx::request::Request;

use super::context::RequestContext;
use super::lifecycle;
use super::state::State;
use crate::directives::{Deny, LocationConf, MainConf};

/// What keeps a request open.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenKind {
    /// It switched protocols (WebSocket).
    Upgraded,
    /// Its response has begun.
    Streaming,
    /// Anything else: its body is being read, or the upstream has not answered.
    Other,
}

pub(crate) fn open_kind(r: Request<'_>) -> OpenKind {
    if r.is_upgrade() {
        OpenKind::Upgraded
    } else if r.has_response_begun() {
        OpenKind::Streaming
    } else {
        OpenKind::Other
    }
}

/// Whether to terminate an open request after a change of the denylist. Its record says that it was
/// denied then; in dry run, it says so and goes on.
pub(crate) fn is_denied_meanwhile(r: Request<'_>) -> bool {
    let Some(conf) = r.location::<LocationConf>() else { return false };
    let (Deny::On(options) | Deny::DryRun(options)) = conf.deny() else { return false };
    let Some(state) = State::of(r) else { return false };
    if !options.closes_connections || state.is_over() || state.is_denied() {
        return false;
    }
    let Some(membership) = state.membership() else { return false };
    if !conf.is_enabled(r, Phase::Early) {
        return false;
    }
    // The access phase's decision stands.
    state.denial.set(None);
    let Some(ctx) = RequestContext::new(r, conf, Phase::Early) else { return false };
    let is_denied = lifecycle::is_denied(&ctx, membership.session);
    let is_cut = is_denied && matches!(conf.deny(), Deny::On(_));
    if is_cut && let Some(handle) = MainConf::of(r).and_then(|main| main.runtime().table_handle()) {
        handle.count_cut();
    }
    is_cut
}
