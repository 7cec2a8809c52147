//! The rewrite phases: with `api_sessions_deny … phase=rewrite`, the denylist is consulted before `return` or a
//! redirect ends the request. The final location is unknown by then, and control and status locations refuse
//! nobody. So the refusal is only noted, and sent by the access phase of the final location, or in place of the
//! response that ends the request earlier.

use api_sessions_identity::Phase;
use api_sessions_nginx::body::DECLINED;
use api_sessions_nginx::phase::PhaseHandler;
use api_sessions_nginx::request::Request;
use ngx::ffi::ngx_int_t;

use super::access::refusal;
use super::context::RequestContext;
use super::lifecycle;
use crate::directives::{Deny, LocationConf};

/// Runs before the rewrite directives of `server`, or of the location. After an internal redirect, the request has
/// passed those of `server` already, and only the location decides.
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

/// The session is resolved from the request without its body.
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
