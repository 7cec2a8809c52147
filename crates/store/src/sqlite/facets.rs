//! How often each value occurs in a day part: entries of [`Index::Facets`], summed when they are read
//! and when runs are merged.

use rusqlite::Connection;

use super::runs::{self, Entry, Index};
use crate::session_days::{Kind, MAX_VALUES};

/// Stands for all values beyond [`MAX_VALUES`]. They are still found by a filter. It sorts after
/// every string.
pub(super) const OTHER: u64 = (1 << 44) - 1;

/// A value as [`Entry::b`].
pub(super) fn value(kind: u8, string: u64) -> u64 {
    string << 4 | u64::from(kind & 15)
}

/// The entry of one occurrence.
pub(super) fn entry(part: i64, kind: Kind, string: i64) -> Entry {
    Entry { a: part as u64, b: value(kind as u8, string as u64), c: 1 }
}

/// A count: kind, string, how often.
pub(super) type Count = (u8, u64, u64);

/// Counts of a part, by kind and string.
pub(super) fn of_part(connection: &Connection, part: i64) -> rusqlite::Result<Vec<Count>> {
    let runs = runs::load(connection, Index::Facets)?;
    let mut entries = runs::of(connection, &runs, part as u64)?;
    entries.sort_unstable();
    let mut counts = Vec::new();
    for entry in Summed::new(entries.into_iter().map(Ok)) {
        let entry = entry?;
        counts.push(((entry.b & 15) as u8, entry.b >> 4, entry.c));
    }
    counts.sort_unstable();
    Ok(counts)
}

/// Entries with the counts of equal values added. Of each kind a part keeps the [`MAX_VALUES`] values
/// that the day saw first (their strings have the least numbers); the others are one count. Whatever
/// is merged first, it comes to the same.
pub(super) struct Summed<I> {
    entries: I,
    /// Not given yet: more of the same may come.
    open: Option<Entry>,
    values: [usize; 16],
    others: [u64; 16],
    /// The next of `others` to be given, where the part is over.
    giving: Option<usize>,
    next: Option<Entry>,
}

impl<I: Iterator<Item = rusqlite::Result<Entry>>> Summed<I> {
    /// `entries` come in order.
    pub(super) fn new(entries: I) -> Summed<I> {
        Summed { entries, open: None, values: [0; 16], others: [0; 16], giving: None, next: None }
    }

    /// What counts together for others of its kind.
    fn take_other(&mut self, part: u64) -> Option<Entry> {
        while let Some(kind) = self.giving.filter(|kind| *kind < 16) {
            self.giving = Some(kind + 1);
            let count = self.others.get_mut(kind).map(std::mem::take).unwrap_or_default();
            if count > 0 {
                return Some(Entry { a: part, b: value(kind as u8, OTHER), c: count });
            }
        }
        self.giving = None;
        self.values = [0; 16];
        None
    }
}

impl<I: Iterator<Item = rusqlite::Result<Entry>>> Iterator for Summed<I> {
    type Item = rusqlite::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.giving.is_some() {
                let part = self.open.map(|open| open.a).unwrap_or_default();
                if let Some(other) = self.take_other(part) {
                    return Some(Ok(other));
                }
                self.open = self.next.take();
                self.open?;
            }
            let next = match self.entries.next() {
                Some(Ok(next)) => Some(next),
                Some(Err(error)) => return Some(Err(error)),
                None => None,
            };
            let Some(open) = self.open else {
                self.open = next;
                self.open?;
                continue;
            };
            match next {
                Some(next) if (next.a, next.b) == (open.a, open.b) => {
                    self.open = Some(Entry { c: open.c + next.c, ..open });
                    continue;
                }
                Some(next) if next.a == open.a => self.open = Some(next),
                next => {
                    // The part is over: its others are next, then this one.
                    self.next = next;
                    self.giving = Some(0);
                }
            }
            let kind = (open.b & 15) as usize;
            let known = self.values.get(kind).copied().unwrap_or_default();
            if open.b >> 4 == OTHER || known >= MAX_VALUES {
                if let Some(count) = self.others.get_mut(kind) {
                    *count += open.c;
                }
                continue;
            }
            if let Some(values) = self.values.get_mut(kind) {
                *values += 1;
            }
            return Some(Ok(open));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn summed(entries: Vec<Entry>) -> Vec<Entry> {
        Summed::new(entries.into_iter().map(Ok)).map(Result::unwrap).collect()
    }

    /// The same by maps.
    fn model(entries: &[Entry]) -> Vec<Entry> {
        let mut counts: BTreeMap<(u64, u64), BTreeMap<u64, u64>> = BTreeMap::new();
        for entry in entries {
            let values = counts.entry((entry.a, entry.b & 15)).or_default();
            *values.entry(entry.b >> 4).or_default() += entry.c;
        }
        let mut all = Vec::new();
        for ((a, kind), values) in counts {
            let mut other = 0;
            for (n, (string, c)) in values.into_iter().enumerate() {
                if n < MAX_VALUES && string != OTHER {
                    all.push(Entry { a, b: value(kind as u8, string), c });
                } else {
                    other += c;
                }
            }
            if other > 0 {
                all.push(Entry { a, b: value(kind as u8, OTHER), c: other });
            }
        }
        all.sort_unstable();
        all
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn sums_are_bounded_and_the_same_in_any_order(
            mut entries in prop::collection::vec(
                (1u64..4, 1u64..700, 1u8..4, 1u64..5)
                    .prop_map(|(a, string, kind, c)| Entry { a, b: value(kind, string), c }),
                0..4_000,
            ),
            cut in any::<prop::sample::Index>(),
        ) {
            let wanted = model(&entries);
            let (one, two) = entries.split_at(cut.index(entries.len() + 1));
            let mut halves = Vec::new();
            for half in [one, two] {
                let mut half = half.to_vec();
                half.sort_unstable();
                halves.extend(summed(half));
            }
            halves.sort_unstable();
            prop_assert_eq!(summed(halves), wanted.clone());
            entries.sort_unstable();
            prop_assert_eq!(summed(entries), wanted);
        }
    }
}
