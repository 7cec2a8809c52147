//! `limit:RATE`: limits a subject that is over a rule's threshold.

use crate::limits::MAX_RATE_REQUESTS;
use crate::{RuleError, Words, units};

/// Requests per time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Interval between two requests, microseconds.
    interval_us: u64,
}

impl Rate {
    pub(crate) fn parse(text: &str, word: &str) -> Result<Self, RuleError> {
        let parsed = text.split_once("r/").and_then(|(requests, unit)| {
            let requests =
                units::number(requests).filter(|n| (1..=MAX_RATE_REQUESTS).contains(n))?;
            let second = match unit {
                "s" => 1_000_000,
                "m" => 60_000_000,
                "h" => 3_600_000_000u64,
                _ => return None,
            };
            Some(Self { interval_us: second / requests })
        });
        parsed.ok_or_else(|| {
            RuleError::invalid(
                "parameter",
                word,
                "a rate as in \"limit:10r/s\", \"limit:30r/m\" or \"limit:100r/h\"",
            )
        })
    }

    /// Takes a request at `now_ms` if the rate allows it. Otherwise, the error is the time until it does,
    /// milliseconds.
    pub(crate) fn take(self, words: &mut Words, now_ms: u64) -> Result<(), u64> {
        let now_us = now_ms.saturating_mul(1000);
        let next_us = &mut words[0];
        // A clock that was set back by more than the interval must not refuse requests for long.
        if *next_us > now_us && *next_us - now_us <= self.interval_us {
            return Err((*next_us - now_us).div_ceil(1000));
        }
        // Times are whole milliseconds, so allow for a millisecond that was lost to rounding.
        *next_us = (*next_us).max(now_us.saturating_sub(1000)) + self.interval_us;
        if *next_us > now_us + self.interval_us {
            *next_us = now_us + self.interval_us;
        }
        Ok(())
    }
}
