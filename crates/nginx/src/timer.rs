//! A timer of the event loop.

use std::ffi::c_void;

use ngx::ffi::{ngx_add_timer, ngx_connection_t, ngx_del_timer, ngx_event_t};

use super::catch_unwind::catch_unwind_ffi;
use super::process;

/// Runs a function after a delay, and again after the milliseconds it returns; `None` stops the timer. The timer is
/// cancelable, so it never keeps an exiting worker alive (`ngx_event_no_timers_left`).
pub struct Timer {
    /// A box freed on drop. NGINX keeps the addresses of the event and of its `data`, so it is accessed only through
    /// this pointer.
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
    /// An unset timer.
    pub fn new(run: fn() -> Option<usize>) -> Self {
        // SAFETY: both are plain C data whose initial state is all zeroes.
        let (connection, event) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
        let inner = Box::into_raw(Box::new(Inner { connection, event, run }));
        // SAFETY: allocated above and freed only by `drop`. `ngx_cycle` is valid in a worker.
        unsafe {
            (*inner).connection.fd = -1;
            (*inner).event.handler = Some(on_timer);
            (*inner).event.set_cancelable(1);
            (*inner).event.log = (*process::cycle()).log;
            (*inner).event.data = inner.cast::<c_void>();
        }
        Self { inner }
    }

    /// Sets the timer unless it is already set.
    #[inline]
    pub fn start(&self, after_ms: usize) {
        // SAFETY: the box of `new`; event-loop thread.
        unsafe {
            if (*self.inner).event.timer_set() == 0 {
                ngx_add_timer(&raw mut (*self.inner).event, after_ms);
            }
        }
    }

    /// The timer has been started and has not fired yet.
    #[inline]
    pub fn is_set(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.inner).event.timer_set() != 0 }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // SAFETY: the box of `new`, freed once. A set timer is first removed from NGINX's tree, on the event-loop
        // thread.
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
        // SAFETY: `data` is set in `new`; `drop` removes the timer before it frees the box.
        let run = unsafe { (*(*event).data.cast::<Inner>()).run };
        let again = run();
        // SAFETY: as above. The log is refreshed because in single-process mode a reload replaces its cycle.
        unsafe {
            (*event).log = (*process::cycle()).log;
            if let Some(after_ms) = again {
                ngx_add_timer(event, after_ms);
            }
        }
    });
}
