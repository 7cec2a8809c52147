//! No panic crosses into NGINX.
//!
//! Since Rust 1.81 a panic that reaches `extern "C"` aborts the worker, and with it every connection
//! it holds. A bug in telemetry must cost one record, not a thousand connections.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

static PANICS: AtomicU64 = AtomicU64::new(0);

/// Runs `body`; a panic inside it is counted and answered with `neutral`.
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
