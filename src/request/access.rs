//! The access phase: the request joins its session, and is let through or not.

use api_sessions_identity::Phase;
use api_sessions_nginx::body::{self, DECLINED, Prereader};
use api_sessions_nginx::body_file;
use api_sessions_nginx::peek::{self, BodyLook, Look};
use api_sessions_nginx::phase::PhaseHandler;
use api_sessions_nginx::request::Request;
use api_sessions_nginx::response;
use ngx::ffi::{NGX_HTTP_INTERNAL_SERVER_ERROR, ngx_int_t};

use super::context::RequestContext;
use super::lifecycle;
use super::refusal;
use super::rules;
use super::state::{Membership, State};
use crate::directives::{Deny, LocationConf, MainConf};

/// Runs any number of times per request: never after a `return` in the rewrite phase, and again after each
/// internal redirect. It never returns NGX_OK: under `satisfy any` that would skip the
/// site's authentication.
pub(crate) struct Access;

impl PhaseHandler for Access {
    const NEUTRAL: ngx_int_t = DECLINED;

    fn handle(r: Request<'_>) -> ngx_int_t {
        if !r.is_main() {
            return DECLINED;
        }
        if r.is_put()
            && State::of(r).is_some_and(|state| state.preread.get())
            && !body_file::move_for_dav(r)
        {
            return NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
        }
        let (Some(conf), Some(main)) = (r.location::<LocationConf>(), MainConf::of(r)) else {
            return DECLINED;
        };
        if main.denies_before_rewrite()
            && let Some(status) = refusal::take(r, conf)
        {
            return response::refuse(r, status);
        }
        if !conf.is_enabled(r, Phase::Early) {
            return DECLINED;
        }
        if let Some(rc) = wait_for_body(r, conf, main) {
            // The phases run again once the body has arrived.
            return rc;
        }
        let Some(ctx) = RequestContext::new(r, conf, Phase::Access) else { return DECLINED };
        let Some(membership) = lifecycle::on_access(&ctx) else { return DECLINED };
        match refusal(&ctx, &membership) {
            Some(status) => response::refuse(r, status),
            None => limit(&ctx, &membership),
        }
    }
}

/// 429 if the request's subject exceeds the rate of a session rule.
fn limit(ctx: &RequestContext<'_>, membership: &Membership) -> ngx_int_t {
    let r = ctx.r;
    if ctx.conf.answers() {
        return DECLINED;
    }
    let Some(wait_s) = rules::limit(ctx, membership) else { return DECLINED };
    response::retry_after(r, wait_s);
    response::refuse(r, 429)
}

/// The status to refuse a request with, if its session is denied. In dry run the request is only marked.
pub(super) fn refusal(ctx: &RequestContext<'_>, membership: &Membership) -> Option<u16> {
    let (Deny::On(_) | Deny::DryRun(_)) = ctx.conf.deny() else { return None };
    let is_denied = lifecycle::is_denied(ctx, membership.session);
    match ctx.conf.deny() {
        Deny::On(options) if is_denied => Some(options.status),
        _ => None,
    }
}

/// Whether a key may be in a body that has not been read yet. True at most once per request.
fn wants_body(r: Request<'_>, conf: &LocationConf, main: &MainConf) -> bool {
    r.has_body()
        && !body::is_taken(r)
        && conf.prereads(main, r.content_type())
        && State::of_or_new(r).is_some_and(|state| !state.preread.replace(true))
}

/// Peeks at a body that may hold a key, or reads it if peeking does not suffice. `Some`: what the handler returns while
/// the request has to wait.
fn wait_for_body(r: Request<'_>, conf: &LocationConf, main: &MainConf) -> Option<ngx_int_t> {
    let begun = State::of(r).and_then(|state| state.look.take());
    let mut look = match begun {
        Some(look) => look,
        None if !wants_body(r, conf, main) => return None,
        None => Box::new(BodyLook::new(r, conf.body_size())),
    };
    let state = State::of(r)?;
    match peek::look(r, &mut *look) {
        Look::Failed(rc) => return Some(rc),
        Look::Waiting(rc) => {
            state.look.set(Some(look));
            return Some(rc);
        }
        Look::Short => return Some(body::preread::<Prereading>(r)),
        Look::Done => {}
    }
    if let Some(mut bodies) = state.bodies_mut(r) {
        let complete = look.is_complete();
        bodies.looked_at(r, look.body, complete, conf.body_size());
    }
    None
}

/// Whether the body passed the request-body filter while it was read.
struct Prereading;

impl Prereader for Prereading {
    fn read(r: Request<'_>) {
        let (Some(conf), Some(state)) = (r.location::<LocationConf>(), State::of(r)) else {
            return;
        };
        if let Some(mut bodies) = state.bodies_mut(r) {
            bodies.decode_request(r, conf.kept_body_size());
        }
    }
}
