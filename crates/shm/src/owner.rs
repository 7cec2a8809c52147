//! Who may hold a lock, and the proof that it is dead.
//!
//! A worker is known by its `ngx_process_slot` and by how many processes had that slot before it
//! (its epoch). NGINX gives a slot away again only after `waitpid` (`ngx_reap_children`,
//! `ngx_spawn_process`): a slot whose epoch has moved on is a proof of death that no reuse of process
//! ids can spoil. Until then `kill(pid, 0)` tells.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::lock::Patience;

/// Process slots (`NGX_MAX_PROCESSES`).
pub const MAX_SLOTS: u16 = 1024;

const SLOT_BITS: u32 = MAX_SLOTS.trailing_zeros();
const EPOCH_MAX: u32 = (1 << (32 - SLOT_BITS)) - 1;

/// Busy waits before the waiter yields its CPU: a critical section is shorter.
const SPINS: u32 = 64;

/// Slot and epoch in one word that is never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token(pub(crate) u32);

impl Token {
    fn new(slot: u16, epoch: u32) -> Self {
        Self(epoch << SLOT_BITS | u32::from(slot % MAX_SLOTS))
    }

    /// The slot in [`Owner`]s' order.
    pub(crate) fn slot(self) -> u16 {
        (self.0 & (u32::from(MAX_SLOTS) - 1)) as u16
    }

    fn epoch(self) -> u32 {
        self.0 >> SLOT_BITS
    }
}

/// The life in a slot: epoch and process id, in one word so that they never disagree. 0: none yet.
#[repr(transparent)]
pub(crate) struct Life(AtomicU64);

impl Life {
    /// A new process takes the slot. `slot` is this one's number.
    pub(crate) fn begin(&self, slot: u16, pid: u32) -> Token {
        let epoch = match (self.0.load(Ordering::Acquire) >> 32) as u32 {
            EPOCH_MAX.. => 1,
            epoch => epoch + 1,
        };
        self.0.store(u64::from(epoch) << 32 | u64::from(pid), Ordering::Release);
        Token::new(slot, epoch)
    }

    /// Whether the process behind `token`, which is of this slot, is known to be dead. With `ask`,
    /// the kernel is asked too.
    pub(crate) fn is_over(&self, token: Token, ask: bool) -> bool {
        let life = self.0.load(Ordering::Acquire);
        (life >> 32) as u32 != token.epoch() || (ask && !process_exists(life as u32))
    }
}

/// Whether a process of that id exists, whoever's it is.
pub(super) fn process_exists(pid: u32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: signal 0 sends nothing; kill(2) takes no pointers.
    let sent = unsafe { libc::kill(pid, 0) } == 0;
    // EPERM: it exists and is somebody else's.
    sent || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// Waits [`SPINS`] pauses, then yields until `limit` has passed.
pub(crate) struct Waiter<F> {
    spins: u32,
    until: Option<Instant>,
    limit: Duration,
    life_of: F,
}

impl<'a, F: Fn(u16) -> Option<&'a Life>> Waiter<F> {
    /// `life_of` finds the life in a slot.
    #[inline]
    pub(crate) fn new(limit: Duration, life_of: F) -> Self {
        Self { spins: 0, until: None, limit, life_of }
    }

    /// Whether the process behind `token` is dead, as far as the kernel knows.
    pub(crate) fn surely_dead(mut self, token: u32) -> bool {
        self.spins = SPINS;
        self.is_dead(token)
    }
}

impl<'a, F: Fn(u16) -> Option<&'a Life>> Patience for Waiter<F> {
    fn wait(&mut self) -> bool {
        if self.spins < SPINS {
            self.spins += 1;
            std::hint::spin_loop();
            return true;
        }
        std::thread::yield_now();
        let now = Instant::now();
        now < *self.until.get_or_insert(now + self.limit)
    }

    fn is_dead(&mut self, token: u32) -> bool {
        let token = Token(token);
        // The kernel is asked only once the holder has been slow: a system call costs more than
        // most waits.
        let ask = self.spins >= SPINS;
        (self.life_of)(token.slot()).is_some_and(|life| life.is_over(token, ask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_zero_and_knows_its_slot() {
        let life = Life(AtomicU64::new(0));
        assert_eq!(life.begin(0, 1).0, 1 << SLOT_BITS);
        life.0.store(u64::from(EPOCH_MAX) << 32, Ordering::Relaxed);
        let token = life.begin(MAX_SLOTS - 1, 1);
        assert_ne!(token.0, 0);
        assert_eq!((token.slot(), token.epoch()), (MAX_SLOTS - 1, 1));
    }

    #[test]
    fn the_next_life_of_a_slot_proves_the_death_of_the_last() {
        let life = Life(AtomicU64::new(0));
        let first = life.begin(3, std::process::id());
        assert!(!life.is_over(first, false));
        let second = life.begin(3, std::process::id());
        assert!(life.is_over(first, false));
        assert!(!life.is_over(second, false));
    }

    #[test]
    #[cfg(not(miri))] // no kill(2)
    fn the_kernel_knows_the_living() {
        let life = Life(AtomicU64::new(0));
        let token = life.begin(3, std::process::id());
        assert!(!life.is_over(token, true));
        let token = life.begin(3, i32::MAX as u32);
        assert!(life.is_over(token, true));
    }
}
