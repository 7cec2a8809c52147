//! A repeating timer of the event loop.

use std::ffi::c_void;
use std::ptr;

use ngx::ffi::{ngx_add_timer, ngx_connection_t, ngx_del_timer, ngx_event_t, ngx_exiting};

use super::guard::guard;
use super::process;

/// Fires every `interval_ms` until dropped. It is cancelable, so that it never keeps an exiting worker
/// alive (`ngx_event_no_timers_left`).
pub(crate) struct Ticker {
    // Boxed: NGINX keeps the addresses of the event and of its `data`.
    inner: Box<Inner>,
}

#[repr(C)]
struct Inner {
    /// `ngx_event_ident` reads `data` as a connection when debug logging is on.
    connection: ngx_connection_t,
    event: ngx_event_t,
    interval_ms: usize,
    tick: fn(),
}

impl Ticker {
    pub(crate) fn start(interval_ms: usize, tick: fn()) -> Self {
        // SAFETY: both are plain C data for which all zeroes is the initial state.
        let (connection, event) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        let mut inner = Box::new(Inner { connection, event, interval_ms, tick });
        inner.connection.fd = -1;
        inner.event.handler = Some(on_timer);
        inner.event.set_cancelable(1);
        // SAFETY: `ngx_cycle` is valid in a worker.
        inner.event.log = unsafe { (*process::cycle()).log };
        let raw: *mut Inner = &mut *inner;
        inner.event.data = raw.cast::<c_void>();
        // SAFETY: the event lives in the box until the ticker is dropped, which removes the timer.
        unsafe { ngx_add_timer(&raw mut (*raw).event, interval_ms) };
        Self { inner }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        if self.inner.event.timer_set() != 0 {
            // SAFETY: the timer is in NGINX's tree, and this is the event-loop thread.
            unsafe { ngx_del_timer(&mut self.inner.event) };
        }
        self.inner.event.data = ptr::null_mut();
    }
}

extern "C" fn on_timer(event: *mut ngx_event_t) {
    guard((), || {
        // SAFETY: set in `start`; the box outlives the timer.
        let (tick, interval) = unsafe {
            let inner = (*event).data.cast::<Inner>();
            ((*inner).tick, (*inner).interval_ms)
        };
        tick();
        // SAFETY: as above. In single-process mode the log belongs to a cycle that a reload replaces.
        unsafe {
            (*event).log = (*process::cycle()).log;
            if ngx_exiting == 0 {
                ngx_add_timer(event, interval);
            }
        }
    });
}
