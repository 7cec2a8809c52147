//! Following: a change of user begins another session, and identifiers that a response issues are
//! linked to the session.

use api_sessions_identity::{Exchanged, Learned, Namespace, Phase, Resolution, cut, learn};
use api_sessions_nginx::filter::HeaderObserver;
use api_sessions_nginx::process;
use api_sessions_nginx::request::Request;
use api_sessions_protocol::{LinkReason, SessionId};
use ngx::ffi::ngx_int_t;

use super::context::RequestContext;
use super::refusal;
use super::session;
use super::state::State;
use super::view::View;
use crate::directives::{Analysis, LocationConf};
use crate::worker::Buffers;

/// Whether tokens in the bodies of this request and its response are followed.
#[inline]
pub(super) fn reads_tokens(r: Request<'_>, conf: &LocationConf) -> bool {
    let following = conf.follow();
    following.on && following.tokens && r.may_carry_tokens()
}

/// The header filter: links the identifiers that a response issues before the client receives them, as far as the
/// response is complete by then (`add_header` and `userid` run later).
pub(crate) struct IssuedHeaders;

impl HeaderObserver for IssuedHeaders {
    fn response_header(r: Request<'_>) -> Option<ngx_int_t> {
        if !r.is_main() {
            return None;
        }
        let refused = refusal::replace_answer(r);
        if refused.is_none() && issues(r) {
            learn_early(r);
        }
        refused
    }
}

/// Whether the response has a header that may issue an identifier.
#[inline]
fn issues(r: Request<'_>) -> bool {
    r.headers_out().any(|(name, value)| match name.len() {
        10 => name.eq_ignore_ascii_case(b"set-cookie"),
        14 => name.eq_ignore_ascii_case(b"mcp-session-id"),
        8 => name.eq_ignore_ascii_case(b"location") && value.contains(&b';'),
        _ => false,
    })
}

/// Links the identifiers that the response issues, as far as it is complete.
pub(super) fn learn_early(r: Request<'_>) -> Option<()> {
    let conf = r.location::<LocationConf>().filter(|conf| conf.is_enabled(r, Phase::Early))?;
    // With the response as far as it is complete.
    let ctx = &RequestContext::new(r, conf, Phase::Log)?;
    let (state, follow, analysis) = (ctx.state, ctx.links()?, ctx.analysis());
    // Otherwise the session is known only in the log phase.
    if !analysis.settles_on_arrival() {
        return None;
    }
    let bodies = ctx.bodies()?;
    let view = ctx.view(&bodies);
    let mut early = state.early_mut(r)?.take().unwrap_or_default();
    let resolution = match &early.moved {
        Some((moved, _)) => *moved,
        // A token in the request's body may identify the session.
        None => session::resolve(ctx, &view, &analysis)?,
    };
    let (table, hasher) = (ctx.main.runtime().table()?, ctx.hasher()?);
    let mut buffers = ctx.buffers()?;
    let Buffers { scratch, found, .. } = &mut *buffers;
    let now_ms = process::now_ms();
    let id = |namespace: Namespace, value: &[u8]| hasher.session_id(namespace, value);
    let exists = |session: SessionId| table.get(session, now_ms).is_some();
    let is_new = is_new(state, resolution.id, exists);
    let exchanged = Exchanged {
        exchange: &view,
        keys: ctx.keys(&analysis),
        is_new: early.moved.is_none() && is_new,
        id: &id,
        exists: &exists,
        known: early.is_done.then_some(&*early.learned.keys),
    };
    let mut learned = Learned::default();
    let moved = learn(follow, &exchanged, &resolution, scratch, found, &mut learned);
    early.learned.append(&mut learned);
    early.is_done = true;
    early.moved = moved.map(|moved| (moved, found.clone())).or(early.moved);
    *state.early_mut(r)? = Some(early);
    Some(())
}

/// Whether the session began with this request.
fn is_new(state: &State, session: SessionId, exists: impl Fn(SessionId) -> bool) -> bool {
    match state.membership() {
        Some(membership) if membership.session == session => {
            membership.counters.is_some_and(|counters| counters.requests == 1)
        }
        _ => !exists(session),
    }
}

/// Relations of the request's session to others, for the cloud and other nodes.
#[derive(Default)]
pub(super) struct Relations {
    /// Identifiers that the exchange issued to its session.
    pub(super) links: Vec<(SessionId, LinkReason)>,
    /// The previous session of this client, with another user.
    pub(super) previous: Option<SessionId>,
}

/// The request's final session: usually the one that was resolved. Links the identifiers that the response
/// issues. `user` is the value of the `type=user` parameter, or empty. Also returns relations for other nodes.
pub(super) fn settle<'c>(
    ctx: &RequestContext<'_>,
    view: &View<'_>,
    analysis: &'c Analysis,
    resolution: Resolution<'c>,
    user: &[u8],
) -> (Resolution<'c>, Relations) {
    let mut relations = Relations::default();
    let settled = relate(ctx, view, analysis, resolution, user, &mut relations);
    (settled.unwrap_or(resolution), relations)
}

fn relate<'c>(
    ctx: &RequestContext<'_>,
    view: &View<'_>,
    analysis: &'c Analysis,
    mut resolution: Resolution<'c>,
    user: &[u8],
    relations: &mut Relations,
) -> Option<Resolution<'c>> {
    let state = ctx.state;
    let follow = ctx.links()?;
    let (table, hasher) = (ctx.main.runtime().table()?, ctx.hasher()?);
    let mut buffers = ctx.buffers()?;
    let Buffers { scratch, found, .. } = &mut *buffers;
    let now_ms = process::now_ms();
    let id = |namespace: Namespace, value: &[u8]| hasher.session_id(namespace, value);
    let exists = |session: SessionId| table.get(session, now_ms).is_some();
    let mut early = state.early.take();
    let is_operators = resolution.found_by.own().is_some() && !resolution.followed;
    if !user.is_empty()
        && resolution.found_by.is_key()
        && !is_operators
        && follow.is_another_user(resolution.id, user)
    {
        let session = cut(follow, view, resolution.id, user, ctx.keys(analysis).fallback, &id);
        if let Some(early) = &mut early {
            early.learned.move_links(resolution.id, session);
        }
        relations.previous = Some(resolution.id);
        resolution = Resolution { id: session, followed: true, fresh: false, ..resolution };
    }
    let has_moved = early.as_ref().is_some_and(|early| early.moved.is_some());
    let exchanged = Exchanged {
        exchange: view,
        keys: ctx.keys(analysis),
        is_new: !has_moved && is_new(state, resolution.id, exists),
        id: &id,
        exists: &exists,
        known: early.as_ref().map(|early| &*early.learned.keys),
    };
    let mut learned = Learned::default();
    let moved = learn(follow, &exchanged, &resolution, scratch, found, &mut learned);
    let resolution = moved.unwrap_or(resolution);
    if let Some(early) = &mut early {
        learned.append(&mut early.learned);
    }
    relations.links = learned.links_of(resolution.id);
    Some(resolution)
}
