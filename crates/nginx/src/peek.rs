//! Inspecting the beginning of a request body in the access phase, without consuming it.
//!
//! The bytes stay where NGINX keeps body data that arrives before anything reads it: in `header_in` over HTTP/1.x and
//! HTTP/3 ([`header_in`]), in the stream's `preread` over HTTP/2 ([`http2`]). Whatever reads the body later
//! (`ngx_http_read_client_request_body`, `ngx_http_discard_request_body`) starts with them. So to a content handler
//! the body is unread, and it may still request a file or a single buffer.

mod body_look;
mod header_in;
#[cfg(nginx_feature = "http_v2")]
mod http2;

use ngx::ffi::{
    ngx_add_timer, ngx_del_timer, ngx_http_block_reading, ngx_http_core_loc_conf_t,
    ngx_http_core_module, ngx_http_request_t, ngx_int_t,
};

use super::request::{Request, slot};
pub use body_look::BodyLook;

/// HTTP/3 in `http_version`.
const HTTP_3: usize = 3000;

/// Consumes the beginning of a body and says how much more to read.
pub trait Looker {
    /// Takes the next bytes as they came from the connection, with their framing.
    fn look(&mut self, bytes: &[u8]);
    /// Bytes that may be read next; all of them belong to this body. 0 ends the inspection.
    fn wanted(&self) -> usize;
    /// The body ends after the bytes seen so far.
    fn end(&mut self);
    /// Everything of interest has been seen.
    fn is_enough(&self) -> bool;
    /// Bytes taken so far.
    fn seen(&self) -> usize;
    /// Maximum number of bytes to take.
    fn most(&self) -> usize;
}

/// The outcome of [`look`].
pub enum Look {
    /// Enough was seen.
    Done,
    /// More is needed than can be inspected in place: the body has to be read.
    Short,
    /// The client has not sent enough; the phases run again when more arrives. Holds the access handler's return value.
    Waiting(ngx_int_t),
    /// The request has failed. Holds the access handler's return value.
    Failed(ngx_int_t),
}

/// The framing of the bytes that a [`Looker`] takes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// HTTP/1.x: none, or chunked.
    Http1,
    /// HTTP/2: none, since NGINX has removed the frames.
    Http2,
    /// HTTP/3 frames.
    Http3,
}

/// The framing of the body of `r`.
pub fn framing(r: Request<'_>) -> Framing {
    // SAFETY: alive for the handler.
    unsafe {
        match (*r.as_ptr()).http_version {
            _ if !(*r.as_ptr()).stream.is_null() => Framing::Http2,
            version if version >= HTTP_3 => Framing::Http3,
            _ => Framing::Http1,
        }
    }
}

/// Passes the received part of the body to `looker`, and reads on while it wants more.
pub fn look<L: Looker>(r: Request<'_>, looker: &mut L) -> Look {
    // SAFETY: access phase of a live main request whose body is unread.
    unsafe {
        match framing(r) {
            #[cfg(nginx_feature = "http_v2")]
            Framing::Http2 => http2::look(r.as_ptr(), looker),
            #[cfg(not(nginx_feature = "http_v2"))]
            Framing::Http2 => Look::Short,
            Framing::Http1 => header_in::look(r.as_ptr(), looker, false),
            Framing::Http3 => header_in::look(r.as_ptr(), looker, true),
        }
    }
}

/// Ends the inspection: stops waiting for the client.
///
/// # Safety
/// `raw` is a live request.
unsafe fn over<L: Looker>(raw: *mut ngx_http_request_t, looker: &L) -> Look {
    // SAFETY: a request always has a connection with a read event.
    unsafe {
        let event = (*(*raw).connection).read;
        if (*event).timer_set() != 0 {
            ngx_del_timer(event);
        }
        (*raw).read_event_handler = Some(ngx_http_block_reading);
    }
    if looker.is_enough() { Look::Done } else { Look::Short }
}

/// Starts the timer that gives the client `client_body_timeout` to send more.
///
/// # Safety
/// `raw` is a live request.
unsafe fn limit_wait(raw: *mut ngx_http_request_t) {
    // SAFETY: as in `over`.
    unsafe {
        let core: Option<&ngx_http_core_loc_conf_t> =
            slot((*raw).loc_conf, &raw const ngx_http_core_module);
        if let Some(core) = core {
            ngx_add_timer((*(*raw).connection).read, core.client_body_timeout);
        }
    }
}
