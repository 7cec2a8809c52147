//! Threads beside the event loop.

use std::io;
use std::thread::JoinHandle;

use parking_lot::Mutex;

/// Niceness of helper threads above the event loop's: it goes first.
const NICE: libc::c_int = 5;

/// Starts a thread that no signal is delivered to, at the priority of the calling one.
///
/// `ngx_worker_process_init` empties the signal mask just before `init_process`, so a thread started
/// plainly could run `ngx_signal_handler`. All signals are blocked around the spawn (the thread
/// inherits the mask: no window), as `ngx_thread_pool_cycle` does; only faults stay unblocked.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
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
        let spawned = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        libc::pthread_sigmask(libc::SIG_SETMASK, &before, std::ptr::null_mut());
        spawned
    }
}

/// Lowers the priority of the calling thread, for good: it yields to the event loop.
pub fn yield_to_event_loop() {
    let thread = this_thread();
    set_niceness(thread, niceness_of(thread) + NICE);
}

/// Allows the workers' threads to return to the priority of the event loop after they have yielded to it
/// (`RLIMIT_NICE`): to that of `worker_priority`, and none beyond. For the master, whose limits workers
/// inherit; without `CAP_SYS_RESOURCE` nothing changes.
pub fn allow_return_to(worker_priority: libc::c_int) {
    // getrlimit(2): the limit is 20 - nice.
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

/// The priority of threads that yield to the event loop, together.
pub struct SharedPriority {
    /// Niceness of the event loop.
    base: libc::c_int,
    /// A thread that yielded may return to the priority of the event loop.
    may_return: bool,
    threads: Mutex<Threads>,
}

#[derive(Default)]
struct Threads {
    ids: Vec<libc::pid_t>,
    niceness: libc::c_int,
}

impl SharedPriority {
    /// To be called on a helper thread that has the priority of the event loop still.
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

    /// The calling thread has the priority of [`Self::set`] from now on. Where a thread could not return to that of
    /// the event loop, it keeps its own, or yields for good if it `may_wait`.
    pub fn join(&self, may_wait: bool) {
        if self.may_return {
            let mut threads = self.threads.lock();
            set_niceness(this_thread(), self.base + threads.niceness);
            threads.ids.push(this_thread());
        } else if may_wait {
            set_niceness(this_thread(), self.base + NICE);
        }
    }

    /// Niceness above that of the event loop.
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
    // SAFETY: no memory involved. -1 is a niceness, too; the calls fail for a thread that is gone alone.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, thread as libc::id_t) }
}

/// Whether the system (limits, seccomp) allows it.
fn set_niceness(thread: libc::pid_t, niceness: libc::c_int) -> bool {
    // SAFETY: no memory involved.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, thread as libc::id_t, niceness) == 0 }
}
