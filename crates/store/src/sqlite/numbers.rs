//! The numbers of a day's parts, [`PARTS`] parts a row: a list reads them all, a commit changes those
//! of the sessions it has requests of, and both cost a row for many parts instead of one each.
//!
//! Beside them, in rows of their own since they do not change, the keys of the parts' sessions.

use std::collections::HashMap;

use ahash::RandomState;
use rusqlite::{Connection, OptionalExtension, params};

use super::body::{number, read_number, unhex};
use crate::DAY_MS;

/// Parts in a row. With more, a commit writes more that did not change; with fewer, it writes more rows.
pub(super) const PARTS: i64 = 128;

/// Rows a writer keeps decoded.
const KNOWN: usize = 1_024;

/// What orders sessions and says which parts are of one session: the 16 bytes of an id of 32 hex
/// digits, a hash of an id of another form.
pub(super) type SessionKey = [u8; 16];

/// The key of a session.
pub(super) fn session_key(session: &str) -> SessionKey {
    unhex(session).unwrap_or_else(|| {
        let mut key = [0; 16];
        let hash = blake3::hash(session.as_bytes());
        key.iter_mut().zip(hash.as_bytes()).for_each(|(to, from)| *to = *from);
        key
    })
}

/// Numbers of a part. Times are in ms of its day; strings are numbers of the day's strings, 0 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Numbers {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) requests: u64,
    pub(super) attacks: u64,
    pub(super) denied: u64,
    /// Its session has parts on other days too.
    pub(super) several_days: bool,
    pub(super) user: u64,
    pub(super) role: u64,
    pub(super) key: u64,
    pub(super) source: u64,
}

impl Numbers {
    fn put(&self, out: &mut Vec<u8>) {
        number(out, self.requests << 1 | u64::from(self.several_days));
        if self.requests == 0 && !self.several_days {
            return;
        }
        for n in [
            self.first,
            self.last.wrapping_sub(self.first),
            self.attacks,
            self.denied,
            self.user,
            self.role,
            self.key,
            self.source,
        ] {
            number(out, n);
        }
    }

    fn read(input: &mut &[u8]) -> Option<Numbers> {
        let requests = read_number(input)?;
        if requests == 0 {
            return Some(Numbers::default());
        }
        let first = read_number(input)?;
        Some(Numbers {
            first,
            last: first.wrapping_add(read_number(input)?),
            requests: requests >> 1,
            several_days: requests & 1 == 1,
            attacks: read_number(input)?,
            denied: read_number(input)?,
            user: read_number(input)?,
            role: read_number(input)?,
            key: read_number(input)?,
            source: read_number(input)?,
        })
    }
}

/// Milliseconds since its day began.
pub(super) fn of_day(ts: u64) -> u64 {
    ts % DAY_MS
}

/// The row a part is in, and its place there.
pub(super) fn place(part: i64) -> (i64, usize) {
    (part / PARTS, usize::try_from(part % PARTS).unwrap_or_default())
}

/// Reads a row; damaged bytes end it.
pub(super) fn decode(mut bytes: &[u8]) -> Vec<Numbers> {
    let input = &mut bytes;
    let mut row = Vec::with_capacity(PARTS as usize);
    while row.len() < PARTS as usize
        && let Some(numbers) = Numbers::read(input)
    {
        row.push(numbers);
    }
    row
}

fn encode(row: &[Numbers], out: &mut Vec<u8>) {
    out.clear();
    row.iter().for_each(|numbers| numbers.put(out));
}

/// The row `id`; empty where there is none.
pub(super) fn load(connection: &Connection, id: i64) -> rusqlite::Result<Vec<Numbers>> {
    Ok(connection
        .prepare_cached("SELECT numbers FROM part_numbers WHERE id = ?")?
        .query_row([id], |row| Ok(decode(row.get_ref(0)?.as_blob().unwrap_or_default())))
        .optional()?
        .unwrap_or_default())
}

/// The numbers of one part.
pub(super) fn of_part(connection: &Connection, part: i64) -> rusqlite::Result<Option<Numbers>> {
    let (row, at) = place(part);
    Ok(load(connection, row)?.get(at).copied())
}

/// Keys of the sessions of the parts in row `id`.
pub(super) fn keys(connection: &Connection, id: i64) -> rusqlite::Result<Vec<SessionKey>> {
    Ok(connection
        .prepare_cached("SELECT keys FROM part_keys WHERE id = ?")?
        .query_row([id], |row| {
            let bytes = row.get_ref(0)?.as_blob().unwrap_or_default();
            Ok(bytes.chunks_exact(16).filter_map(|key| key.try_into().ok()).collect())
        })
        .optional()?
        .unwrap_or_default())
}

