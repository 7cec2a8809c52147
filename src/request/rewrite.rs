//! The rewrite phases: where `api_sessions_deny … phase=rewrite` says so, the denylist is asked before `return` or a
//! redirect ends a request there. Where the request is going is not known by then, and a control or status location
//! refuses nobody: so a refusal is given by the access phase of the location that the request has come to, or in place
//! of the answer of what ends it before.

use api_sessions_identity::Phase;
use api_sessions_nginx::body::DECLINED;
use api_sessions_nginx::phase::PhaseHandler;
use api_sessions_nginx::request::Request;
use ngx::ffi::ngx_int_t;

use super::access::refusal;
use super::context::RequestContext;
use super::lifecycle;
use crate::directives::{Deny, LocationConf};

/// Before the directives of `server`, or of the location. After a redirect inside NGINX, the request has passed those
/// of `server` already: where an `error_page` leads, only the location decides.
pub(crate) struct Rewrite<const OF_SERVER: bool>;

impl<const OF_SERVER: bool> PhaseHandler for Rewrite<OF_SERVER> {
    const NEUTRAL: ngx_int_t = DECLINED;

    fn handle(r: Request<'_>) -> ngx_int_t {
        if !OF_SERVER || !r.is_internal() {
            check(r);
        }
        DECLINED
    }
}

/// With what is known of the session by now: of the request, without its body.
fn check(r: Request<'_>) -> Option<()> {
    let conf = r.location::<LocationConf>().filter(|_| r.is_main())?;
    let (Deny::On(options) | Deny::DryRun(options)) = conf.deny() else { return None };
    if !options.before_rewrite || !conf.is_enabled(r, Phase::Early) {
        return None;
    }
    let ctx = RequestContext::new(r, conf, Phase::Early)?;
    let status = refusal(&ctx, &lifecycle::on_access(&ctx)?)?;
    let first = ctx.state.refusal.get().unwrap_or(status);
    ctx.state.refusal.set(Some(first));
    Some(())
}
