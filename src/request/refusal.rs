//! A refusal in the rewrite phases is given later: where the request has come to, or in place of an earlier answer.

use api_sessions_nginx::request::Request;
use api_sessions_nginx::response;
use ngx::ffi::ngx_int_t;

use super::state::State;
use crate::directives::LocationConf;

/// The status of a refusal that is to be given now. Nobody is refused in a control or status location.
pub(super) fn take(r: Request<'_>, conf: &LocationConf) -> Option<u16> {
    let state = State::of(r)?;
    let status = state.refusal.take()?;
    if conf.answers() {
        state.denial.set(None);
        return None;
    }
    if !state.refused.replace(true) {
        // Where that of another answer has led here, the refusal may have one all the same.
        response::allow_error_page(r);
    }
    Some(status)
}

/// In place of an answer that is about to be sent: what the header filter returns.
pub(super) fn replace_answer(r: Request<'_>) -> Option<ngx_int_t> {
    let was_refused = State::of(r)?.refused.get();
    let status = r.location().and_then(|conf| take(r, conf));
    if status.is_none() && was_refused {
        response::passes(r);
    }
    status.map(|status| response::replace(r, status))
}
