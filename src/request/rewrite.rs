//! The rewrite phases: a request that `return` or a redirect ends there is refused before that, where
//! `api_sessions_deny … phase=rewrite` says so.

use api_sessions_identity::Phase;
use api_sessions_nginx::body::DECLINED;
use api_sessions_nginx::phase::PhaseHandler;
use api_sessions_nginx::request::Request;
use ngx::ffi::ngx_int_t;

use super::access::refusal;
use super::context::RequestContext;
use super::lifecycle;
use crate::directives::{Deny, LocationConf};

/// Before the directives of `server`, but on the way to a location where the module answers. After a redirect inside NGINX, the request has passed here already: where an
/// `error_page` leads, only the location decides.
pub(crate) struct ServerRewrite;

impl PhaseHandler for ServerRewrite {
    const NEUTRAL: ngx_int_t = DECLINED;

    fn handle(r: Request<'_>) -> ngx_int_t {
        if r.is_internal() { DECLINED } else { check(r, |r| r.leads_to(LocationConf::answers)) }
    }
}

/// Before the directives of the location.
pub(crate) struct LocationRewrite;

impl PhaseHandler for LocationRewrite {
    const NEUTRAL: ngx_int_t = DECLINED;

    fn handle(r: Request<'_>) -> ngx_int_t {
        check(r, |_| false)
    }
}

/// With what is known of the session by now: of the request, without its body.
fn check(r: Request<'_>, is_exempt: fn(Request<'_>) -> bool) -> ngx_int_t {
    if !r.is_main() {
        return DECLINED;
    }
    let Some(conf) = r.location::<LocationConf>() else { return DECLINED };
    let (Deny::On(options) | Deny::DryRun(options)) = conf.deny() else { return DECLINED };
    if !options.before_rewrite || !conf.is_enabled(r, Phase::Early) || is_exempt(r) {
        return DECLINED;
    }
    let Some(ctx) = RequestContext::new(r, conf, Phase::Early) else { return DECLINED };
    let membership = lifecycle::on_access(&ctx);
    let status = membership.and_then(|membership| refusal(&ctx, &membership));
    status.map_or(DECLINED, |status| status as ngx_int_t)
}
