//! Which parts have a value: a set for [`SPAN`] parts a row. What nearly all parts have is a few rows a
//! day; what one part has is one small row.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

/// Parts that one row speaks of.
const SPAN: i64 = 4_096;

/// Words of a row's bits.
pub(super) const WORDS: usize = SPAN as usize / 64;

/// First byte of a row: numbers of two bytes follow, or words of 64 bits.
const LIST: u8 = 0;
const BITS: u8 = 1;

/// The bits of a row.
pub(super) type Bits = [u64; WORDS];

fn set(bits: &mut Bits, at: usize) {
    if let Some(word) = bits.get_mut(at / 64) {
        *word |= 1 << (at % 64);
    }
}

/// Numbers of the bits of words that are set.
pub(super) fn ones(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(n, word)| {
        let mut word = *word;
        std::iter::from_fn(move || {
            let bit = (word != 0).then(|| word.trailing_zeros() as usize)?;
            word &= word - 1;
            Some(n * 64 + bit)
        })
    })
}

/// The shorter of the two forms.
fn encode(bits: &Bits) -> Vec<u8> {
    let words = bits.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
    let count: u32 = bits.iter().map(|word| word.count_ones()).sum();
    let mut out = Vec::with_capacity(1 + 8 * words);
    if count as usize * 2 <= words * 8 {
        out.push(LIST);
        ones(bits).for_each(|at| out.extend((at as u16).to_le_bytes()));
    } else {
        out.push(BITS);
        bits.iter().take(words).for_each(|word| out.extend(word.to_le_bytes()));
    }
    out
}

/// Adds what [`encode`] wrote.
fn decode(bytes: &[u8], bits: &mut Bits) {
    match bytes.split_first() {
        Some((&LIST, list)) => {
            for at in list.chunks_exact(2).filter_map(|at| at.try_into().ok()) {
                set(bits, usize::from(u16::from_le_bytes(at)));
            }
        }
        Some((&BITS, words)) => {
            let words = words.chunks_exact(8).filter_map(|word| word.try_into().ok());
            bits.iter_mut().zip(words).for_each(|(bits, word)| *bits |= u64::from_le_bytes(word));
        }
        _ => {}
    }
}

/// What a transaction adds: by kind, string and row.
#[derive(Default)]
pub(super) struct Added(BTreeMap<(u8, i64, i64), Vec<u16>>);

impl Added {
    /// The part has the value.
    pub(super) fn add(&mut self, kind: u8, string: i64, part: i64) {
        let at = u16::try_from(part % SPAN).unwrap_or_default();
        self.0.entry((kind, string, part / SPAN)).or_default().push(at);
    }

    /// Writes it.
    pub(super) fn save(self, connection: &Connection) -> rusqlite::Result<()> {
        let mut find = connection.prepare_cached(
            "SELECT parts FROM posting WHERE kind = ? AND string = ? AND span = ?",
        )?;
        let mut replace = connection.prepare_cached("REPLACE INTO posting VALUES (?, ?, ?, ?)")?;
        for ((kind, string, span), parts) in self.0 {
            let mut bits = [0; WORDS];
            find.query_row(params![kind, string, span], |row| {
                decode(row.get_ref(0)?.as_blob().unwrap_or_default(), &mut bits);
                Ok(())
            })
            .optional()?;
            let before = bits;
            parts.into_iter().for_each(|at| set(&mut bits, usize::from(at)));
            if bits != before {
                replace.execute(params![kind, string, span, encode(&bits)])?;
            }
        }
        Ok(())
    }
}

/// Calls `take` with each row of a value: the number of its first word, its bits.
pub(super) fn read(
    connection: &Connection,
    kind: u8,
    string: i64,
    mut take: impl FnMut(usize, &Bits),
) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("SELECT span, parts FROM posting WHERE kind = ? AND string = ?")?;
    let mut rows = statement.query(params![kind, string])?;
    while let Some(row) = rows.next()? {
        let mut bits = [0; WORDS];
        decode(row.get_ref(1)?.as_blob().unwrap_or_default(), &mut bits);
        take(usize::try_from(row.get::<_, i64>(0)?).unwrap_or_default() * WORDS, &bits);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::schema;
    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn sets_hold_what_was_added(
            commits in prop::collection::vec(
                prop::collection::vec(
                    (1u8..3, 1i64..3, prop_oneof![1i64..10, 1i64..20_000, 4_000i64..4_800]),
                    0..400,
                ),
                1..6,
            ),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let connection = schema::open(&dir.path().join("day-2026-11-23.db"), schema::DAY).unwrap();
            let mut model: BTreeSet<(u8, i64, i64)> = BTreeSet::new();
            for commit in commits {
                let mut added = Added::default();
                for (kind, string, part) in commit {
                    added.add(kind, string, part);
                    model.insert((kind, string, part));
                }
                added.save(&connection).unwrap();
            }
            for (kind, string) in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1)] {
                let mut found = Vec::new();
                read(&connection, kind, string, |first, bits| {
                    found.extend(ones(bits).map(|at| (first * 64 + at) as i64));
                })
                .unwrap();
                let wanted: Vec<_> = model
                    .iter()
                    .filter(|entry| (entry.0, entry.1) == (kind, string))
                    .map(|entry| entry.2)
                    .collect();
                prop_assert_eq!(found, wanted);
            }
        }

        #[test]
        fn damaged_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            decode(&bytes, &mut [0; WORDS]);
        }
    }
}
