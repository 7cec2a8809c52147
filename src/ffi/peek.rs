//! Looking at the beginning of a request body in the access phase, over HTTP/1.x.
//!
//! The bytes stay where NGINX leaves what has come with the headers: in `header_in`, which is made larger. Whatever
//! reads the body afterwards (`ngx_http_read_client_request_body`, `ngx_http_discard_request_body`) begins with
//! them, so a content handler finds the request as if nobody had looked: with its own wishes for a file or one
//! buffer, and unread from there on.

use ngx::ffi::{
    NGX_AGAIN, NGX_HTTP_BAD_REQUEST, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_HTTP_REQUEST_TIME_OUT,
    NGX_OK, ngx_add_timer, ngx_alloc_chain_link, ngx_create_temp_buf, ngx_del_timer,
    ngx_handle_read_event, ngx_http_block_reading, ngx_http_core_loc_conf_t, ngx_http_core_module,
    ngx_http_core_run_phases, ngx_http_core_srv_conf_t, ngx_http_finalize_request,
    ngx_http_request_t, ngx_int_t,
};

use super::catch_unwind::guard;
use super::headers::known;
use super::request::{Request, slot};

/// HTTP/1.1 and HTTP/2 as `http_version` has them.
const HTTP_11: usize = 1001;
const HTTP_2: usize = 2000;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What the body that is looked at still needs.
pub(crate) trait Looker {
    /// Takes the next bytes of the body as they came from the connection.
    fn look(&mut self, bytes: &[u8]);
    /// So many bytes may be read: all of them belong to this body. 0: enough was seen.
    fn wanted(&self) -> usize;
    /// How many bytes it has taken.
    fn seen(&self) -> usize;
    /// Most bytes that are looked at.
    fn most(&self) -> usize;
}

/// How a look ended.
pub(crate) enum Look {
    /// Enough was seen.
    Done,
    /// The client has not sent enough; the phases run again when there is more. What the access handler returns.
    Waiting(ngx_int_t),
    /// The request is over; what the access handler returns.
    Failed(ngx_int_t),
}

/// Whether this request's body can be looked at: over HTTP/2 and HTTP/3 it comes in frames.
pub(crate) fn is_possible(r: Request<'_>) -> bool {
    // SAFETY: alive for the handler.
    unsafe { (*r.as_ptr()).stream.is_null() && (*r.as_ptr()).http_version < HTTP_2 }
}

/// Shows `looker` what has come of the body, and reads on as long as it wants more.
pub(crate) fn look<L: Looker>(r: Request<'_>, looker: &mut L) -> Look {
    let raw = r.as_ptr();
    loop {
        // SAFETY: access phase of a live HTTP/1.x request: `header_in` has what was read behind the headers, and
        // nobody changes it while the slice lives.
        unsafe {
            let buf = &*(*raw).header_in;
            let len = buf.last.offset_from_unsigned(buf.pos);
            let come = std::slice::from_raw_parts(buf.pos, len);
            let wanted = looker.wanted();
            if wanted == 0 {
                return done(raw);
            }
            let new = come.get(looker.seen()..).unwrap_or_default();
            if !new.is_empty() {
                looker.look(&new[..new.len().min(wanted)]);
                continue;
            }
            if let Err(status) = read(raw, wanted, looker.most()) {
                return status;
            }
        }
    }
}

/// # Safety
/// `raw` is a live request.
unsafe fn done(raw: *mut ngx_http_request_t) -> Look {
    // SAFETY: a request has a connection with a read event.
    unsafe {
        let event = (*(*raw).connection).read;
        if (*event).timer_set() != 0 {
            ngx_del_timer(event);
        }
        (*raw).read_event_handler = Some(ngx_http_block_reading);
    }
    Look::Done
}

