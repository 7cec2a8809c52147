//! Answering a request: from a content handler, or in the access phase.

use std::ffi::CStr;
use std::ptr;

use ngx::ffi::{
    NGX_DONE, NGX_ERROR, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_HTTP_NOT_ALLOWED, NGX_OK, ngx_buf_t,
    ngx_chain_t, ngx_http_discard_request_body, ngx_http_finalize_request, ngx_http_output_filter,
    ngx_http_send_header, ngx_int_t, ngx_pcalloc, ngx_pnalloc,
};

use super::conf::c_string;
use super::request::Request;

/// 405, with NGINX's own page.
pub(crate) const METHOD_NOT_ALLOWED: ngx_int_t = NGX_HTTP_NOT_ALLOWED as ngx_int_t;

/// Sends `body` with a status and a content type, from a content handler.
pub(crate) fn send(
    r: Request<'_>,
    status: u16,
    content_type: &'static CStr,
    body: &[u8],
) -> ngx_int_t {
    let raw = r.as_ptr();
    // SAFETY: content phase of a live request; all memory comes from its pool.
    unsafe {
        let rc = ngx_http_discard_request_body(raw);
        if rc != NGX_OK as ngx_int_t {
            return rc;
        }
        (*raw).headers_out.status = usize::from(status);
        (*raw).headers_out.content_length_n = body.len() as i64;
        (*raw).headers_out.content_type = c_string(content_type);
        (*raw).headers_out.content_type_len = content_type.count_bytes();
        (*raw).headers_out.content_type_lowcase = ptr::null_mut();

        let rc = ngx_http_send_header(raw);
        if rc == NGX_ERROR as ngx_int_t || rc > NGX_OK as ngx_int_t || (*raw).header_only() != 0 {
            return rc;
        }
        let buf = ngx_pcalloc((*raw).pool, size_of::<ngx_buf_t>()).cast::<ngx_buf_t>();
        let data = ngx_pnalloc((*raw).pool, body.len().max(1)).cast::<u8>();
        if buf.is_null() || data.is_null() {
            return NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
        }
        ptr::copy_nonoverlapping(body.as_ptr(), data, body.len());
        (*buf).pos = data;
        (*buf).last = data.add(body.len());
        (*buf).set_memory(u32::from(!body.is_empty()));
        (*buf).set_last_buf(u32::from(r.is_main()));
        (*buf).set_last_in_chain(1);
        let mut chain = ngx_chain_t { buf, next: ptr::null_mut() };
        ngx_http_output_filter(raw, &mut chain)
    }
}

/// Ends the request with `status`, from an access handler, whatever `satisfy` says.
///
/// Under `satisfy any` the access phase takes a returned 403 as one vote among others, and lets the
/// request through if a later handler allows it (`ngx_http_core_access_phase`).
pub(crate) fn refuse(r: Request<'_>, status: u16) -> ngx_int_t {
    let status = status as ngx_int_t;
    if !r.satisfies_any() {
        return status;
    }
    // SAFETY: access phase of a live request, which nobody touches afterwards.
    unsafe { ngx_http_finalize_request(r.as_ptr(), status) };
    NGX_DONE as ngx_int_t
}
