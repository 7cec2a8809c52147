//! A static that only the event loop touches.

use std::cell::UnsafeCell;

/// Process-wide state of the event-loop thread.
///
/// NGINX runs every handler, timer and process hook of a worker on one thread, so such a static needs
/// no lock. The exporter thread must never see it: it gets what it needs by value when it starts.
pub struct EventLoopCell<T>(UnsafeCell<Option<T>>);

// SAFETY: by the rule above only one thread of a process ever calls the methods; a fork copies the
// value to a process that has only that thread.
unsafe impl<T> Sync for EventLoopCell<T> {}

impl<T> EventLoopCell<T> {
    /// Without a value.
    pub const fn empty() -> Self {
        Self(UnsafeCell::new(None))
    }

    /// The value, once [`Self::set`].
    #[inline]
    pub fn get(&self) -> Option<&T> {
        // SAFETY: one thread; `set` and `take` are only called from process hooks, during which no
        // reference from `get` is alive (hooks run from the top of the event loop).
        unsafe { (*self.0.get()).as_ref() }
    }

    /// Called from `init_process` alone.
    pub fn set(&self, value: T) {
        // SAFETY: see `get`.
        unsafe { *self.0.get() = Some(value) }
    }

    /// Called from `exit_process` alone.
    pub fn take(&self) -> Option<T> {
        // SAFETY: see `get`.
        unsafe { (*self.0.get()).take() }
    }
}