#[derive(Default)]
struct Row {
    numbers: Vec<Numbers>,
    changed: bool,
    /// Keys of parts that are new in it.
    keys: Vec<(usize, SessionKey)>,
}

/// The rows of a day that is written.
#[derive(Default)]
pub(super) struct Rows {
    rows: HashMap<i64, Row, RandomState>,
}

impl Rows {
    /// The numbers of a part, to be changed.
    pub(super) fn part(
        &mut self,
        connection: &Connection,
        part: i64,
    ) -> rusqlite::Result<&mut Numbers> {
        let (id, at) = place(part);
        let row = self.row(connection, id)?;
        row.changed = true;
        if row.numbers.len() <= at {
            row.numbers.resize(at + 1, Numbers::default());
        }
        // It is there: see above.
        row.numbers.get_mut(at).ok_or(rusqlite::Error::InvalidQuery)
    }

    /// A new part of a session.
    pub(super) fn create(
        &mut self,
        connection: &Connection,
        part: i64,
        key: SessionKey,
    ) -> rusqlite::Result<()> {
        let (id, at) = place(part);
        self.row(connection, id)?.keys.push((at, key));
        Ok(())
    }

    fn row(&mut self, connection: &Connection, id: i64) -> rusqlite::Result<&mut Row> {
        use std::collections::hash_map::Entry;
        Ok(match self.rows.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Row {
                numbers: load(connection, id)?,
                changed: false,
                keys: Vec::new(),
            }),
        })
    }

    /// Forgets the row of a part, which another connection has changed.
    pub(super) fn forget(&mut self, part: i64) {
        self.rows.remove(&place(part).0);
    }

    /// Writes what has changed.
    pub(super) fn save(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut changed: Vec<_> =
            self.rows.iter_mut().filter(|(_, row)| row.changed || !row.keys.is_empty()).collect();
        changed.sort_unstable_by_key(|(id, _)| **id);
        let mut bytes = Vec::with_capacity(4096);
        for (id, row) in changed {
            encode(&row.numbers, &mut bytes);
            connection
                .prepare_cached("REPLACE INTO part_numbers VALUES (?, ?)")?
                .execute(params![id, bytes])?;
            row.changed = false;
            if row.keys.is_empty() {
                continue;
            }
            let mut all = keys(connection, *id)?;
            for (at, key) in row.keys.drain(..) {
                if all.len() <= at {
                    all.resize(at + 1, SessionKey::default());
                }
                if let Some(place) = all.get_mut(at) {
                    *place = key;
                }
            }
            connection
                .prepare_cached("REPLACE INTO part_keys VALUES (?, ?)")?
                .execute(params![id, all.concat()])?;
        }
        if self.rows.len() > KNOWN {
            self.rows.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::schema;
    use super::*;

    fn numbers() -> impl Strategy<Value = Numbers> {
        let small = || prop_oneof![0u64..3, 0u64..1 << 40];
        (0..DAY_MS, 0..DAY_MS, 1..u64::MAX >> 1, any::<bool>(), (small(), small(), small()))
            .prop_map(|(first, last, requests, several_days, (attacks, user, key))| Numbers {
                first: first.min(last),
                last: first.max(last),
                requests,
                attacks,
                denied: user,
                several_days,
                user,
                role: attacks,
                key,
                source: key & 3,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn rows_hold_what_was_set(
            commits in prop::collection::vec(prop::collection::vec((1i64..400, numbers()), 1..40), 1..8),
        ) {
            let dir = tempfile::tempdir().unwrap();
            let connection = schema::open(&dir.path().join("day-2026-11-23.db"), schema::DAY).unwrap();
            let (mut rows, mut model) = (Rows::default(), BTreeMap::new());
            for (n, commit) in commits.into_iter().enumerate() {
                for (part, numbers) in commit {
                    let key = session_key(&format!("session {part}"));
                    if model.insert(part, numbers).is_none() {
                        rows.create(&connection, part, key).unwrap();
                    }
                    *rows.part(&connection, part).unwrap() = numbers;
                }
                rows.save(&connection).unwrap();
                if n % 3 == 1 {
                    rows.forget(7);
                } else if n % 3 == 2 {
                    rows = Rows::default();
                }
            }
            for part in 0..400 {
                let found = of_part(&connection, part).unwrap().filter(|found| found.requests > 0);
                prop_assert_eq!(found, model.get(&part).copied());
                if found.is_some() {
                    let (row, at) = place(part);
                    let key = session_key(&format!("session {part}"));
                    prop_assert_eq!(keys(&connection, row).unwrap()[at], key);
                }
            }
        }

        #[test]
        fn damaged_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            decode(&bytes);
        }
    }
}
