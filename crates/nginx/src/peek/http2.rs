//! Over HTTP/2: NGINX keeps what comes before anybody reads in the stream's `preread`, as much as the window that it
//! opens at first (`http2_body_preread_size`). It tells nobody of that, but it does where a body is being read: so
//! for as long as is waited, the request has a body to be read to that same buffer.
//!
//! The window is not opened further, so that what is in `preread` and what may still come are together what NGINX
//! counts on (`ngx_http_v2_read_request_body`).

use std::ptr;

use ngx::ffi::{
    NGX_AGAIN, NGX_HTTP_CLIENT_CLOSED_REQUEST, NGX_HTTP_INTERNAL_SERVER_ERROR,
    NGX_HTTP_REQUEST_TIME_OUT, ngx_create_temp_buf, ngx_http_core_run_phases,
    ngx_http_finalize_request, ngx_http_request_body_t, ngx_http_request_t, ngx_http_v2_stream_t,
    ngx_int_t, ngx_pcalloc,
};

use super::{Look, Looker, limit_wait, over};
use crate::catch_unwind::catch_unwind_ffi;
use crate::request_bits as bits;

/// As [`super::look`].
///
/// # Safety
/// `raw` is a live request of HTTP/2 in its access phase, whose body nobody has read.
pub(super) unsafe fn look<L: Looker>(raw: *mut ngx_http_request_t, looker: &mut L) -> Look {
    // SAFETY: as the caller says: the stream lives as long as the request, and nobody changes its buffer while the
    // slice lives.
    unsafe {
        let stream = &*(*raw).stream;
        let come = match stream.preread.as_ref() {
            Some(buf) => {
                std::slice::from_raw_parts(buf.pos, buf.last.offset_from_unsigned(buf.pos))
            }
            None => &[],
        };
        let new = come.get(looker.seen()..).unwrap_or_default();
        looker.look(&new[..new.len().min(looker.wanted())]);
        if stream.in_closed() != 0 && looker.seen() == come.len() {
            looker.end();
        }
        if looker.wanted() == 0 || may_come(stream) == 0 {
            forget(raw);
            return over(raw, looker);
        }
        match wait(raw) {
            Some(true) => {
                limit_wait(raw);
                (*raw).read_event_handler = Some(more);
                Look::Waiting(NGX_AGAIN as ngx_int_t)
            }
            Some(false) => Look::Short,
            None => Look::Failed(NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t),
        }
    }
}

/// Bytes that the client may still send before the window is opened further: those of the frame that is being read,
/// and of others.
///
/// # Safety
/// A stream of a live request.
unsafe fn may_come(stream: &ngx_http_v2_stream_t) -> usize {
    // SAFETY: a stream has a connection.
    let state = unsafe { &(*stream.connection).state };
    let is_read = ptr::eq(state.stream, stream);
    stream.recv_window + if is_read { state.length } else { 0 }
}

/// Has NGINX tell when more has come. `Some(false)`: its buffer has no room for the window. The client's first server
/// and this one have other sizes.
///
/// # Safety
/// As [`look`].
unsafe fn wait(raw: *mut ngx_http_request_t) -> Option<bool> {
    // SAFETY: as the caller says; the memory is the request's, and zeroed.
    unsafe {
        if !(*raw).request_body.is_null() {
            return Some(true);
        }
        let stream = &mut *(*raw).stream;
        let may_come = may_come(stream);
        if stream.preread.is_null() {
            stream.preread = ngx_create_temp_buf((*raw).pool, may_come);
        }
        let buf = stream.preread.as_mut()?;
        if buf.end.offset_from_unsigned(buf.last) < may_come {
            return Some(false);
        }
        let body = ngx_pcalloc((*raw).pool, size_of::<ngx_http_request_body_t>())
            .cast::<ngx_http_request_body_t>()
            .as_mut()?;
        // `ngx_http_v2_process_request_body` adds to the buffer what comes, and posts the read event. It passes
        // nothing on, and opens no window.
        body.rest = 1;
        body.buf = buf;
        (*raw).request_body = body;
        bits::set_request_body_no_buffering(raw, 1);
        Some(true)
    }
}

/// The body is unread again.
///
/// # Safety
/// As [`look`].
unsafe fn forget(raw: *mut ngx_http_request_t) {
    // SAFETY: as the caller says; a body that is there is the one of `wait`.
    unsafe {
        if !(*raw).request_body.is_null() {
            (*raw).request_body = ptr::null_mut();
            bits::set_request_body_no_buffering(raw, 0);
        }
    }
}

/// More has come, the stream is over, or the time is.
unsafe extern "C" fn more(raw: *mut ngx_http_request_t) {
    catch_unwind_ffi((), || {
        // SAFETY: NGINX calls with a live request, which nobody touches after it was finalised.
        unsafe {
            let connection = (*raw).connection;
            let fail = |status: u32| {
                forget(raw);
                (*(*raw).stream).set_skip_data(1);
                ngx_http_finalize_request(raw, status as ngx_int_t);
            };
            if (*(*connection).read).timedout() != 0 {
                (*connection).set_timedout(1);
                return fail(NGX_HTTP_REQUEST_TIME_OUT);
            }
            if (*connection).error() != 0 {
                return fail(NGX_HTTP_CLIENT_CLOSED_REQUEST);
            }
            ngx_http_core_run_phases(raw);
        }
    });
}
