//! `limit:RATE`: a subject that is over a rule's threshold gets so many requests a time.

use crate::{RuleError, Words, units};

/// Most requests of a rate.
const MAX_REQUESTS: u64 = 1_000_000;

/// Requests a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Between two requests, microseconds.
    interval_us: u64,
}

impl Rate {
    pub(crate) fn parse(text: &str, word: &str) -> Result<Self, RuleError> {
        let parsed = text.split_once("r/").and_then(|(requests, unit)| {
            let requests = units::number(requests).filter(|n| (1..=MAX_REQUESTS).contains(n))?;
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

    /// Takes a request at `now_ms`, if the rate allows it. Otherwise milliseconds until it does.
    pub(crate) fn take(self, words: &mut Words, now_ms: u64) -> Result<(), u64> {
        let now_us = now_ms.saturating_mul(1000);
        let next_us = &mut words[0];
        // A clock that was set back by much does not refuse for long.
        if *next_us > now_us && *next_us - now_us <= self.interval_us {
            return Err((*next_us - now_us).div_ceil(1000));
        }
        // What was allowed up to a millisecond ago is not lost: times are whole milliseconds.
        *next_us = (*next_us).max(now_us.saturating_sub(1000)) + self.interval_us;
        if *next_us > now_us + self.interval_us {
            *next_us = now_us + self.interval_us;
        }
        Ok(())
    }
}
