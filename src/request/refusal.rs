//! Sends a refusal that the rewrite phases have noted: from the final location, or in place of an earlier response.

use api_sessions_nginx::request::Request;
use api_sessions_nginx::response;
use ngx::ffi::ngx_int_t;

use super::state::State;
use crate::directives::LocationConf;

/// The status of a pending refusal, if it is to be sent now. Nobody is refused in a control or status location.
pub(super) fn take(r: Request<'_>, conf: &LocationConf) -> Option<u16> {
    let state = State::of(r)?;
    if conf.answers() {
        state.refusal.set(None);
        // Also in dry run.
        state.denial.set(None);
        return None;
    }
    let status = state.refusal.take()?;
    if !state.refused.replace(true) {
        // The error page of another response may have led here; the refusal may still have its own.
        response::allow_error_page(r);
    }
    Some(status)
}

/// Replaces a response that is about to be sent; the result is for the header filter to return.
pub(super) fn replace_answer(r: Request<'_>) -> Option<ngx_int_t> {
    let was_refused = State::of(r)?.refused.get();
    let status = r.location().and_then(|conf| take(r, conf));
    if status.is_none() && was_refused {
        response::passes(r);
    }
    status.map(|status| response::replace(r, status))
}
