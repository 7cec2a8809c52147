//! Worker processes that a test starts and kills.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Kills per test: hundreds, or thousands with `API_SESSIONS_FULL=1`.
pub(super) fn deaths() -> usize {
    if std::env::var_os("API_SESSIONS_FULL").is_some() { 6000 } else { 400 }
}

/// xorshift64*: one seed per process, no allocation.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

/// Runs `child` in a new process until it returns or is killed.
pub(super) fn start(child: impl FnOnce()) -> libc::pid_t {
    // SAFETY: the only lock that `child` can share with another thread of this process is the allocator's, which
    // fork(2) leaves consistent. The child skips exit handlers.
    unsafe {
        match libc::fork() {
            0 => {
                let failed = catch_unwind(AssertUnwindSafe(child)).is_err();
                libc::_exit(i32::from(failed));
            }
            pid => {
                assert!(pid > 0);
                pid
            }
        }
    }
}

/// Waits for the child. Returns whether it exited successfully.
pub(super) fn wait(pid: libc::pid_t) -> bool {
    let mut status = 0;
    // SAFETY: the pointer is to a local variable.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

/// Sends SIGKILL.
pub(super) fn kill(pid: libc::pid_t) {
    // SAFETY: a child that was not waited for, so the id is not reused.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGKILL) }, 0);
}

/// Runs `work(slot, seed)` in `slots` workers. Kills a random one and starts its successor, `deaths` times; then sets
/// `stop` and waits for all.
pub(super) fn torture(slots: u16, deaths: usize, stop: &AtomicU64, work: impl Fn(u16, u64)) {
    let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ u64::from(std::process::id()));
    let seed = std::cell::Cell::new(1u64);
    let begin = |slot: u16| {
        seed.set(seed.get() + 1);
        let seed = seed.get().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        start(|| work(slot, seed))
    };
    let mut pids: Vec<_> = (0..slots).map(begin).collect();
    for _ in 0..deaths {
        thread::sleep(Duration::from_micros(random.below(1500)));
        let slot = random.below(u64::from(slots)) as u16;
        let pid = &mut pids[usize::from(slot)];
        kill(*pid);
        // A master may be slow: the worker stays a zombie for a while, then its slot stays empty for a while.
        thread::sleep(Duration::from_micros(random.below(3) * random.below(400)));
        assert!(!wait(*pid), "a worker ended early");
        thread::sleep(Duration::from_micros(random.below(3) * random.below(400)));
        *pid = begin(slot);
    }
    stop.store(1, Ordering::Release);
    for pid in pids {
        assert!(wait(pid), "a worker failed");
    }
}
