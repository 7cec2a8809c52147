//! Helper threads beside the event loop.

use std::io;
use std::thread::JoinHandle;

use parking_lot::Mutex;

/// How much nicer helper threads are than the event loop.
const NICE: libc::c_int = 5;

/// Starts a thread with all signals blocked, at the priority of the calling thread.
///
/// `ngx_worker_process_init` empties the signal mask just before `init_process`, so an ordinary thread could run
/// `ngx_signal_handler`. As in `ngx_thread_pool_cycle`, only faults stay unblocked. The mask is set before the spawn
/// and inherited, so there is no window for a signal.
///
/// # Errors
/// The mask cannot be set, or the thread cannot be created.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    // SAFETY: plain libc calls on local, initialized sets; the old mask is always restored.
    unsafe {
        let mut all: libc::sigset_t = std::mem::zeroed();
        let mut before: libc::sigset_t = std::mem::zeroed();
        libc::sigfillset(&mut all);
        for fault in [libc::SIGILL, libc::SIGFPE, libc::SIGSEGV, libc::SIGBUS] {
            libc::sigdelset(&mut all, fault);
        }
        let error = libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before);
        if error != 0 {
            return Err(io::Error::from_raw_os_error(error));
        }
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        spawned
    }
}

/// Lowers the priority of the calling thread below that of the event loop, permanently.
pub fn yield_to_event_loop() {
    let thread = this_thread();
    set_niceness(thread, niceness_of(thread) + NICE);
}

/// Raises `RLIMIT_NICE` so that helper threads may return to the event loop's priority (`worker_priority`) after they
/// have lowered theirs, but no higher. Called in the master, whose limits workers inherit; has no effect without
/// `CAP_SYS_RESOURCE` unless the hard limit suffices.
pub fn allow_return_to(worker_priority: libc::c_int) {
    // getrlimit(2): the limit is expressed as 20 - nice.
    let wanted = 20 - worker_priority.clamp(-20, 19);
    let wanted = libc::rlim_t::try_from(wanted).unwrap_or(20);
    // SAFETY: plain libc calls on a local structure.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NICE, &mut limit) == 0 && limit.rlim_cur < wanted {
            limit.rlim_cur = wanted;
            limit.rlim_max = limit.rlim_max.max(wanted);
            libc::setrlimit(libc::RLIMIT_NICE, &limit);
        }
    }
}

/// The priority shared by the helper threads that have joined.
pub struct SharedPriority {
    /// Niceness of the event loop.
    base: libc::c_int,
    /// A thread may return to the event loop's priority after lowering its own.
    may_return: bool,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    ids: Vec<libc::pid_t>,
    niceness: libc::c_int,
}

impl SharedPriority {
    /// Called on a helper thread that still has the event loop's priority.
    pub fn of_event_loop() -> Self {
        let base = niceness_of(this_thread());
        let may_return = std::thread::scope(|scope| {
            let probe = std::thread::Builder::new().spawn_scoped(scope, move || {
                let thread = this_thread();
                set_niceness(thread, base + 1) && set_niceness(thread, base)
            });
            probe.is_ok_and(|probe| probe.join().unwrap_or(false))
        });
        Self { base, may_return, threads: Mutex::default() }
    }

    /// From now on, the calling thread follows the priority given to [`Self::set`]. If threads may not return to the
    /// event loop's priority, it keeps its own, or lowers it permanently if `may_wait`.
    pub fn join(&self, may_wait: bool) {
        if self.may_return {
            let mut threads = self.threads.lock();
            set_niceness(this_thread(), self.base + threads.niceness);
            threads.ids.push(this_thread());
        } else if may_wait {
            set_niceness(this_thread(), self.base + NICE);
        }
    }

    /// Sets the niceness of all joined threads, relative to that of the event loop.
    pub fn set(&self, niceness: u8) {
        let mut threads = self.threads.lock();
        threads.niceness = libc::c_int::from(niceness);
        for thread in &threads.ids {
            set_niceness(*thread, self.base + threads.niceness);
        }
    }
}

fn this_thread() -> libc::pid_t {
    // SAFETY: no memory involved.
    unsafe { libc::gettid() }
}

/// On Linux, niceness is a property of a thread (setpriority(2)).
fn niceness_of(thread: libc::pid_t) -> libc::c_int {
    // SAFETY: no memory involved. -1 is also a valid niceness; the call fails only for a thread that has ended.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, thread as libc::id_t) }
}

/// Returns whether the system (limits, seccomp) allowed it.
fn set_niceness(thread: libc::pid_t, niceness: libc::c_int) -> bool {
    // SAFETY: no memory involved.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, thread as libc::id_t, niceness) == 0 }
}
