//! Open requests: what they wait for, and whether they may go on.

use api_sessions_identity::Phase;
use api_sessions_nginx::request::Request;

use super::context::RequestContext;
use super::lifecycle;
use super::state::{DenyDecision, State};
use crate::directives::{Deny, LocationConf, MainConf};

/// Why a request is still open.
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

/// Whether to terminate an open request after a change of the denylist. Its record is marked as denied,
/// also in dry run, where the request continues.
pub(crate) fn is_denied_meanwhile(r: Request<'_>) -> bool {
    let Some(conf) = r.location::<LocationConf>() else { return false };
    let Some(state) = State::of(r) else { return false };
    let by = match (conf.deny(), state.denial.get()) {
        // After an internal redirect to a location without the directive, the setting of the earlier location applies.
        (Deny::Off, Some(decision)) if conf.is_deny_unset() => decision.by,
        (deny, _) => deny,
    };
    let (Deny::On(options) | Deny::DryRun(options)) = by else { return false };
    if !options.closes_connections || state.is_over() || state.is_denied() {
        return false;
    }
    let Some(membership) = state.membership() else { return false };
    if !conf.is_enabled(r, Phase::Early) {
        return false;
    }
    let Some(ctx) = RequestContext::new(r, conf, Phase::Early) else { return false };
    if !lifecycle::is_listed(&ctx, membership.session) {
        return false;
    }
    state.denial.set(Some(DenyDecision { denied: true, by, under: conf }));
    let is_cut = matches!(by, Deny::On(_));
    if is_cut && let Some(handle) = MainConf::of(r).and_then(|main| main.runtime().table_handle()) {
        handle.count_cut();
    }
    is_cut
}