/// Reads at most `wanted` bytes behind those of `header_in`.
///
/// # Safety
/// `raw` is a live HTTP/1.x request in its access phase.
unsafe fn read(raw: *mut ngx_http_request_t, wanted: usize, most: usize) -> Result<(), Look> {
    let failed = |status: u32| Err(Look::Failed(status as ngx_int_t));
    // SAFETY: as the caller says; `recv` writes at most the room that it is given.
    unsafe {
        if expects_continue(raw) == Err(()) || enlarge(raw, wanted, most).is_none() {
            return failed(NGX_HTTP_INTERNAL_SERVER_ERROR);
        }
        let connection = (*raw).connection;
        let buf = &mut *(*raw).header_in;
        let room = buf.end.offset_from_unsigned(buf.last).min(wanted);
        let Some(recv) = (*connection).recv else { return failed(NGX_HTTP_INTERNAL_SERVER_ERROR) };
        let read = recv(connection, buf.last, room);
        if read > 0 {
            buf.last = buf.last.add(read as usize);
            return Ok(());
        }
        if read != NGX_AGAIN as isize {
            // As `ngx_http_do_read_client_request_body` does: the client has closed, or the connection broke.
            (*connection).set_error(1);
            return failed(NGX_HTTP_BAD_REQUEST);
        }
        let event = (*connection).read;
        let core: Option<&ngx_http_core_loc_conf_t> =
            slot((*raw).loc_conf, &raw const ngx_http_core_module);
        if let Some(core) = core {
            ngx_add_timer(event, core.client_body_timeout);
        }
        if ngx_handle_read_event(event, 0) != NGX_OK as ngx_int_t {
            return failed(NGX_HTTP_INTERNAL_SERVER_ERROR);
        }
        (*raw).read_event_handler = Some(more);
        Err(Look::Waiting(NGX_AGAIN as ngx_int_t))
    }
}

/// There is more to read, or the time is over.
unsafe extern "C" fn more(raw: *mut ngx_http_request_t) {
    guard((), || {
        // SAFETY: NGINX calls with a live request, which nobody touches after it was finalised.
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

/// Answers `Expect: 100-continue`, once, before a body is waited for (`ngx_http_test_expect`).
///
/// # Safety
/// `raw` is a live HTTP/1.x request.
unsafe fn expects_continue(raw: *mut ngx_http_request_t) -> Result<(), ()> {
    // SAFETY: as the caller says; the header is null or one of this request.
    unsafe {
        let Some(expect) = known((*raw).headers_in.expect) else { return Ok(()) };
        if (*raw).expect_tested() != 0 || (*raw).http_version < HTTP_11 {
            return Ok(());
        }
        (*raw).set_expect_tested(1);
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

/// Makes room in `header_in`: once, another buffer of the connection takes its place, as for headers that are too
/// long for the first (`ngx_http_alloc_large_header_buffer`). NGINX frees it, or uses it for the next request.
///
/// # Safety
/// `raw` is a live HTTP/1.x request whose headers were read.
unsafe fn enlarge(raw: *mut ngx_http_request_t, wanted: usize, most: usize) -> Option<()> {
    // SAFETY: as the caller says. What is behind `pos` is copied; headers stay in the buffer before, which lives as
    // long as the request.
    unsafe {
        let buf = &*(*raw).header_in;
        if buf.end > buf.last && buf.end.offset_from_unsigned(buf.last) >= wanted.min(most) {
            return Some(());
        }
        let core: &ngx_http_core_srv_conf_t =
            slot((*raw).srv_conf, &raw const ngx_http_core_module)?;
        let len = buf.last.offset_from_unsigned(buf.pos);
        let size = (len + most).max(core.large_client_header_buffers.size);
        let pool = (*(*raw).connection).pool;
        let larger = ngx_create_temp_buf(pool, size).as_mut()?;
        let link = ngx_alloc_chain_link(pool).as_mut()?;
        std::ptr::copy_nonoverlapping(buf.pos, larger.last, len);
        larger.last = larger.last.add(len);
        let connection = (*raw).http_connection.as_mut()?;
        link.buf = larger;
        link.next = connection.busy;
        connection.busy = link;
        connection.nbusy += 1;
        (*raw).header_in = larger;
        Some(())
    }
}
