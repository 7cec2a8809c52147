//! How urgent the exporter's work is: the fuller a ring, the higher the priority of the export threads and the shorter
//! their sleep.

use std::sync::Arc;
use std::time::Duration;

/// Niceness above the event loop's while rings are nearly empty.
const LOWEST: u8 = 5;
/// Longest sleep. The event loop never wakes the exporter, which costs it nothing while asleep.
const LONGEST: Duration = Duration::from_millis(50);

/// What a thread does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadRole {
    /// It empties the rings into the uplink or the spool.
    Exporter,
    /// It compresses and posts.
    Uplink,
}

/// The scheduling priority of a worker's export threads.
pub trait ThreadPriority: Send + Sync {
    /// From now on, [`ThreadPriority::set`] applies to the calling thread.
    fn join(&self, role: ThreadRole);

    /// Sets the niceness, relative to the event loop's, of all threads that joined. If the system does not allow a
    /// thread to return to the event loop's priority, each keeps the one that `join` gave it.
    fn set(&self, niceness: u8);
}

/// Threads keep the priority they have.
impl ThreadPriority for () {
    fn join(&self, _: ThreadRole) {}
    fn set(&self, _: u8) {}
}

/// How full the fullest ring is, in tenths of its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Pressure(u8);

impl Pressure {
    /// From this pressure on, a ring cannot wait for the uplink.
    const FULL: Self = Self(5);

    pub(super) fn of(waiting: usize, capacity: usize) -> Self {
        Self((waiting.saturating_mul(10) / capacity.max(1)).min(10) as u8)
    }

    /// Whether records have to be spooled if the uplink does not take them at once.
    pub(super) fn is_high(self) -> bool {
        self >= Self::FULL
    }

    /// Niceness above the event loop's: none once the ring is half full.
    pub(super) fn niceness(self) -> u8 {
        LOWEST.saturating_sub(self.0)
    }

    /// How long the exporter may sleep while there is work it could do: not at all once the ring is half full.
    pub(super) fn pause(self) -> Duration {
        match self.0 {
            0 => LONGEST,
            1 => LONGEST / 2,
            2 => LONGEST / 5,
            3 => LONGEST / 10,
            4 => LONGEST / 50,
            _ => Duration::ZERO,
        }
    }

    /// How long to wait for a response if nothing else can be done; the response itself ends the wait.
    pub(super) fn longest_pause() -> Duration {
        LONGEST
    }
}

/// The current priority.
pub(super) struct Priority {
    threads: Arc<dyn ThreadPriority>,
    niceness: u8,
}

impl Priority {
    /// For the calling thread and those that join `threads`.
    pub(super) fn new(threads: Arc<dyn ThreadPriority>) -> Self {
        threads.join(ThreadRole::Exporter);
        threads.set(LOWEST);
        Self { threads, niceness: LOWEST }
    }

    pub(super) fn follow(&mut self, pressure: Pressure) {
        let niceness = pressure.niceness();
        if niceness != self.niceness {
            self.niceness = niceness;
            self.threads.set(niceness);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fuller_a_ring_the_higher_the_priority_and_the_shorter_the_sleep() {
        let all: Vec<_> = (0..=100).map(|used| Pressure::of(used, 100)).collect();
        assert_eq!((all[0].niceness(), all[0].pause()), (LOWEST, LONGEST));
        for pair in all.windows(2) {
            assert!(pair[1].niceness() <= pair[0].niceness() && pair[1].pause() <= pair[0].pause());
        }
        for (used, pressure) in all.iter().enumerate() {
            assert_eq!(pressure.is_high(), used >= 50);
            assert_eq!(pressure.niceness() == 0, used >= 50);
            assert_eq!(pressure.pause().is_zero(), used >= 50);
        }
    }

    #[test]
    fn any_ring_has_a_pressure() {
        assert_eq!(Pressure::of(usize::MAX, 1), Pressure(10));
        assert_eq!(Pressure::of(0, 0), Pressure(0));
    }
}
