//! HTTP/1.x and HTTP/3: the bytes stay after the headers in `header_in`, which is replaced by a larger buffer if
//! needed.

use ngx::ffi::{
    NGX_AGAIN, NGX_HTTP_BAD_REQUEST, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_HTTP_REQUEST_TIME_OUT,
    NGX_OK, ngx_alloc_chain_link, ngx_create_temp_buf, ngx_handle_read_event, ngx_http_core_module,
    ngx_http_core_run_phases, ngx_http_core_srv_conf_t, ngx_http_finalize_request,
    ngx_http_request_t, ngx_int_t,
};

use super::{Look, Looker, limit_wait, over};
use crate::catch_unwind::catch_unwind_ffi;
use crate::headers::known;
use crate::request::slot;
use crate::request_bits as bits;

/// HTTP/1.1 in `http_version`.
const HTTP_11: usize = 1001;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Like [`super::look`]. `is_stream`: an HTTP/3 request, whose connection carries only this request.
///
/// # Safety
/// `raw` is a live HTTP/1.x or HTTP/3 request in its access phase, whose body is unread.
pub(super) unsafe fn look<L: Looker>(
    raw: *mut ngx_http_request_t,
    looker: &mut L,
    is_stream: bool,
) -> Look {
    loop {
        // SAFETY: the caller's contract: `header_in` holds the bytes read after the headers, and nothing modifies it
        // while the slice lives.
        unsafe {
            let buf = &*(*raw).header_in;
            let len = buf.last.offset_from_unsigned(buf.pos);
            let come = std::slice::from_raw_parts(buf.pos, len);
            let wanted = looker.wanted();
            if wanted == 0 {
                return over(raw, looker);
            }
            let new = come.get(looker.seen()..).unwrap_or_default();
            if !new.is_empty() {
                looker.look(&new[..new.len().min(wanted)]);
                continue;
            }
            match read(raw, wanted, looker.most(), is_stream) {
                Ok(0) => looker.end(),
                Ok(_) => {}
                Err(status) => return status,
            }
        }
    }
}

/// Appends at most `wanted` bytes to `header_in`. Returns their number; 0 if the stream has ended.
///
/// # Safety
/// As for [`look`].
unsafe fn read(
    raw: *mut ngx_http_request_t,
    wanted: usize,
    most: usize,
    is_stream: bool,
) -> Result<usize, Look> {
    let failed = |status: u32| Err(Look::Failed(status as ngx_int_t));
    // SAFETY: the caller's contract; `recv` writes at most `room` bytes.
    unsafe {
        if !is_stream && expects_continue(raw) == Err(())
            || enlarge(raw, wanted, most, is_stream).is_none()
        {
            return failed(NGX_HTTP_INTERNAL_SERVER_ERROR);
        }
        let connection = (*raw).connection;
        let buf = &mut *(*raw).header_in;
        let room = buf.end.offset_from_unsigned(buf.last).min(wanted);
        let Some(recv) = (*connection).recv else { return failed(NGX_HTTP_INTERNAL_SERVER_ERROR) };
        let read = recv(connection, buf.last, room);
        if read > 0 || read == 0 && is_stream {
            buf.last = buf.last.add(read as usize);
            return Ok(read as usize);
        }
        if read != NGX_AGAIN as isize {
            // The client has closed, or the connection broke; handled as in `ngx_http_do_read_client_request_body`.
            (*connection).set_error(1);
            return failed(NGX_HTTP_BAD_REQUEST);
        }
        limit_wait(raw);
        if ngx_handle_read_event((*connection).read, 0) != NGX_OK as ngx_int_t {
            return failed(NGX_HTTP_INTERNAL_SERVER_ERROR);
        }
        (*raw).read_event_handler = Some(more);
        Err(Look::Waiting(NGX_AGAIN as ngx_int_t))
    }
}

/// Read event: more has arrived, or the timeout has expired.
unsafe extern "C" fn more(raw: *mut ngx_http_request_t) {
    catch_unwind_ffi((), || {
        // SAFETY: NGINX passes a live request, which is not touched after finalization.
        unsafe {
            let connection = (*raw).connection;
            if (*(*connection).read).timedout() != 0 {
                (*connection).set_timedout(1);
                ngx_http_finalize_request(raw, NGX_HTTP_REQUEST_TIME_OUT as ngx_int_t);
                return;
            }
            ngx_http_core_run_phases(raw);
        }
    });
}

/// Answers `Expect: 100-continue` once, before waiting for the body (`ngx_http_test_expect`).
///
/// # Safety
/// `raw` is a live HTTP/1.x request.
unsafe fn expects_continue(raw: *mut ngx_http_request_t) -> Result<(), ()> {
    // SAFETY: the caller's contract; the header is null or belongs to this request.
    unsafe {
        let Some(expect) = known((*raw).headers_in.expect) else { return Ok(()) };
        if bits::expect_tested(raw) != 0 || (*raw).http_version < HTTP_11 {
            return Ok(());
        }
        bits::set_expect_tested(raw, 1);
        if !expect.eq_ignore_ascii_case(b"100-continue") {
            return Ok(());
        }
        let connection = (*raw).connection;
        let Some(send) = (*connection).send else { return Err(()) };
        if send(connection, CONTINUE.as_ptr().cast_mut(), CONTINUE.len()) == CONTINUE.len() as isize
        {
            return Ok(());
        }
        (*connection).set_error(1);
        Err(())
    }
}

/// Makes room in `header_in`. At most once, a larger buffer replaces it, as for headers that exceed the first one
/// (`ngx_http_alloc_large_header_buffer`). Over HTTP/1.x the connection owns the buffer: NGINX frees it, or reuses it
/// for the next request.
///
/// # Safety
/// As for [`look`].
unsafe fn enlarge(
    raw: *mut ngx_http_request_t,
    wanted: usize,
    most: usize,
    is_stream: bool,
) -> Option<()> {
    // SAFETY: the caller's contract. The bytes from `pos` on are copied; the headers stay in the previous buffer, which
    // lives as long as the request.
    unsafe {
        let buf = &*(*raw).header_in;
        if buf.end > buf.last && buf.end.offset_from_unsigned(buf.last) >= wanted.min(most) {
            return Some(());
        }
        let core: &ngx_http_core_srv_conf_t =
            slot((*raw).srv_conf, &raw const ngx_http_core_module)?;
        let len = buf.last.offset_from_unsigned(buf.pos);
        let size = (len + most).max(core.large_client_header_buffers.size);
        let pool = if is_stream { (*raw).pool } else { (*(*raw).connection).pool };
        let larger = ngx_create_temp_buf(pool, size).as_mut()?;
        std::ptr::copy_nonoverlapping(buf.pos, larger.last, len);
        larger.last = larger.last.add(len);
        if !is_stream {
            let link = ngx_alloc_chain_link(pool).as_mut()?;
            let connection = (*raw).http_connection.as_mut()?;
            link.buf = larger;
            link.next = connection.busy;
            connection.busy = link;
            connection.nbusy += 1;
        }
        (*raw).header_in = larger;
        Some(())
    }
}
