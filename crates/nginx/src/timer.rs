//! A timer of the event loop.

use std::ffi::c_void;

use ngx::ffi::{ngx_add_timer, ngx_connection_t, ngx_del_timer, ngx_event_t};

use super::catch_unwind::catch_unwind_ffi;
use super::process;

/// Runs a function after a time, and again after as many milliseconds as that returns. It is cancelable, so that
/// it never keeps an exiting worker alive (`ngx_event_no_timers_left`).
pub struct Timer {
    /// Of a box that is freed with the timer: NGINX keeps the addresses of the event and of its `data`, so
    /// it is only reached by pointers.
    inner: *mut Inner,
}

#[repr(C)]
struct Inner {
    /// `ngx_event_ident` reads `data` as a connection when debug logging is on.
    connection: ngx_connection_t,
    event: ngx_event_t,
    run: fn() -> Option<usize>,
}

impl Timer {
    /// A timer that is not set.
    pub fn new(run: fn() -> Option<usize>) -> Self {
        // SAFETY: both are plain C data for which all zeroes is the initial state.
        let (connection, event) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        let inner = Box::into_raw(Box::new(Inner { connection, event, run }));
        // SAFETY: just made, and freed only when the timer is dropped. `ngx_cycle` is valid in a worker.
        unsafe {
            (*inner).connection.fd = -1;
            (*inner).event.handler = Some(on_timer);
            (*inner).event.set_cancelable(1);
            (*inner).event.log = (*process::cycle()).log;
            (*inner).event.data = inner.cast::<c_void>();
        }
        Self { inner }
    }

    /// Sets it, unless it is set.
    #[inline]
    pub fn start(&self, after_ms: usize) {
        // SAFETY: the box of `new`; event-loop thread.
        unsafe {
            if (*self.inner).event.timer_set() == 0 {
                ngx_add_timer(&raw mut (*self.inner).event, after_ms);
            }
        }
    }

    /// It has been started, and has not run since.
    #[inline]
    pub fn is_set(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.inner).event.timer_set() != 0 }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the box of `new`, once; if the timer is set it is in NGINX's tree, and this is the
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
    catch_unwind_ffi((), || {
        // SAFETY: set in `new`; the box outlives the timer.
        let run = unsafe { (*(*event).data.cast::<Inner>()).run };
        let again = run();
        // SAFETY: as above. In single-process mode the log belongs to a cycle that a reload replaces.
        unsafe {
            (*event).log = (*process::cycle()).log;
            if let Some(after_ms) = again {
                ngx_add_timer(event, after_ms);
            }
        }
    });
}
