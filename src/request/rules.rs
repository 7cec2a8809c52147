//! Session rules: a request is counted when it is finished, and refused in the access phase if a rule limits it.

mod counts;
mod denials;
mod facts;
pub(crate) mod hit;
pub(crate) mod lift;

use std::rc::Rc;

use api_sessions_extract::Exchange;
use api_sessions_nginx::process;
use api_sessions_protocol::SessionId;
use api_sessions_rules::{Mode, Observation, normalize};

use self::counts::NodeCounts;
use self::facts::{End, NodeFacts};
use self::hit::Hit;
use super::context::RequestContext;
use super::parameters::user_and_role;
use super::state::Membership;
use super::view::View;
use crate::directives::{Analysis, Deny};
use crate::worker::RuleBuffers;

/// Properties of a finished request.
pub(super) struct Finished<'f> {
    pub(super) membership: &'f Membership,
    pub(super) user: &'f [u8],
    pub(super) role: &'f [u8],
    pub(super) attacks: &'f [&'f str],
}

/// Counts the request under each rule in scope, and applies the reactions of those that fire. The state keeps them.
pub(super) fn count(
    ctx: &RequestContext<'_>,
    view: &View<'_>,
    analysis: &Rc<Analysis>,
    finished: &Finished<'_>,
) {
    let RequestContext { r, main, state, .. } = *ctx;
    let rules = analysis.rules();
    if rules.is_empty() || state.limited.get() {
        return;
    }
    let Some(handle) = main.runtime().rule_counts_handle() else { return };
    let counts = NodeCounts(handle);
    let now_ms = process::now_ms();
    let session = &finished.membership.session;
    if state.is_denied() && !matches!(ctx.conf.deny(), Deny::DryRun(_)) {
        let id = denials::of_rule((r, main), &counts, session, now_ms);
        if let Some(at) = id.and_then(|id| rules.iter().position(|one| one.rule.id() == id)) {
            refuse(ctx, &counts, Hit::refused(analysis, at, 0), now_ms);
        }
        return;
    }
    let Some(mut buffers) = ctx.rule_buffers() else { return };
    let RuleBuffers { path, observe, scratch } = &mut *buffers;
    let path = normalize(view.path(), path);
    let matched = rules.matches(view.method(), path);
    if matched.is_empty() || is_excepted(ctx, finished.user, finished.role) {
        return;
    }
    let counters = finished.membership.counters;
    let facts = NodeFacts {
        r: ctx.r,
        view,
        scratch,
        path,
        source: finished.membership.source,
        user: finished.user,
        session,
        end: End {
            status: r.logged_status(),
            attacks: finished.attacks,
            begins_session: counters.is_some_and(|counters| counters.requests == 1),
            bytes_in: r.request_length(),
            bytes_out: r.bytes_sent(),
            time_ms: now_ms.saturating_sub(r.start_ms()),
        },
    };
    for (at, one) in matched.iter().filter_map(|at| Some((at, rules.get(at)?))) {
        let seen = one.rule.observe(&counts, &facts, now_ms, observe);
        let Observation::Counted { count, fires: true } = seen else { continue };
        let mut hit = Hit::fired(analysis, at, count);
        hit::count_fired(&counts, one.rule.name(), now_ms);
        if one.rule.mode == Mode::Enforce {
            hit.enforced = denials::react(ctx, &counts, &one.rule, session, now_ms);
        }
        state.add_hit(r, hit);
    }
}

/// Seconds after which the request's subject may retry, if it exceeds a rule's threshold and rate. Evaluated
/// once per request.
pub(super) fn limit(ctx: &RequestContext<'_>, membership: &Membership) -> Option<u64> {
    let analysis = ctx.analysis();
    let rules = analysis.rules();
    if !rules.limits() || ctx.state.asked_for_limits.replace(true) {
        return None;
    }
    let bodies = ctx.bodies()?;
    let view = &ctx.view(&bodies);
    // Only exceptions need them.
    let [user, role] = match ctx.conf.exceptions() {
        [] => Default::default(),
        _ => user_and_role(ctx, view, &analysis),
    };
    let handle = ctx.main.runtime().rule_counts_handle()?;
    let mut buffers = ctx.rule_buffers()?;
    let RuleBuffers { path, observe, scratch } = &mut *buffers;
    let path = normalize(view.path(), path);
    let limiting = rules.limiting(view.method(), path);
    if limiting.is_empty() || is_excepted(ctx, &user, &role) {
        return None;
    }
    let facts = NodeFacts {
        r: ctx.r,
        view,
        scratch,
        path,
        source: membership.source,
        user: &user,
        session: &membership.session,
        end: End::default(),
    };
    let counts = NodeCounts(handle);
    let now_ms = process::now_ms();
    for (at, one) in limiting.iter().filter_map(|at| Some((at, rules.get(at)?))) {
        if let Err((count, wait_ms)) = one.rule.limit(&counts, &facts, now_ms, observe) {
            ctx.state.limited.set(true);
            refuse(ctx, &counts, Hit::refused(&analysis, at, count), now_ms);
            return Some(wait_ms.div_ceil(1000).max(1));
        }
    }
    None
}

/// Whether a rule, of this location or another, denies the request's address.
pub(super) fn is_address_denied(
    ctx: &RequestContext<'_>,
    is_denied: impl Fn(&SessionId) -> bool,
) -> bool {
    ctx.main.runtime().rule_counts_handle().is_some()
        && denials::address_session(ctx.r, ctx.main).is_some_and(|address| is_denied(&address))
}

/// Whether an exception covers the request.
pub(super) fn is_request_excepted(ctx: &RequestContext<'_>) -> bool {
    !ctx.conf.exceptions().is_empty()
        && ctx.bodies().is_some_and(|bodies| {
            let [user, role] = user_and_role(ctx, &ctx.view(&bodies), &ctx.analysis());
            is_excepted(ctx, &user, &role)
        })
}

/// Whether a rule denies this session or address.
pub(super) fn is_denied_by_rule(ctx: &RequestContext<'_>, id: &SessionId) -> bool {
    let handle = ctx.main.runtime().rule_counts_handle();
    handle.is_some_and(|it| denials::rule_of(&NodeCounts(it), id, process::now_ms()).is_some())
}

fn refuse(ctx: &RequestContext<'_>, counts: &NodeCounts<'_>, hit: Hit, now_ms: u64) {
    hit::count_refused(counts, hit.name(), now_ms);
    ctx.state.add_hit(ctx.r, hit);
}

/// Whether a rule neither counts nor refuses the request.
fn is_excepted(ctx: &RequestContext<'_>, user: &[u8], role: &[u8]) -> bool {
    let exceptions = ctx.conf.exceptions();
    let ip = || u128::from_be_bytes(ctx.r.client_ip());
    !exceptions.is_empty() && exceptions.iter().any(|one| one.covers(ip(), user, role))
}
