//! HTTP/2: NGINX stores body data that arrives before the body is read in the stream's `preread`, up to the initial
//! window (`http2_body_preread_size`). It posts no event for that data, but does while a body is being read. So while
//! waiting, the request gets a `request_body` that reads into that same buffer.
//!
//! The window is not enlarged, so the bytes in `preread` plus those that may still arrive stay within what NGINX
//! expects (`ngx_http_v2_read_request_body`).

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

/// Like [`super::look`].
///
/// # Safety
/// `raw` is a live HTTP/2 request in its access phase, whose body is unread.
pub(super) unsafe fn look<L: Looker>(raw: *mut ngx_http_request_t, looker: &mut L) -> Look {
    // SAFETY: the caller's contract: the stream lives as long as the request, and nothing modifies its buffer while the
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

/// Bytes that may still arrive within the current window: the rest of the frame being read, and further frames.
///
/// # Safety
/// A stream of a live request.
unsafe fn may_come(stream: &ngx_http_v2_stream_t) -> usize {
    // SAFETY: a stream always has a connection.
    let state = unsafe { &(*stream.connection).state };
    let is_read = ptr::eq(state.stream, stream);
    stream.recv_window + if is_read { state.length } else { 0 }
}

/// Makes NGINX post the read event when more arrives. `Some(false)`: the buffer is smaller than the window, because the
/// connection's default server and this server have different preread sizes. `None`: out of memory.
///
/// # Safety
/// As for [`look`].
unsafe fn wait(raw: *mut ngx_http_request_t) -> Option<bool> {
    // SAFETY: the caller's contract; the memory is zeroed and from the request's pool.
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
        // With these fields, `ngx_http_v2_process_request_body` appends arriving data to the buffer and posts the read
        // event. It neither passes the data on nor enlarges the window.
        body.rest = 1;
        body.buf = buf;
        (*raw).request_body = body;
        bits::set_request_body_no_buffering(raw, 1);
        Some(true)
    }
}

/// Undoes [`wait`]: the body counts as unread again.
///
/// # Safety
/// As for [`look`].
unsafe fn forget(raw: *mut ngx_http_request_t) {
    // SAFETY: the caller's contract; only `wait` has set `request_body`.
    unsafe {
        if !(*raw).request_body.is_null() {
            (*raw).request_body = ptr::null_mut();
            bits::set_request_body_no_buffering(raw, 0);
        }
    }
}

/// Read event: more has arrived, the stream has ended, or the timeout has expired.
unsafe extern "C" fn more(raw: *mut ngx_http_request_t) {
    catch_unwind_ffi((), || {
        // SAFETY: NGINX passes a live request, which is not touched after finalization.
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
