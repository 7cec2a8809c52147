//! The log phase: runs once per main request, also if it ended before the access phase.

use api_sessions_nginx::body::DECLINED;
use api_sessions_nginx::phase::PhaseHandler;
use api_sessions_nginx::request::Request;
use ngx::ffi::ngx_int_t;

use super::lifecycle;

/// First of the log phase's handlers, so that `access_log` writes the settled session.
pub(crate) struct Log;

impl PhaseHandler for Log {
    const NEUTRAL: ngx_int_t = DECLINED;

    fn handle(r: Request<'_>) -> ngx_int_t {
        if r.is_main() {
            lifecycle::on_log(r);
        }
        DECLINED
    }
}
