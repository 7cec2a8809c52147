//! UTC days, the unit of retention.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds in a day.
pub const DAY_MS: u64 = 86_400_000;

/// A UTC day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub u32);

impl Day {
    /// The day that contains `ts` (ms since 1970).
    pub fn of(ts: u64) -> Day {
        Day(u32::try_from(ts / DAY_MS).unwrap_or(u32::MAX))
    }

    /// Its first millisecond, ms since 1970.
    pub fn start(self) -> u64 {
        u64::from(self.0) * DAY_MS
    }

    /// Parses `2026-11-23`.
    pub fn parse(text: &str) -> Option<Day> {
        crate::clock::parse_ms(&format!("{text}T00:00:00Z")).map(Day::of)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = crate::clock::rfc3339(self.start());
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_a_utc_day() {
        let day = Day::parse("2026-11-23").unwrap();
        assert_eq!(Day::of(day.start() + DAY_MS - 1), day);
        assert_eq!(day.to_string(), "2026-11-23");
        assert_eq!(Day::parse("2026-13-01"), None);
    }
}
