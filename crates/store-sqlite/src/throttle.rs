//! Logs a recurring error at most once a minute.

use std::time::{Duration, Instant};

/// Interval between two lines.
const PAUSE: Duration = Duration::from_secs(60);

/// When the error was last logged, and how often it was suppressed since.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    told: Option<Instant>,
    left_out: u64,
}

impl Throttle {
    /// `Some`: log now, with the number of suppressed repetitions.
    pub(super) fn tell(&mut self, now: Instant) -> Option<u64> {
        if self.told.is_some_and(|told| now.duration_since(told) < PAUSE) {
            self.left_out += 1;
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_out_is_counted() {
        let mut seldom = Throttle::default();
        let start = Instant::now();
        let told = [0, 1, 59, 60, 61, 200].map(|s| seldom.tell(start + Duration::from_secs(s)));
        assert_eq!(told, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
