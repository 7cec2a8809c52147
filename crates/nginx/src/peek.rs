//! Looking at the beginning of a request body in the access phase.
//!
//! The bytes stay where NGINX itself leaves what has come before anybody reads: in `header_in` over HTTP/1.x and
//! HTTP/3 ([`header_in`]), in the stream's `preread` over HTTP/2 ([`http2`]). Whatever reads the body afterwards
//! (`ngx_http_read_client_request_body`, `ngx_http_discard_request_body`) begins with them, so a content handler
//! finds the request as if nobody had looked: with its own wishes for a file or one buffer, and unread from there
//! on.

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

/// HTTP/3 as `http_version` has it.
const HTTP_3: usize = 3000;

/// What the body that is looked at still needs.
pub trait Looker {
    /// Takes the next bytes of the body as they came from the connection.
    fn look(&mut self, bytes: &[u8]);
    /// So many bytes may be read: all of them belong to this body. 0: no more is looked at.
    fn wanted(&self) -> usize;
    /// The body ends behind what was seen.
    fn end(&mut self);
    /// All was seen that is to be.
    fn is_enough(&self) -> bool;
    /// How many bytes it has taken.
    fn seen(&self) -> usize;
    /// Most bytes that are looked at.
    fn most(&self) -> usize;
}

/// How a look ended.
pub enum Look {
    /// Enough was seen.
    Done,
    /// More is to be seen than can be looked at: the body has to be read.
    Short,
    /// The client has not sent enough; the phases run again when there is more. What the access handler returns.
    Waiting(ngx_int_t),
    /// The request is over; what the access handler returns.
    Failed(ngx_int_t),
}

/// How the bytes that a look sees are framed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// HTTP/1.x: bare, or in chunks.
    Http1,
    /// HTTP/2: bare. NGINX has taken the frames off.
    Http2,
    /// In frames of HTTP/3.
    Http3,
}

/// How the body of this request comes.
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

/// Shows `looker` what has come of the body, and reads on as long as it wants more.
pub fn look<L: Looker>(r: Request<'_>, looker: &mut L) -> Look {
    // SAFETY: access phase of a live main request whose body nobody has read.
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

/// No more is looked at.
///
/// # Safety
/// `raw` is a live request.
unsafe fn over<L: Looker>(raw: *mut ngx_http_request_t, looker: &L) -> Look {
    // SAFETY: a request has a connection with a read event.
    unsafe {
        let event = (*(*raw).connection).read;
        if (*event).timer_set() != 0 {
            ngx_del_timer(event);
        }
        (*raw).read_event_handler = Some(ngx_http_block_reading);
    }
    if looker.is_enough() { Look::Done } else { Look::Short }
}

/// The client has `client_body_timeout` to send more.
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
