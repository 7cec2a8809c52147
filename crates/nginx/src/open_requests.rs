//! The open requests of this worker, and aborting them.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::ptr;

use ngx::ffi::{ngx_connection_t, ngx_http_request_t};

use super::request::Request;

/// A request's link in the list, embedded in the request's state, which does not move.
pub struct OpenLink {
    request: Cell<*mut ngx_http_request_t>,
    list: Cell<*const List>,
    before: Cell<*const OpenLink>,
    behind: Cell<*const OpenLink>,
}

/// `H3_INTERNAL_ERROR` (RFC 9114, 8.1). NGINX resets aborted HTTP/2 streams with its counterpart, INTERNAL_ERROR.
#[cfg(nginx_feature = "http_v3")]
const H3_INTERNAL_ERROR: usize = 0x102;

/// What to do with a visited request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// Let it continue.
    Keep,
    /// Abort it.
    Cut,
}

struct List {
    first: Cell<*const OpenLink>,
    last: Cell<*const OpenLink>,
}

// SAFETY: only the event-loop thread of a process uses its lists, as with `EventLoopCell`; a process inherits empty
// lists from the master.
unsafe impl Sync for List {}

/// Open requests, oldest first.
static OPEN: List = List::empty();
/// Requests about to be aborted. Aborting one may end others, which remove themselves from the list.
static DOOMED: List = List::empty();

impl Default for OpenLink {
    fn default() -> Self {
        Self {
            request: Cell::new(ptr::null_mut()),
            list: Cell::new(ptr::null()),
            before: Cell::new(ptr::null()),
            behind: Cell::new(ptr::null()),
        }
    }
}

impl OpenLink {
    /// Adds the request to the open requests until the link is dropped.
    ///
    /// # Safety
    /// The link is dropped before `request` is freed, and does not move until then. Event-loop thread only.
    #[inline]
    pub(super) unsafe fn open(&self, request: *mut ngx_http_request_t) {
        self.request.set(request);
        // SAFETY: the caller's contract.
        unsafe { OPEN.push(self) };
    }
}

impl Drop for OpenLink {
    #[inline]
    fn drop(&mut self) {
        List::remove(self);
    }
}

impl List {
    const fn empty() -> Self {
        Self { first: Cell::new(ptr::null()), last: Cell::new(ptr::null()) }
    }

    /// # Safety
    /// As for [`OpenLink::open`]; the link is in no list.
    unsafe fn push(&self, link: &OpenLink) {
        let last = self.last.replace(link);
        link.list.set(self);
        link.before.set(last);
        link.behind.set(ptr::null());
        // SAFETY: a link in a list is alive, since dropping it removes it.
        match unsafe { last.as_ref() } {
            Some(last) => last.behind.set(link),
            None => self.first.set(link),
        }
    }

    /// Removes a link from its list, if it is in one.
    fn remove(link: &OpenLink) {
        // SAFETY: as in `push`; lists are statics.
        unsafe {
            let Some(list) = link.list.replace(ptr::null()).as_ref() else { return };
            let (before, behind) = (link.before.get(), link.behind.get());
            match before.as_ref() {
                Some(before) => before.behind.set(behind),
                None => list.first.set(behind),
            }
            match behind.as_ref() {
                Some(behind) => behind.before.set(before),
                None => list.last.set(before),
            }
        }
    }
}

/// Whether any request is open.
pub fn is_any() -> bool {
    !OPEN.first.get().is_null()
}

/// Visits each open request, oldest first, until `look` breaks.
pub fn each(mut look: impl FnMut(Request<'_>) -> ControlFlow<()>) {
    let mut at = OPEN.first.get();
    // SAFETY: links in the list are alive; visiting a request ends none.
    while let Some(link) = unsafe { at.as_ref() } {
        // SAFETY: as above.
        if look(unsafe { Request::from_raw(link.request.get()) }).is_break() {
            return;
        }
        at = link.behind.get();
    }
}

/// Visits each open request, then aborts those for which `look` returned [`Then::Cut`].
pub fn cut_each(mut look: impl FnMut(Request<'_>) -> Then) {
    let mut at = OPEN.first.get();
    // SAFETY: links in a list are alive. Visiting a request ends none; requests that end because another is aborted
    // remove themselves from their list.
    unsafe {
        while let Some(link) = at.as_ref() {
            at = link.behind.get();
            if look(Request::from_raw(link.request.get())) == Then::Cut {
                List::remove(link);
                DOOMED.push(link);
            }
        }
        while let Some(link) = DOOMED.first.get().as_ref() {
            List::remove(link);
            OPEN.push(link);
            cut(link.request.get());
        }
    }
}

/// Aborts a request as NGINX does when the client disconnects, which works whatever the request waits for. Shuts down
/// an HTTP/1.x connection; resets only the stream over HTTP/2 and HTTP/3.
///
/// # Safety
/// A live request, from the top of the event loop.
unsafe fn cut(request: *mut ngx_http_request_t) {
    // SAFETY: the caller's contract; a request always has a connection.
    unsafe {
        let c = (*request).connection;
        #[cfg(nginx_feature = "http_v2")]
        if let Some(stream) = (*request).stream.as_ref() {
            // As in `ngx_http_v2_state_rst_stream`, but the RST_STREAM frame has yet to be sent, hence the write event.
            let whole = (*stream.connection).connection;
            (*c).set_error(1);
            run_handlers(c);
            ngx::ffi::ngx_post_event((*whole).write, &raw mut ngx::ffi::ngx_posted_events);
            return;
        }
        #[cfg(nginx_feature = "http_v3")]
        if !(*c).quic.is_null() {
            // Resets at once, even while NGINX waits for the upstream.
            ngx::ffi::ngx_quic_reset_stream(c, H3_INTERNAL_ERROR);
            (*c).set_error(1);
            (*(*c).read).set_error(1);
            (*(*c).write).set_error(1);
            run_handlers(c);
            return;
        }
        // The kernel then reports the events.
        libc::shutdown((*c).fd, libc::SHUT_RDWR);
    }
}

/// Runs the event handlers of a connection in error, which ends whatever waits for it (`ngx_http_request_handler`).
///
/// # Safety
/// As for [`cut`]; the connection of a stream, which outlives its request.
unsafe fn run_handlers(c: *mut ngx_connection_t) {
    // SAFETY: the caller's contract. `destroyed` is set when the request ends.
    unsafe {
        for event in [(*c).read, (*c).write] {
            if (*c).destroyed() == 0
                && let Some(handler) = (*event).handler
            {
                handler(event);
            }
        }
    }
}
