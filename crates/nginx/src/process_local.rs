//! Statics that only the event-loop thread uses.

use std::cell::UnsafeCell;

/// Process-wide state of the event-loop thread.
///
/// NGINX runs all handlers, timers and process hooks of a worker on one thread, so no lock is needed. The exporter
/// thread must never access it; it receives what it needs by value when it starts.
pub struct EventLoopCell<T>(UnsafeCell<Option<T>>);

// SAFETY: by the rule above, only one thread of a process calls the methods; a fork copies the value to a process that
// has only that thread.
unsafe impl<T> Sync for EventLoopCell<T> {}

impl<T> EventLoopCell<T> {
    /// An empty cell.
    pub const fn empty() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// The value; `None` before [`Self::set`].
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: one thread; `set` and `take` are only called from process hooks, during which no
        // reference from `get` is alive (hooks run from the top of the event loop).
        unsafe { (*self.0.get()).as_ref() }
    }

    /// Sets the value. Called only from `init_process`.
    pub fn set(&self, value: T) {
        // SAFETY: see `get`.
        unsafe { *self.0.get() = Some(value) }
    }

    /// Takes the value. Called only from `exit_process`.
    pub fn take(&self) -> Option<T> {
        // SAFETY: see `get`.
        unsafe { (*self.0.get()).take() }
    }
}
