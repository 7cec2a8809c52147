//! Keeps panics from crossing into NGINX.
//!
//! Since Rust 1.81 a panic that reaches an `extern "C"` boundary aborts the process, here the worker with all its
//! connections. A bug in the module must cost one record, not a thousand connections.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Runs `body`; if it panics, counts the panic and returns `neutral`.
#[inline]
pub fn catch_unwind_ffi<T>(neutral: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        neutral
    })
}

/// Panics caught in this process since it started.
pub fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}
