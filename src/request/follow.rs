//! Following, as the log phase does it: another user leaves the session, and what the answer issues is
//! remembered.

use api_sessions_extract::builtin;
use api_sessions_identity::{Exchanged, Namespace, Phase, Resolution, cut, learn};
use api_sessions_nginx::filter::HeaderObserver;
use api_sessions_nginx::process;
use api_sessions_nginx::request::Request;
use api_sessions_protocol::SessionId;

use super::context::RequestContext;
use super::session;
use super::state::State;
use crate::directives::{Analysis, LocationConf};
use crate::worker::Buffers;

/// Tokens in the bodies of this request and its answer are followed.
#[inline]
pub(super) fn reads_tokens(r: Request<'_>, conf: &LocationConf) -> bool {
    let following = conf.follow();
    following.on && following.tokens && builtin::may_carry_tokens(r.line().method)
}

/// The header filter: what a response issues is remembered before the client has it, as far as the response is
/// complete by then (`add_header` and `userid` come later).
pub(crate) struct Issuing;

impl HeaderObserver for Issuing {
    fn response_header(r: Request<'_>) {
        if r.is_main() && issues(r) {
            learn_early(r);
        }
    }
}

/// The response has a header that may issue something.
#[inline]
fn issues(r: Request<'_>) -> bool {
    r.headers_out().any(|(name, value)| match name.len() {
        10 => name.eq_ignore_ascii_case(b"set-cookie"),
        14 => name.eq_ignore_ascii_case(b"mcp-session-id"),
        8 => name.eq_ignore_ascii_case(b"location") && value.contains(&b';'),
        _ => false,
    })
}

/// Remembers what the response issues, as far as it is there.
pub(super) fn learn_early(r: Request<'_>) -> Option<()> {
    let conf = r.location::<LocationConf>().filter(|conf| conf.is_enabled(r, Phase::Early))?;
    // With the response, as far as it is known.
    let ctx = &RequestContext::new(r, conf, Phase::Log)?;
    let (state, follow, analysis) = (ctx.state, ctx.links()?, ctx.analysis());
    // Otherwise, which session it is will be known later.
    if !analysis.settles_on_arrival() {
        return None;
    }
    let mut early = state.early_mut(r)?.take().unwrap_or_default();
    let resolution = match &early.moved {
        Some((moved, _)) => *moved,
        // A token in the request's body may say whose it is.
        None => session::resolve(ctx, &analysis)?,
    };
    let (table, hasher) = (ctx.main.runtime().table()?, ctx.hasher()?);
    let bodies = ctx.bodies()?;
    let view = ctx.view(&bodies);
    let mut buffers = ctx.buffers()?;
    let Buffers { scratch, found, .. } = &mut *buffers;
    let now_ms = process::now_ms();
    let id = |namespace: Namespace, value: &[u8]| hasher.session_id(namespace, value);
    let exists = |session: SessionId| table.get(session, now_ms).is_some();
    let is_new = is_new(state, resolution.id, exists);
    let exchanged = Exchanged {
        exchange: &view,
        keys: analysis.keys(),
        is_new: early.moved.is_none() && is_new,
        id: &id,
        exists: &exists,
        known: early.is_done.then_some(&*early.known),
    };
    let mut learned = Vec::new();
    let moved = learn(follow, &exchanged, &resolution, scratch, found, &mut learned);
    early.known.append(&mut learned);
    early.is_done = true;
    early.moved = moved.map(|moved| (moved, found.clone())).or(early.moved);
    *state.early_mut(r)? = Some(early);
    Some(())
}

/// The session began with this request.
fn is_new(state: &State, session: SessionId, exists: impl Fn(SessionId) -> bool) -> bool {
    match state.membership() {
        Some(membership) if membership.session == session => {
            membership.counters.is_some_and(|counters| counters.requests == 1)
        }
        _ => !exists(session),
    }
}

/// The session that the request is of after all: most often the one that was resolved. Remembers what the
/// answer issues. `user` is what a parameter says, or empty.
pub(super) fn settle<'c>(
    ctx: &RequestContext<'_>,
    analysis: &'c Analysis,
    resolution: Resolution<'c>,
    user: &[u8],
) -> Resolution<'c> {
    let state = ctx.state;
    let Some(follow) = ctx.links() else { return resolution };
    let (Some(table), Some(hasher)) = (ctx.main.runtime().table(), ctx.hasher()) else {
        return resolution;
    };
    let Some(bodies) = ctx.bodies() else { return resolution };
    let view = ctx.view(&bodies);
    let Some(mut buffers) = ctx.buffers() else { return resolution };
    let Buffers { scratch, found, .. } = &mut *buffers;
    let now_ms = process::now_ms();
    let id = |namespace: Namespace, value: &[u8]| hasher.session_id(namespace, value);
    let exists = |session: SessionId| table.get(session, now_ms).is_some();
    let mut resolution = resolution;
    let is_operators = resolution.found_by.own().is_some() && !resolution.followed;
    if !user.is_empty()
        && resolution.found_by.is_key()
        && !is_operators
        && follow.is_another_user(resolution.id, user)
    {
        let session = cut(follow, &view, resolution.id, user, analysis.keys().fallback, &id);
        resolution = Resolution { id: session, followed: true, fresh: false, ..resolution };
    }
    let early = state.early.take();
    let has_moved = early.as_ref().is_some_and(|early| early.moved.is_some());
    let exchanged = Exchanged {
        exchange: &view,
        keys: analysis.keys(),
        is_new: !has_moved && is_new(state, resolution.id, exists),
        id: &id,
        exists: &exists,
        known: early.as_ref().map(|early| &*early.known),
    };
    let mut learned = Vec::new();
    learn(follow, &exchanged, &resolution, scratch, found, &mut learned).unwrap_or(resolution)
}
