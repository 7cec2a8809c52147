//! Resolves the session of a request, and counts the request there.

use api_sessions_extract::{builtin, cookie};
use api_sessions_identity::{
    FoundBy, Namespace, Resolution, address_id, each_identifier, resolve_with,
};
use api_sessions_nginx::process;
use api_sessions_protocol::SessionId;
use api_sessions_shm::{RequestStart, TableHandle};

use super::context::RequestContext;
use super::state::{self, CachedResolution, Membership, Progress, SettledBy};
use super::view::View;
use crate::directives::Analysis;
use crate::worker::Buffers;

/// Resolves the session as far as it is known in this phase. The key's value is left in the buffers.
pub(super) fn resolve<'c>(
    ctx: &RequestContext<'_>,
    view: &View<'_>,
    analysis: &'c Analysis,
) -> Option<Resolution<'c>> {
    let hasher = ctx.hasher()?;
    let mut buffers = ctx.buffers()?;
    let Buffers { scratch, found, .. } = &mut *buffers;
    let id = |namespace, value: &[u8]| ctx.state.ids.session_id(hasher, namespace, value);
    Some(resolve_with(ctx.keys(analysis), view, ctx.phase, id, ctx.links(), scratch, found))
}

/// As [`resolve`], in the log phase: reuses a resolution that still stands.
pub(super) fn settle<'c>(
    ctx: &RequestContext<'_>,
    view: &View<'_>,
    analysis: &'c Analysis,
) -> Option<Resolution<'c>> {
    moved(ctx).or_else(|| cached(ctx, analysis)).or_else(|| resolve(ctx, view, analysis))
}

/// The session that the response began, before it was sent.
fn moved(ctx: &RequestContext<'_>) -> Option<Resolution<'static>> {
    let early = ctx.state.early.try_borrow().ok().or_else(|| state::reentered(ctx.r))?;
    let (resolution, value) = early.as_ref()?.moved.as_ref()?;
    ctx.buffers()?.found.clone_from(value);
    Some(*resolution)
}

/// The resolution of the access phase, if nothing since can have changed it.
fn cached<'c>(ctx: &RequestContext<'_>, analysis: &'c Analysis) -> Option<Resolution<'c>> {
    let membership = ctx.state.membership().filter(|it| it.is_under(ctx.conf))?;
    let cached = membership.cached.filter(|it| it.generation == analysis.generation())?;
    let mut buffers = ctx.buffers()?;
    if cached.found_by.is_key() && !ctx.state.ids.recall(membership.session, &mut buffers.found) {
        return None;
    }
    Resolution::again(ctx.keys(analysis), membership.session, cached.found_by)
}

/// Whether one of the identifiers in a request names a session that satisfies the predicate: a client that
/// adds another identifier does not get rid of its own.
pub(super) fn any_identifier(
    ctx: &RequestContext<'_>,
    is_wanted: impl Fn(&SessionId) -> bool,
) -> bool {
    let (Some(hasher), Some(bodies)) = (ctx.hasher(), ctx.bodies()) else { return false };
    let view = ctx.view(&bodies);
    let Some(mut buffers) = ctx.buffers() else { return false };
    let mut found = false;
    let analysis = ctx.analysis();
    each_identifier(ctx.keys(&analysis), &view, &mut buffers.scratch, &mut |value| {
        let id = hasher.session_id(Namespace::Value, value);
        let elsewhere = || ctx.links().and_then(|follow| follow.session_of(id));
        found = found || is_wanted(&id) || elsewhere().is_some_and(|session| is_wanted(&session));
    });
    if let Some(follow) = ctx.links() {
        let id = |namespace: Namespace, value: &[u8]| hasher.session_id(namespace, value);
        let address = || address_id(ctx.keys(&analysis).fallback, &view, &id);
        follow.each_session(&view, &address, &mut |session| found = found || is_wanted(&session));
    }
    found
}

/// Remembers how a request joined its session.
pub(super) struct Joined {
    /// The resolution in the access phase, if it stands.
    pub(super) cached: Option<CachedResolution>,
    /// The resolution in the log phase.
    pub(super) settled_by: Option<SettledBy>,
}

/// Counts the request in its session, and removes it from the one where it was counted before.
pub(super) fn join(
    ctx: &RequestContext<'_>,
    table: &TableHandle,
    resolution: &Resolution<'_>,
    Joined { cached, settled_by }: Joined,
) -> Membership {
    let counters = match ctx.state.membership() {
        Some(before) if before.session == resolution.id => before.counters,
        before => {
            if let Some(before) = before {
                undo_count(table, &before);
            }
            if !ctx.state.is_over() {
                // The denylist's verdict is per session. It is final once there was a response.
                ctx.state.denial.set(None);
            }
            ctx.state.progress.set(Progress::Joining { before, settled_by });
            let start = request_start(ctx, table, resolution);
            table.count(resolution.id, process::now_ms(), &start)
        }
    };
    let (source, under) = (resolution.source(), &raw const *ctx.conf);
    let membership = Membership { session: resolution.id, source, counters, under, cached };
    ctx.state.progress.set(match settled_by {
        None => Progress::Counted(membership),
        Some(settled_by) => Progress::Settled(membership, settled_by),
    });
    membership
}

/// Removes the request from the session where it was counted, unless its set's lock was busy then.
pub(super) fn undo_count(table: &TableHandle, membership: &Membership) {
    if membership.counters.is_some() {
        table.undo_count(membership.session);
    }
}

pub(super) fn request_start(
    ctx: &RequestContext<'_>,
    table: &TableHandle,
    resolution: &Resolution<'_>,
) -> RequestStart {
    let application_hash = table.table().text_hash(ctx.application());
    RequestStart { source: resolution.source(), ip: ctx.r.client_ip(), application_hash }
}

/// Whether the application issues the value that identifies the session, so that no client invented it.
pub(super) fn is_issued(ctx: &RequestContext<'_>) -> bool {
    let Some(buffers) = ctx.buffers() else { return false };
    ctx.r
        .headers_out()
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"set-cookie"))
        .filter_map(|(_, value)| cookie::set_cookie(value))
        .any(|(_, value)| value == buffers.found)
}

/// Whether the built-in cookie that identified the session occurs more than once.
pub(super) fn is_cookie_repeated(view: &View<'_>, resolution: &Resolution<'_>) -> bool {
    matches!(resolution.found_by, FoundBy::Builtin(entry) if builtin::is_repeated(view, entry))
}

/// The key of the session, for `$api_session_key`.
pub(super) fn with_label(ctx: &RequestContext<'_>, then: impl FnOnce(&str)) {
    let analysis = ctx.analysis();
    if let Some((found_by, label)) = ctx.state.settled_by()
        && let Some(membership) = ctx.state.membership()
    {
        let again = || Resolution::again(ctx.keys(&analysis), membership.session, found_by);
        if let Some(label) = label.or_else(|| again().map(|it| it.label)) {
            then(label.as_str());
        }
    } else if let Some(bodies) = ctx.bodies()
        && let Some(it) = resolve(ctx, &ctx.view(&bodies), &analysis)
    {
        then(it.label.as_str());
    }
}
