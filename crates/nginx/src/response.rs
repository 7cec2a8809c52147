//! Sending responses: from a content handler, the access phase or a header filter.

use std::ffi::CStr;
use std::ptr;

use ngx::ffi::{
    NGX_DONE, NGX_ERROR, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_buf_t, ngx_chain_t,
    ngx_http_clean_header, ngx_http_discard_request_body, ngx_http_finalize_request,
    ngx_http_output_filter, ngx_http_send_header, ngx_int_t, ngx_list_push, ngx_pcalloc,
    ngx_pnalloc, ngx_str_t, ngx_table_elt_t,
};

use super::conf::c_string;
use super::request::Request;
use super::request_bits as bits;

/// Adds a header to the response before it is sent. If out of memory, the header is omitted.
pub fn add_header(r: Request<'_>, name: &'static CStr, value: &'static CStr) {
    // SAFETY: a live request, created with its list of headers. The list keeps pointers to static strings; the element
    // is fully initialized.
    unsafe {
        let header = ngx_list_push(&raw mut (*r.as_ptr()).headers_out.headers);
        if let Some(header) = header.cast::<ngx_table_elt_t>().as_mut() {
            *header = std::mem::zeroed();
            header.hash = 1;
            header.key = c_string(name);
            header.value = c_string(value);
        }
    }
}

/// Adds `Retry-After` in seconds. If out of memory, the header is omitted.
pub fn retry_after(r: Request<'_>, seconds: u64) {
    let digits = seconds.to_string();
    // SAFETY: a live request; the header's value is in its pool.
    unsafe {
        let data = ngx_pnalloc((*r.as_ptr()).pool, digits.len()).cast::<u8>();
        if data.is_null() {
            return;
        }
        ptr::copy_nonoverlapping(digits.as_ptr(), data, digits.len());
        let header = ngx_list_push(&raw mut (*r.as_ptr()).headers_out.headers);
        if let Some(header) = header.cast::<ngx_table_elt_t>().as_mut() {
            *header = std::mem::zeroed();
            header.hash = 1;
            header.key = c_string(c"Retry-After");
            header.value = ngx_str_t { len: digits.len(), data };
        }
    }
}

/// Sends a response from a content handler. Returns what the content handler has to return.
pub fn send(r: Request<'_>, status: u16, content_type: &'static CStr, body: &[u8]) -> ngx_int_t {
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
        if rc == NGX_ERROR as ngx_int_t || rc > NGX_OK as ngx_int_t || bits::header_only(raw) != 0 {
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

/// Rejects the request with `status` from an access handler, regardless of `satisfy`. Returns what the access handler
/// has to return.
///
/// Under `satisfy any`, a returned 403 does not end the access phase: the request passes if a later handler allows it
/// (`ngx_http_core_access_phase`). So the request is finalized here instead.
pub fn refuse(r: Request<'_>, status: u16) -> ngx_int_t {
    let status = status as ngx_int_t;
    if !r.satisfies_any() {
        return status;
    }
    // SAFETY: access phase of a live request, which is not touched afterwards.
    unsafe { ngx_http_finalize_request(r.as_ptr(), status) };
    NGX_DONE as ngx_int_t
}

/// Called by a header filter instead of the next filter: drops the response, and NGINX answers with `status` as if the
/// handler had returned it. Returns what the filter has to return. When the header of that answer reaches the filter,
/// it must call [`passes`].
pub fn replace(r: Request<'_>, status: u16) -> ngx_int_t {
    // SAFETY: a live request whose response has not been sent. Handlers return a result above NGX_OK unchanged; a
    // special response does so only if no body follows, hence `header_only` (`ngx_http_send_special_response`).
    unsafe {
        ngx_http_clean_header(r.as_ptr());
        bits::set_header_only(r.as_ptr(), 1);
    }
    status as ngx_int_t
}

/// Lets the answer that [`replace`] caused have a body.
pub fn passes(r: Request<'_>) {
    // SAFETY: a live request; NGINX's header filter sets the bit again if no body may follow.
    unsafe { bits::set_header_only(r.as_ptr(), 0) };
}

/// Allows one more `error_page` redirect (`ngx_http_special_response_handler`).
pub fn allow_error_page(r: Request<'_>) {
    // SAFETY: a live request.
    unsafe { bits::set_error_page(r.as_ptr(), 0) };
}
