//! Which process this is, and what time it is there.

use ngx::ffi;

/// The kinds of process in which the module does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessKind {
    /// A worker, forked from the master.
    Worker,
    /// `master_process off`.
    Single,
    /// Master, cache manager, cache loader, signaller: nothing runs there.
    Other,
}

/// The gate of `ngx_thread_pool_init_worker`: `init_process` also runs in the cache helpers.
pub fn kind() -> ProcessKind {
    // SAFETY: set before any module hook runs, by the only thread.
    match unsafe { ffi::ngx_process } as u32 {
        ffi::NGX_PROCESS_WORKER => ProcessKind::Worker,
        ffi::NGX_PROCESS_SINGLE => ProcessKind::Single,
        _ => ProcessKind::Other,
    }
}

/// `ngx_process_slot`: unique among the live children of a master, over generations of workers.
pub fn slot() -> u16 {
    // SAFETY: as above.
    u16::try_from(unsafe { ffi::ngx_process_slot }).unwrap_or(0)
}

/// The first worker of its generation, or the only process.
pub fn is_first_worker() -> bool {
    // SAFETY: as above. `ngx_worker` is 0 in the helpers too.
    kind() != ProcessKind::Other && unsafe { ffi::ngx_worker } == 0
}

/// The worker serves what it has and takes nothing new (`ngx_exiting`).
pub fn is_exiting() -> bool {
    // SAFETY: an integer that the event loop and its signal handling set.
    unsafe { ffi::ngx_exiting != 0 }
}

/// `ngx_pid`.
pub fn pid() -> u32 {
    // SAFETY: as above.
    unsafe { ffi::ngx_pid as u32 }
}

/// Milliseconds since 1970, as cached by NGINX for this turn of the event loop (`ngx_timeofday`).
pub fn now_ms() -> u64 {
    // SAFETY: `ngx_cached_time` always points into a static array; event-loop thread only.
    unsafe {
        let time = ffi::ngx_cached_time;
        (*time).sec as u64 * 1000 + (*time).msec as u64
    }
}

/// The cycle in force. In single-process mode it changes with each reload, so it is never cached.
pub fn cycle() -> *mut ffi::ngx_cycle_t {
    // SAFETY: set in main() before any module code runs.
    unsafe { ffi::ngx_cycle }
}
