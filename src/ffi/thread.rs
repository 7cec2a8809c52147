//! Threads beside the event loop.

use std::io;
use std::thread::JoinHandle;

/// Niceness added to helper threads: the event loop goes first.
const NICE: libc::c_int = 5;

/// Starts a thread that no signal is delivered to and that yields to the event loop.
///
/// `ngx_worker_process_init` empties the signal mask just before `init_process`, so a thread started
/// plainly could run `ngx_signal_handler`. All signals are blocked around the spawn (the thread
/// inherits the mask: no window), as `ngx_thread_pool_cycle` does; only faults stay unblocked.
pub(crate) fn spawn(
    name: &str,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    // SAFETY: plain libc calls on local, initialised sets; the old mask is restored in every case.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        for fault in [libc::SIGILL, libc::SIGFPE, libc::SIGSEGV, libc::SIGBUS] {
            libc::sigdelset(&mut all, fault);
        }
        if libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before) != 0 {
            return Err(io::Error::last_os_error());
        }
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            lower_priority();
            body();
        });
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        spawned
    }
}

/// On Linux, niceness is a property of a thread: who = 0 is the calling one.
fn lower_priority() {
    // SAFETY: no memory involved; a refusal (seccomp) leaves the priority as it was.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
    }
}
