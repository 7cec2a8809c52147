//! Reading request bodies: in the access phase, and for a content handler.

use ngx::ffi::{
    NGX_DECLINED, NGX_DONE, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_HTTP_SPECIAL_RESPONSE,
    ngx_http_core_run_phases, ngx_http_finalize_request, ngx_http_read_client_request_body,
    ngx_http_request_t, ngx_int_t,
};

use super::body_file;
use super::catch_unwind::catch_unwind_ffi;
use super::request::Request;
use super::request_bits as bits;

/// Starts reading the body; [`Prereader::read`] is called once it is complete, before the phases run again. Returns
/// what the access handler has to return.
///
/// Follows `ngx_http_mirror_handler`: reading takes a reference that `ngx_http_finalize_request(NGX_DONE)` releases,
/// which may free the request. Nothing may be borrowed from the request across this call.
pub fn preread<P: Prereader>(r: Request<'_>) -> ngx_int_t {
    let raw = r.as_ptr();
    body_file::suit_any_handler(r);
    // SAFETY: access phase of a main request whose body is unread.
    unsafe {
        let rc = ngx_http_read_client_request_body(raw, Some(done::<P>));
        if rc >= NGX_HTTP_SPECIAL_RESPONSE as ngx_int_t {
            return rc;
        }
        ngx_http_finalize_request(raw, NGX_DONE as ngx_int_t);
    }
    NGX_DONE as ngx_int_t
}

/// Called once the body has been read.
pub trait Prereader {
    /// The body of `r` is complete, in `request_body`.
    fn read(r: Request<'_>);
}

/// Neutral return value of an access handler: the next handler decides.
pub const DECLINED: ngx_int_t = NGX_DECLINED as ngx_int_t;

unsafe extern "C" fn done<P: Prereader>(raw: *mut ngx_http_request_t) {
    // SAFETY: NGINX passes the live request whose body was read.
    unsafe {
        catch_unwind_ffi((), || P::read(Request::from_raw(raw)));
        bits::set_preserve_body(raw, 1);
        (*raw).write_event_handler = Some(ngx_http_core_run_phases);
        ngx_http_core_run_phases(raw);
    }
}

/// The body is being read, has been read or is being discarded: reading it now would call back at once
/// (`ngx_http_read_client_request_body`).
pub fn is_taken(r: Request<'_>) -> bool {
    // SAFETY: alive for the handler.
    unsafe { !(*r.as_ptr()).request_body.is_null() || bits::discard_body(r.as_ptr()) != 0 }
}

/// A content handler that needs the whole body.
pub trait BodyReader {
    /// Called once the body is complete; `None` if it exceeds [`Self::LIMIT`] or its file cannot be read. Returns what
    /// a content handler returns.
    fn handle(r: Request<'_>, body: Option<Vec<u8>>) -> ngx_int_t;
    /// Maximum body length in bytes.
    const LIMIT: usize;
}

/// Reads the request body from a content handler, then calls `B`. Returns what the content handler has to return.
pub fn read<B: BodyReader>(r: Request<'_>) -> ngx_int_t {
    // SAFETY: content phase of a main request. `answer` releases the reference that reading takes, by finalizing.
    let rc = unsafe { ngx_http_read_client_request_body(r.as_ptr(), Some(answer::<B>)) };
    if rc >= NGX_HTTP_SPECIAL_RESPONSE as ngx_int_t { rc } else { NGX_DONE as ngx_int_t }
}

unsafe extern "C" fn answer<B: BodyReader>(raw: *mut ngx_http_request_t) {
    // SAFETY: NGINX passes the live request whose body was read; it is not touched after finalization.
    unsafe {
        let rc = catch_unwind_ffi(NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t, || {
            B::handle(Request::from_raw(raw), collect(raw, B::LIMIT))
        });
        ngx_http_finalize_request(raw, rc);
    }
}

/// Copies the body from memory and from its temporary file. `None` if it exceeds `limit` or a read fails.
unsafe fn collect(raw: *mut ngx_http_request_t, limit: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    // SAFETY: `bufs` is a null-terminated chain of the request; a buffer in a file has its `file` set.
    unsafe {
        let Some(taken) = (*raw).request_body.as_ref() else { return Some(body) };
        let mut link = taken.bufs;
        while let Some(chain) = link.as_ref() {
            let buf = &*chain.buf;
            let from = body.len();
            if buf.in_file() != 0 && buf.temporary() == 0 && buf.memory() == 0 {
                let len = usize::try_from(buf.file_last - buf.file_pos).ok()?;
                if from + len > limit {
                    return None;
                }
                body.resize(from + len, 0);
                let read = libc::pread(
                    (*buf.file).fd,
                    body[from..].as_mut_ptr().cast(),
                    len,
                    buf.file_pos,
                );
                if read != len as isize {
                    return None;
                }
            } else if buf.last > buf.pos {
                let len = buf.last.offset_from_unsigned(buf.pos);
                if from + len > limit {
                    return None;
                }
                body.extend_from_slice(std::slice::from_raw_parts(buf.pos, len));
            }
            link = chain.next;
        }
    }
    Some(body)
}
