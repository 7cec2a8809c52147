//! Growing, jittered pauses between attempts.

use std::time::Duration;

/// First pause.
const FIRST: Duration = Duration::from_millis(250);
/// Longest pause of the schedule itself.
const LONGEST: Duration = Duration::from_secs(30);
/// Longest pause that a server may ask for with `Retry-After`.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// Pauses double with each failure. Half of each pause is random, so that nodes do not retry in step.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn success(&mut self) {
        self.failures = 0;
    }

    /// Number of consecutive failures.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The pause after one more failure; at least what the server asked for, up to a limit.
    pub(crate) fn failure(&mut self, asked: Option<Duration>) -> Duration {
        let full = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let pause = full / 2 + full.mul_f64(random_share() / 2.0);
        asked.map_or(pause, |asked| pause.max(asked.min(LONGEST_ASKED)))
    }
}

/// A random number from 0 to 1.
fn random_share() -> f64 {
    let mut bytes = [0; 4];
    // Without random numbers the pauses merely lack jitter.
    let _ = getrandom::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_again_after_a_success() {
        let mut backoff = Backoff::default();
        let first = backoff.failure(None);
        assert!(first >= FIRST / 2 && first <= FIRST);
        let last = (0..40).map(|_| backoff.failure(None)).last().unwrap();
        assert!(last >= LONGEST / 2 && last <= LONGEST);
        backoff.success();
        assert!(backoff.failure(None) <= FIRST);
    }

    #[test]
    fn what_the_server_asks_for_is_honoured_within_a_bound() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.failure(Some(Duration::from_secs(60))), Duration::from_secs(60));
        assert_eq!(backoff.failure(Some(Duration::from_secs(1 << 40))), LONGEST_ASKED);
    }
}
