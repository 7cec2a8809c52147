//! The current NGINX process: its kind, its state and its cached time.

use ngx::ffi;

/// Kinds of NGINX processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessKind {
    /// A worker forked from the master.
    Worker,
    /// `master_process off`.
    Single,
    /// Master, cache manager, cache loader or signaller: the module is idle there.
    Other,
}

/// The same check as in `ngx_thread_pool_init_worker`: `init_process` also runs in the cache helpers.
pub fn kind() -> ProcessKind {
    // SAFETY: set by the only thread before any module hook runs.
    match unsafe { ffi::ngx_process } as u32 {
        ffi::NGX_PROCESS_WORKER => ProcessKind::Worker,
        ffi::NGX_PROCESS_SINGLE => ProcessKind::Single,
        _ => ProcessKind::Other,
    }
}

/// `ngx_process_slot`: unique among the live children of a master, across generations of workers.
pub fn slot() -> u16 {
    // SAFETY: as above.
    u16::try_from(unsafe { ffi::ngx_process_slot }).unwrap_or(0)
}

/// The first worker of its generation, or the single process.
pub fn is_first_worker() -> bool {
    // SAFETY: as above. `ngx_worker` is 0 in the helpers too.
    kind() != ProcessKind::Other && unsafe { ffi::ngx_worker } == 0
}

/// The worker is shutting down gracefully: it finishes open requests and accepts no connections (`ngx_exiting`).
pub fn is_exiting() -> bool {
    // SAFETY: an integer that only the event loop sets.
    unsafe { ffi::ngx_exiting != 0 }
}

/// `ngx_pid`.
pub fn pid() -> u32 {
    // SAFETY: as above.
    unsafe { ffi::ngx_pid as u32 }
}

/// Unix time in milliseconds, cached by NGINX once per event-loop iteration (`ngx_timeofday`).
pub fn now_ms() -> u64 {
    // SAFETY: `ngx_cached_time` always points into a static array; event-loop thread only.
    unsafe {
        let time = ffi::ngx_cached_time;
        (*time).sec as u64 * 1000 + (*time).msec as u64
    }
}

/// The active cycle (`ngx_cycle`). In single-process mode each reload replaces it, so callers must not cache it.
pub fn cycle() -> *mut ffi::ngx_cycle_t {
    // SAFETY: set in main() before any module code runs.
    unsafe { ffi::ngx_cycle }
}
