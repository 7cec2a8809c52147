//! The standing verdict: two bad windows make it bad, a day of good windows makes it good again.

use serde::{Deserialize, Serialize};

use super::verdict::Verdict;

/// Bad windows in a row that make the standing verdict bad.
pub const BAD_WINDOWS: u32 = 2;
/// Good windows that make a bad verdict good again, without a bad one in between: 24 hours of 10 minutes
/// each.
pub const CLEAN_WINDOWS: u32 = 144;

/// A standing verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Standing {
    /// The verdict.
    pub verdict: Verdict,
    /// Start of the window since which it stands, milliseconds since 1970.
    pub since: u64,
    bad: u32,
    clean: u32,
}

impl Standing {
    /// A bad verdict that stands since a window.
    pub fn demoted(verdict: Verdict, since: u64) -> Self {
        Self { verdict, since, bad: BAD_WINDOWS, clean: 0 }
    }

    /// Adds the verdict of a window. Windows with too little traffic change nothing.
    pub fn add(&mut self, window: u64, verdict: Verdict) {
        match verdict {
            Verdict::TooLittle => return,
            Verdict::Good => {
                self.bad = 0;
                self.clean = self.clean.saturating_add(1);
            }
            Verdict::Volatile | Verdict::Shared => {
                self.clean = 0;
                self.bad = self.bad.saturating_add(1);
            }
        }
        let next = match self.verdict {
            _ if self.bad >= BAD_WINDOWS => verdict,
            standing if standing.is_bad() && self.clean >= CLEAN_WINDOWS => Verdict::Good,
            standing if standing.is_bad() || self.bad > 0 => standing,
            _ => Verdict::Good,
        };
        if next != self.verdict {
            self.verdict = next;
            self.since = window;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Verdict::{Good, Shared, TooLittle, Volatile};

    fn after(windows: &[(Verdict, u32)]) -> Standing {
        let mut standing = Standing::default();
        let each = windows.iter().flat_map(|(verdict, times)| (0..*times).map(|_| *verdict));
        for (window, verdict) in each.enumerate() {
            standing.add(window as u64, verdict);
        }
        standing
    }

    #[test]
    fn two_bad_windows_demote_and_144_clean_ones_return() {
        for (windows, verdict, since) in [
            (&[][..], TooLittle, 0),
            (&[(TooLittle, 500)], TooLittle, 0),
            (&[(Good, 1)], Good, 0),
            (&[(Good, 3), (Shared, 1)], Good, 0),
            (&[(Good, 3), (Shared, 1), (Good, 1), (Shared, 1)], Good, 0),
            (&[(Shared, 1), (TooLittle, 9), (Shared, 1)], Shared, 10),
            (&[(Good, 3), (Shared, 2)], Shared, 4),
            (&[(Good, 3), (Shared, 1), (Volatile, 1)], Volatile, 4),
            (&[(Shared, 2), (Good, 143)], Shared, 1),
            (&[(Shared, 2), (Good, 143), (TooLittle, 50), (Good, 1)], Good, 195),
            (&[(Shared, 2), (Good, 143), (Shared, 1), (Good, 143)], Shared, 1),
            (&[(Shared, 2), (Good, 144), (Shared, 1)], Good, 145),
            (&[(Shared, 2), (Good, 144), (Shared, 2)], Shared, 147),
        ] {
            let standing = after(windows);
            assert_eq!((standing.verdict, standing.since), (verdict, since), "{windows:?}");
        }
    }

    proptest! {
        #[test]
        fn a_verdict_is_bad_only_after_two_bad_windows_within_the_last_clean_day(
            windows in proptest::collection::vec(
                prop_oneof![6 => Just(Good), 1 => Just(Shared), 1 => Just(Volatile), 2 => Just(TooLittle)],
                0..600,
            )
        ) {
            let mut standing = Standing::default();
            // The model skips windows with too little traffic.
            let mut said: Vec<Verdict> = Vec::new();
            for (at, verdict) in windows.iter().enumerate() {
                standing.add(at as u64, *verdict);
                said.extend((*verdict != TooLittle).then_some(*verdict));
                let pair = said.windows(2).rposition(|pair| pair.iter().all(|it| it.is_bad()));
                let is_bad = pair.is_some_and(|pair| {
                    let behind = &said[pair + 2..];
                    !behind.split(|it| it.is_bad()).any(|run| run.len() >= CLEAN_WINDOWS as usize)
                });
                prop_assert_eq!(standing.verdict.is_bad(), is_bad);
            }
        }
    }
}
