//! One request's way through the module, from top to bottom: it joins its session ([`on_access`]), is let through or
//! not ([`is_denied`]), is answered, and is settled, counted and recorded ([`on_log`]).

use api_sessions_identity::{Label, Phase};
use api_sessions_nginx::process;
use api_sessions_nginx::request::Request;
use api_sessions_protocol::SessionId;
use api_sessions_shm::RequestEnd;

use super::context::RequestContext;
use super::detection::{Attacks, attacks, detect};
use super::record::{self, Recorded};
use super::rules::{self, Finished};
use super::session::{self, Joined};
use super::state::{self, CachedResolution, DenyDecision, Membership, Progress, State};
use super::{facts, follow, parameters, unread};
use crate::directives::{Deny, LocationConf, MainConf};

/// The request joins its session, in the access phase or where a variable needs it before. Again after a redirect
/// inside NGINX, since another location may have other keys; it is counted once all the same.
pub(super) fn on_access(ctx: &RequestContext<'_>) -> Option<Membership> {
    if let Some(membership) = ctx.state.membership().filter(|it| it.is_under(ctx.conf)) {
        return Some(membership);
    }
    if ctx.state.is_joining() {
        return state::reentered(ctx.r);
    }
    let analysis = ctx.analysis();
    let bodies = ctx.bodies()?;
    let resolution = session::resolve(ctx, &ctx.view(&bodies), &analysis)?;
    let may_hold_tokens = || follow::reads_tokens(ctx.r, ctx.conf);
    let stands = analysis.settles_on_arrival()
        && !resolution.followed
        && (resolution.found_by.is_key() || !may_hold_tokens());
    // Before the access phase, other modules may still change what is read (realip).
    let cached = (ctx.phase == Phase::Access && stands).then(|| CachedResolution {
        found_by: resolution.found_by,
        generation: analysis.generation(),
    });
    let joined = Joined { cached, settled_by: None };
    Some(session::join(ctx, ctx.table()?, &resolution, joined))
}

/// Whether the denylist has the session, another session that an identifier in the request names, or the address, if
/// this location denies (or would, in dry run). The record keeps the decision of the access phase.
pub(super) fn is_denied(ctx: &RequestContext<'_>, session: SessionId) -> bool {
    let RequestContext { conf, state, .. } = *ctx;
    let by = conf.deny();
    if by == Deny::Off {
        // If it was refused elsewhere, this is the location of an error page.
        return state.is_denied();
    }
    if let Some(decision) = state.denial.get()
        && (decision.denied || state.is_over() || std::ptr::eq(decision.under, conf))
    {
        return decision.denied;
    }
    let denied = is_listed(ctx, session);
    state.denial.set(Some(DenyDecision { denied, by, under: conf }));
    denied
}

/// Whether the denylist has the session, another one that an identifier names, or the address now.
pub(super) fn is_listed(ctx: &RequestContext<'_>, session: SessionId) -> bool {
    let denylist = ctx.main.runtime().denylist().filter(|list| !list.is_empty());
    let Some(denylist) = denylist else { return false };
    let application = ctx.application();
    let now_ms = process::now_ms();
    let is_excepted = rules::is_request_excepted(ctx);
    let is_denied = |id: &SessionId| {
        denylist.lookup(id, application, now_ms)
            && !(is_excepted && rules::is_denied_by_rule(ctx, id))
    };
    is_denied(&session)
        || session::any_identifier(ctx, is_denied)
        || rules::is_address_denied(ctx, is_denied)
}

/// The request is finished: its session is settled by the configured order of keys, it is counted unless it was, rules
/// count it, and its record is queued.
pub(super) fn on_log(r: Request<'_>) {
    let Some(conf) = r.location::<LocationConf>() else { return };
    if !conf.is_enabled(r, Phase::Log) {
        // A location with the module off has answered: the request leaves no trace.
        leave(r);
        return;
    }
    let Some(ctx) = RequestContext::new(r, conf, Phase::Log) else { return };
    let Some(table) = ctx.table() else { return };
    let ctx = &ctx.begin_log_phase();
    if let Some(membership) = ctx.state.membership() {
        table.prefetch(membership.session);
    }
    if let Some(mut bodies) = ctx.state.bodies_mut(r) {
        bodies.decode(r, conf);
    }
    let analysis = &ctx.analysis();
    let Some(bodies) = ctx.bodies() else { return };
    let view = &ctx.view(&bodies);
    let Some(resolution) = session::settle(ctx, view, analysis) else { return };
    let [user, role] = parameters::user_and_role(ctx, view, analysis);
    let (resolution, relations) = follow::settle(ctx, view, analysis, resolution, &user);
    let label = match resolution.label {
        Label::Cookie(bytes, len) => Some(Label::Cookie(bytes, len)),
        Label::Known(_) => None,
    };
    let settled_by = (resolution.found_by, label);
    let joined = Joined { cached: None, settled_by: Some(settled_by) };
    let membership = session::join(ctx, table, &resolution, joined);
    if session::is_cookie_repeated(view, &resolution) {
        table.count_duplicate_cookie();
    }
    unread::count(ctx, view, table, analysis, resolution.found_by);
    let detected = detect(ctx, table);
    let attacks = attacks(ctx, detected);
    let finished =
        Finished { membership: &membership, user: &user, role: &role, attacks: &attacks };
    rules::count(ctx, view, analysis, &finished);
    let Some(hits) = ctx.state.hits(r) else { return };
    let marks = hits.iter().filter_map(|hit| hit.mark());
    let attacks: Attacks<'_> = attacks.iter().copied().chain(marks).collect();
    let outcome = RequestEnd {
        arrival: session::request_start(ctx, table, &resolution),
        status: r.logged_status(),
        bytes_in: r.request_length(),
        bytes_out: r.bytes_sent(),
        count: membership.counters.is_none(),
        denied: ctx.state.is_denied(),
        attacks: u32::from(!attacks.is_empty()),
        detected: !detected.is_empty(),
        confirmed: resolution.from_response
            || resolution.followed
            || (resolution.found_by.is_key() && session::is_issued(ctx)),
        user_hash: if user.is_empty() { 0 } else { table.table().text_hash(&user) },
        user: &user,
        role: &role,
    };
    let counters = table.record_outcome(membership.session, process::now_ms(), &outcome);
    let membership = Membership { counters: counters.or(membership.counters), ..membership };
    ctx.state.progress.set(Progress::Settled(membership, settled_by));
    facts::observe(ctx, view, analysis, &resolution, &user);
    if let Some(node) = ctx.worker.node() {
        let is_detected = !detected.is_empty();
        let recorded = Recorded {
            resolution: &resolution,
            attacks: &attacks,
            is_detected,
            hits: &hits,
            relations: &relations,
        };
        record::send(ctx, view, analysis, node, &recorded);
    }
}

/// Removes the request from its session, if it was counted in one.
fn leave(r: Request<'_>) {
    let (Some(table), Some(state)) =
        (MainConf::of(r).and_then(|main| main.runtime().table_handle()), State::of(r))
    else {
        return;
    };
    if let Some(membership) = state.membership() {
        state.progress.set(Progress::New);
        session::undo_count(table, &membership);
    }
}
