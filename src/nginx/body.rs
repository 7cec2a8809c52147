//! Reading the request body before it is passed on.

use ngx::ffi::{
    NGX_DECLINED, NGX_DONE, NGX_HTTP_SPECIAL_RESPONSE, ngx_http_core_run_phases,
    ngx_http_finalize_request, ngx_http_read_client_request_body, ngx_http_request_t, ngx_int_t,
};

use super::guard::guard;
use super::request::Request;

/// Starts reading; `read` is called with the request when all of it is there, before the phases run
/// again. Returns what the access handler has to return.
///
/// The pattern is `ngx_http_mirror_handler`'s: the read takes a reference that
/// `ngx_http_finalize_request(NGX_DONE)` gives back, which may free the request. Nothing may be
/// borrowed from it over this call.
pub(crate) fn preread<P: Prereader>(r: Request<'_>) -> ngx_int_t {
    let raw = r.as_ptr();
    // SAFETY: access phase of a main request whose body nobody has read.
    unsafe {
        let rc = ngx_http_read_client_request_body(raw, Some(done::<P>));
        if rc >= NGX_HTTP_SPECIAL_RESPONSE as ngx_int_t {
            return rc;
        }
        ngx_http_finalize_request(raw, NGX_DONE as ngx_int_t);
    }
    NGX_DONE as ngx_int_t
}

/// What is to happen once the body is there.
pub(crate) trait Prereader {
    fn read(r: Request<'_>);
}

/// The neutral answer of an access handler: the next one decides.
pub(crate) const DECLINED: ngx_int_t = NGX_DECLINED as ngx_int_t;

unsafe extern "C" fn done<P: Prereader>(raw: *mut ngx_http_request_t) {
    // SAFETY: NGINX calls with the request whose body was read.
    unsafe {
        guard((), || P::read(Request::from_raw(raw)));
        (*raw).set_preserve_body(1);
        (*raw).write_event_handler = Some(ngx_http_core_run_phases);
        ngx_http_core_run_phases(raw);
    }
}

/// The body is being read, or was.
pub(crate) fn is_taken(r: Request<'_>) -> bool {
    // SAFETY: alive for the handler.
    unsafe { !(*r.as_ptr()).request_body.is_null() }
}

/// The request has a body to read.
pub(crate) fn is_announced(r: Request<'_>) -> bool {
    // SAFETY: alive for the handler.
    unsafe {
        let headers = &(*r.as_ptr()).headers_in;
        headers.content_length_n > 0 || headers.chunked() != 0
    }
}
