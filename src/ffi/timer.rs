//! A repeating timer of the event loop.

use std::ffi::c_void;

use ngx::ffi::{ngx_add_timer, ngx_connection_t, ngx_del_timer, ngx_event_t, ngx_exiting};

use super::catch_unwind::guard;
use super::process;

/// Fires every `interval_ms` until dropped. It is cancelable, so that it never keeps an exiting worker
/// alive (`ngx_event_no_timers_left`).
pub(crate) struct Ticker {
    /// Of a box that is freed with the ticker: NGINX keeps the addresses of the event and of its `data`, so
    /// it is only reached by pointers.
    inner: *mut Inner,
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
        let inner = Box::into_raw(Box::new(Inner { connection, event, interval_ms, tick }));
        // SAFETY: just made, and freed only when the ticker is dropped, which removes the timer.
        // `ngx_cycle` is valid in a worker.
        unsafe {
            (*inner).connection.fd = -1;
            (*inner).event.handler = Some(on_timer);
            (*inner).event.set_cancelable(1);
            (*inner).event.log = (*process::cycle()).log;
            (*inner).event.data = inner.cast::<c_void>();
            ngx_add_timer(&raw mut (*inner).event, interval_ms);
        }
        Self { inner }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        // SAFETY: the box of `start`, once; if the timer is set it is in NGINX's tree, and this is the
        // event-loop thread.
        unsafe {
            if (*self.inner).event.timer_set() != 0 {
                ngx_del_timer(&raw mut (*self.inner).event);
            }
            drop(Box::from_raw(self.inner));
        }
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
