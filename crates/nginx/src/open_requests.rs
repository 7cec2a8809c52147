//! The requests that are under way in this worker, and how one of them is cut.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::ptr;

use ngx::ffi::{ngx_connection_t, ngx_http_request_t};

use super::request::Request;

/// A request's place in the list. It is part of the request's state, which stays where it is.
pub struct OpenLink {
    request: Cell<*mut ngx_http_request_t>,
    list: Cell<*const List>,
    before: Cell<*const OpenLink>,
    behind: Cell<*const OpenLink>,
}

/// RFC 9114, 8.1; what a stream of HTTP/2 is reset with, too.
#[cfg(nginx_feature = "http_v3")]
const H3_INTERNAL_ERROR: usize = 0x102;

/// What is done with a request that was looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// It goes on.
    Keep,
    /// It is cut.
    Cut,
}

struct List {
    first: Cell<*const OpenLink>,
    last: Cell<*const OpenLink>,
}

// SAFETY: a process's lists are touched by its event-loop thread alone, as `EventLoopCell`s are; a process
// inherits empty ones from the master.
unsafe impl Sync for List {}

/// Oldest first.
static OPEN: List = List::empty();
/// Those that are about to be cut: to cut one may end others, which then leave the list by themselves.
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
    /// The request is open until the link is dropped.
    ///
    /// # Safety
    /// The link is dropped before `request` is freed, and does not move until then. Event-loop thread only.
    #[inline]
    pub(super) unsafe fn open(&self, request: *mut ngx_http_request_t) {
        self.request.set(request);
        // SAFETY: as the caller says.
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
    /// As [`OpenLink::open`]; the link is in no list.
    unsafe fn push(&self, link: &OpenLink) {
        let last = self.last.replace(link);
        link.list.set(self);
        link.before.set(last);
        link.behind.set(ptr::null());
        // SAFETY: what is in a list is alive, since it leaves the list when it is dropped.
        match unsafe { last.as_ref() } {
            Some(last) => last.behind.set(link),
            None => self.first.set(link),
        }
    }

    /// Takes a link out of its list, if it is in one.
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

/// Whether a request is under way.
pub fn is_any() -> bool {
    !OPEN.first.get().is_null()
}

/// Looks at each request that is under way, the oldest first, until `look` breaks.
pub fn each(mut look: impl FnMut(Request<'_>) -> ControlFlow<()>) {
    let mut at = OPEN.first.get();
    // SAFETY: what is in the list is alive; to look at a request ends none.
    while let Some(link) = unsafe { at.as_ref() } {
        // SAFETY: as above.
        if look(unsafe { Request::from_raw(link.request.get()) }).is_break() {
            return;
        }
        at = link.behind.get();
    }
}

/// Looks at each request that is under way, then cuts those that are to be.
pub fn cut_each(mut look: impl FnMut(Request<'_>) -> Then) {
    let mut at = OPEN.first.get();
    // SAFETY: what is in a list is alive; to look at a request ends none, and to cut one takes those that it
    // ends out of their list.
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

/// Ends a request at once, on the way that NGINX takes where the client has gone: whatever the request waits
/// for, NGINX is prepared for that. A connection of HTTP/1 is shut down; of HTTP/2 and HTTP/3, that one stream is
/// reset.
///
/// # Safety
/// A live request, from the top of the event loop.
unsafe fn cut(request: *mut ngx_http_request_t) {
    // SAFETY: as the caller says; a request has a connection.
    unsafe {
        let c = (*request).connection;
        #[cfg(nginx_feature = "http_v2")]
        if let Some(stream) = (*request).stream.as_ref() {
            // As `ngx_http_v2_state_rst_stream` does, but for the frame, which is to be sent.
            let whole = (*stream.connection).connection;
            (*c).set_error(1);
            run_handlers(c);
            ngx::ffi::ngx_post_event((*whole).write, &raw mut ngx::ffi::ngx_posted_events);
            return;
        }
        #[cfg(nginx_feature = "http_v3")]
        if !(*c).quic.is_null() {
            // At once, also where NGINX waits for the upstream.
            ngx::ffi::ngx_quic_reset_stream(c, H3_INTERNAL_ERROR);
            (*c).set_error(1);
            (*(*c).read).set_error(1);
            (*(*c).write).set_error(1);
            run_handlers(c);
            return;
        }
        // The events follow from the kernel.
        libc::shutdown((*c).fd, libc::SHUT_RDWR);
    }
}

/// Reading and writing fail now, which ends whatever waits for them (`ngx_http_request_handler`).
///
/// # Safety
/// As [`cut`], for the connection of a stream, which outlives its request.
unsafe fn run_handlers(c: *mut ngx_connection_t) {
    // SAFETY: as the caller says. `destroyed` is set with the end of the request.
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
