//! The filter chains: response headers, response body and request body.

use api_sessions_extract::Chunk;
use ngx::ffi::{
    NGX_ERROR, ngx_chain_t, ngx_http_request_t, ngx_http_top_body_filter,
    ngx_http_top_header_filter, ngx_http_top_request_body_filter, ngx_int_t,
};

use super::catch_unwind::catch_unwind_ffi;
use super::request::Request;

type Next = Option<unsafe extern "C" fn(*mut ngx_http_request_t, *mut ngx_chain_t) -> ngx_int_t>;

/// The next filters of each chain, stored as in NGINX's own modules: written by `postconfiguration` in the master,
/// read by the event loop of the processes forked from it.
static mut NEXT_BODY: Next = None;
static mut NEXT_REQUEST_BODY: Next = None;

type NextHeader = Option<unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t>;

/// As [`NEXT_BODY`].
static mut NEXT_HEADER: NextHeader = None;

/// Sees each response before its header is sent; may replace the response, but does not modify it.
pub trait HeaderObserver {
    /// Called before the header is sent. `Some` skips the remaining filters and is returned to NGINX.
    fn response_header(r: Request<'_>) -> Option<ngx_int_t>;
}

/// Puts the observer at the head of the header filter chain.
///
/// # Safety
/// As for [`install`].
pub unsafe fn install_header<O: HeaderObserver>() {
    // SAFETY: as for `install`.
    unsafe {
        NEXT_HEADER = ngx_http_top_header_filter;
        ngx_http_top_header_filter = Some(header::<O>);
    }
}

unsafe extern "C" fn header<O: HeaderObserver>(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: NGINX passes a live request.
    let replaced = catch_unwind_ffi(None, || unsafe { O::response_header(Request::from_raw(r)) });
    // SAFETY: calls the next filter with NGINX's own arguments.
    replaced
        .unwrap_or_else(|| unsafe { NEXT_HEADER.map_or(NGX_ERROR as ngx_int_t, |next| next(r)) })
}

/// Sees the body buffers that pass through the chains; modifies nothing.
pub trait Observer {
    /// Part of the response body, or its end.
    fn response_body(r: Request<'_>, chunks: Chunks<'_>);
    /// Part of the request body, or its end.
    fn request_body(r: Request<'_>, chunks: Chunks<'_>);
}

/// Puts the observer at the head of both body filter chains.
///
/// # Safety
/// Called from `postconfiguration`, once per configuration.
pub unsafe fn install<O: Observer>() {
    // SAFETY: one thread reads the configuration, and this process serves no request meanwhile. In single-process
    // mode NGINX rebuilds the chain from its end for each configuration.
    unsafe {
        NEXT_BODY = ngx_http_top_body_filter;
        ngx_http_top_body_filter = Some(body::<O>);
        NEXT_REQUEST_BODY = ngx_http_top_request_body_filter;
        ngx_http_top_request_body_filter = Some(request_body::<O>);
    }
}

unsafe extern "C" fn body<O: Observer>(
    r: *mut ngx_http_request_t,
    chain: *mut ngx_chain_t,
) -> ngx_int_t {
    // SAFETY: NGINX passes a live request and a chain that is valid for the call.
    catch_unwind_ffi((), || unsafe { O::response_body(Request::from_raw(r), Chunks::of(chain)) });
    // SAFETY: calls the next filter with NGINX's own arguments.
    unsafe { NEXT_BODY.map_or(NGX_ERROR as ngx_int_t, |next| next(r, chain)) }
}

unsafe extern "C" fn request_body<O: Observer>(
    r: *mut ngx_http_request_t,
    chain: *mut ngx_chain_t,
) -> ngx_int_t {
    // SAFETY: as above.
    catch_unwind_ffi((), || unsafe { O::request_body(Request::from_raw(r), Chunks::of(chain)) });
    // SAFETY: as above.
    unsafe { NEXT_REQUEST_BODY.map_or(NGX_ERROR as ngx_int_t, |next| next(r, chain)) }
}

/// The buffers of a chain.
pub struct Chunks<'c> {
    link: Option<&'c ngx_chain_t>,
}

impl Chunks<'_> {
    /// # Safety
    /// `chain` is null or a chain that is not changed while the iterator lives.
    pub unsafe fn of(chain: *const ngx_chain_t) -> Self {
        // SAFETY: the caller's contract.
        Self { link: unsafe { chain.as_ref() } }
    }
}

impl<'c> Iterator for Chunks<'c> {
    type Item = Chunk<'c>;

    fn next(&mut self) -> Option<Chunk<'c>> {
        let link = self.link?;
        // SAFETY: a chain is null-terminated; each link has a buffer.
        let buf = unsafe {
            self.link = link.next.as_ref();
            &*link.buf
        };
        let in_memory = buf.temporary() != 0 || buf.memory() != 0 || buf.mmap() != 0;
        let bytes = if in_memory && buf.last > buf.pos {
            // SAFETY: pos..last is the unread part of the buffer's memory.
            unsafe {
                let len = buf.last.offset_from_unsigned(buf.pos);
                std::slice::from_raw_parts(buf.pos, len)
            }
        } else {
            &[]
        };
        Some(Chunk {
            bytes,
            in_file: !in_memory && buf.in_file() != 0,
            last: buf.last_buf() != 0 || buf.last_in_chain() != 0,
        })
    }
}
