//! Sorted runs: an index whose keys come in no order, without a page of the file being written for
//! each of them.
//!
//! Each commit appends its entries, sorted, as one run of a few chunks. Where [`FAN`] runs of a level
//! are there, they become one of the next level. So an entry is written two or three times in all,
//! always beside its neighbours; who looks for one looks into each run that may hold it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rusqlite::{Connection, OptionalExtension, params};

use super::body::{number, read_number};
use super::facets;

/// Runs of a level that become one of the next.
const FAN: usize = 16;

/// Bytes of a chunk: with its key it fills one page of the file.
const CHUNK: usize = 3_900;

/// Entries beyond which runs are not merged any more, so that no commit waits long for a merge.
const LARGEST: i64 = 8_000_000;

/// What the entries of a run are. The numbers are in the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Index {
    /// Hash of a request's id, row of the request.
    Ids = 1,
    /// Part, time of a request in ms of the day, row of the request.
    Timeline = 2,
    /// Part, value (see [`facets::value`]), how often.
    Facets = 3,
}

/// An entry; `a` and `b` are less than 2^63.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Entry {
    pub(super) a: u64,
    pub(super) b: u64,
    pub(super) c: u64,
}

/// Where a run is.
#[derive(Debug, Clone)]
pub(super) struct Run {
    id: i64,
    entries: i64,
    /// Least and greatest `a`.
    first: i64,
    last: i64,
    first_chunk: i64,
    last_chunk: i64,
}

impl Run {
    /// Whether it may hold entries of `a`.
    pub(super) fn may_hold(&self, a: u64) -> bool {
        (self.first..=self.last).contains(&(a as i64))
    }
}

/// Writes entries, which come in order, as one run; then merges what is to be merged.
pub(super) fn add(
    connection: &Connection,
    index: Index,
    entries: impl Iterator<Item = rusqlite::Result<Entry>>,
) -> rusqlite::Result<()> {
    write(connection, index, 0, entries)?;
    for level in 0.. {
        let runs = load_level(connection, index, level)?;
        if runs.len() < FAN || runs.iter().map(|run| run.entries).sum::<i64>() > LARGEST {
            break;
        }
        let merged = Merge::new(connection, &runs)?;
        match index {
            Index::Facets => {
                write(connection, index, level + 1, facets::Summed::new(merged))?;
            }
            _ => write(connection, index, level + 1, merged)?,
        }
        for run in runs {
            connection
                .prepare_cached("DELETE FROM chunk WHERE id BETWEEN ? AND ?")?
                .execute([run.first_chunk, run.last_chunk])?;
            connection.prepare_cached("DELETE FROM run WHERE id = ?")?.execute([run.id])?;
        }
    }
    Ok(())
}

/// Writes entries, which come in order, as one run of `level`.
pub(super) fn write(
    connection: &Connection,
    index: Index,
    level: i64,
    entries: impl Iterator<Item = rusqlite::Result<Entry>>,
) -> rusqlite::Result<()> {
    let mut entries = entries.peekable();
    if entries.peek().is_none() {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT INTO run VALUES (NULL, ?, ?, 0, 0, 0, 0, 0)")?
        .execute(params![index as u8, level])?;
    let mut run = Run {
        id: connection.last_insert_rowid(),
        entries: 0,
        first: 0,
        last: 0,
        first_chunk: 0,
        last_chunk: 0,
    };
    let mut insert = connection.prepare_cached("INSERT INTO chunk VALUES (NULL, ?, ?, ?, ?)")?;
    let mut bytes = Vec::with_capacity(CHUNK + 32);
    let (mut first, mut before) = (Entry::default(), Entry::default());
    let mut flush = |run: &mut Run, first: &Entry, bytes: &[u8]| -> rusqlite::Result<()> {
        insert.execute(params![run.id, first.a as i64, first.b as i64, bytes])?;
        // Nothing else makes chunks meanwhile: those of a run have consecutive numbers.
        run.last_chunk = connection.last_insert_rowid();
        if run.first_chunk == 0 {
            run.first_chunk = run.last_chunk;
        }
        Ok(())
    };
    for entry in entries {
        let entry = entry?;
        if run.entries == 0 {
            run.first = entry.a as i64;
        }
        if bytes.len() >= CHUNK {
            flush(&mut run, &first, &bytes)?;
            bytes.clear();
        }
        if bytes.is_empty() {
            first = entry;
            before = Entry::default();
        }
        put(&mut bytes, &before, &entry);
        run.entries += 1;
        before = entry;
    }
    run.last = before.a as i64;
    flush(&mut run, &first, &bytes)?;
    connection
        .prepare_cached(
            "UPDATE run SET entries = ?, first = ?, last = ?, first_chunk = ?, last_chunk = ?
             WHERE id = ?",
        )?
        .execute([run.entries, run.first, run.last, run.first_chunk, run.last_chunk, run.id])?;
    Ok(())
}

/// An entry as its distance from the one before it.
fn put(out: &mut Vec<u8>, before: &Entry, entry: &Entry) {
    let far = entry.a.wrapping_sub(before.a);
    number(out, far);
    number(out, if far == 0 { entry.b.wrapping_sub(before.b) } else { entry.b });
    let far = entry.c.wrapping_sub(before.c) as i64;
    number(out, (far << 1 ^ far >> 63) as u64);
}

/// Reads a chunk; damaged bytes end it.
fn decode(mut bytes: &[u8], into: &mut Vec<Entry>) {
    let input = &mut bytes;
    let mut before = Entry::default();
    into.clear();
    let mut next = || {
        let far = read_number(input)?;
        let b = read_number(input)?;
        let c = read_number(input)?;
        before.a = before.a.wrapping_add(far);
        before.b = if far == 0 { before.b.wrapping_add(b) } else { b };
        before.c = before.c.wrapping_add((c >> 1) ^ (c & 1).wrapping_neg());
        Some(before)
    };
    while let Some(entry) = next() {
        into.push(entry);
    }
}

/// All runs of `index`, oldest first.
pub(super) fn load(connection: &Connection, index: Index) -> rusqlite::Result<Vec<Run>> {
    connection
        .prepare_cached(
            "SELECT id, entries, first, last, first_chunk, last_chunk FROM run WHERE kind = ?
             ORDER BY id",
        )?
        .query_map([index as u8], read)?
        .collect()
}

fn load_level(connection: &Connection, index: Index, level: i64) -> rusqlite::Result<Vec<Run>> {
    connection
        .prepare_cached(
            "SELECT id, entries, first, last, first_chunk, last_chunk FROM run
             WHERE kind = ? AND level = ? ORDER BY id",
        )?
        .query_map([i64::from(index as u8), level], read)?
        .collect()
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Run> {
    Ok(Run {
        id: row.get(0)?,
        entries: row.get(1)?,
        first: row.get(2)?,
        last: row.get(3)?,
        first_chunk: row.get(4)?,
        last_chunk: row.get(5)?,
    })
}

/// A place in a run that moves.
pub(super) struct Walk<'a> {
    connection: &'a Connection,
    run: Run,
    chunk: i64,
    entries: Vec<Entry>,
    /// Of the entry that [`Walk::get`] gives; one that is not there is the end.
    at: Option<usize>,
}

impl<'a> Walk<'a> {
    /// At the first entry that is not before `start`.
    pub(super) fn up(
        connection: &'a Connection,
        run: &Run,
        start: Entry,
    ) -> rusqlite::Result<Walk<'a>> {
        let mut walk = Walk::at(connection, run)?;
        // Entries of the same `a` and `b` may begin in the chunk before.
        walk.seek(start, "<")?;
        loop {
            let at = walk.entries.partition_point(|entry| *entry < start);
            walk.at = Some(at);
            if at < walk.entries.len() || walk.chunk >= walk.run.last_chunk {
                return Ok(walk);
            }
            walk.read_chunk(walk.chunk + 1)?;
        }
    }

    /// At the last entry that is not after `start`.
    pub(super) fn down(
        connection: &'a Connection,
        run: &Run,
        start: Entry,
    ) -> rusqlite::Result<Walk<'a>> {
        let mut walk = Walk::at(connection, run)?;
        walk.set_down(start)?;
        Ok(walk)
    }

    fn set_down(&mut self, start: Entry) -> rusqlite::Result<()> {
        self.seek(start, "<=")?;
        loop {
            let before = self.entries.partition_point(|entry| *entry <= start);
            self.at = before.checked_sub(1);
            if before > 0 || self.chunk <= self.run.first_chunk {
                return Ok(());
            }
            self.read_chunk(self.chunk - 1)?;
        }
    }

    /// As [`Walk::down`] from here: cheap where `start` is near.
    pub(super) fn move_down(&mut self, start: Entry) -> rusqlite::Result<()> {
        let here = self.entries.first().is_some_and(|entry| *entry <= start)
            && self.entries.last().is_some_and(|entry| *entry > start);
        if here {
            self.at = self.entries.partition_point(|entry| *entry <= start).checked_sub(1);
            return Ok(());
        }
        self.set_down(start)
    }

    fn at(connection: &'a Connection, run: &Run) -> rusqlite::Result<Walk<'a>> {
        Ok(Walk { connection, run: run.clone(), chunk: 0, entries: Vec::new(), at: None })
    }

    /// Reads the last chunk that begins before `start`; if there is none, the first.
    fn seek(&mut self, start: Entry, how: &str) -> rusqlite::Result<()> {
        let sql = match how {
            "<" => {
                "SELECT id, data FROM chunk WHERE run = ? AND (a, b) < (?, ?)
                 ORDER BY a DESC, b DESC, id DESC LIMIT 1"
            }
            _ => {
                "SELECT id, data FROM chunk WHERE run = ? AND (a, b) <= (?, ?)
                 ORDER BY a DESC, b DESC, id DESC LIMIT 1"
            }
        };
        let entries = &mut self.entries;
        let found = self
            .connection
            .prepare_cached(sql)?
            .query_row([self.run.id, start.a as i64, start.b as i64], |row| {
                decode(row.get_ref(1)?.as_blob().unwrap_or_default(), entries);
                row.get(0)
            })
            .optional()?;
        match found {
            Some(chunk) => self.chunk = chunk,
            None => self.read_chunk(self.run.first_chunk)?,
        }
        Ok(())
    }

    fn read_chunk(&mut self, chunk: i64) -> rusqlite::Result<()> {
        let entries = &mut self.entries;
        self.connection.prepare_cached("SELECT data FROM chunk WHERE id = ?")?.query_row(
            [chunk],
            |row| {
                decode(row.get_ref(0)?.as_blob().unwrap_or_default(), entries);
                Ok(())
            },
        )?;
        self.chunk = chunk;
        Ok(())
    }

    /// The entry it is at.
    pub(super) fn get(&self) -> Option<Entry> {
        self.entries.get(self.at?).copied()
    }

    /// To the next entry.
    pub(super) fn next_up(&mut self) -> rusqlite::Result<()> {
        self.at = self.at.map(|at| at + 1);
        self.settle_up()
    }

    fn settle_up(&mut self) -> rusqlite::Result<()> {
        while self.at.is_some_and(|at| at >= self.entries.len()) && self.chunk < self.run.last_chunk
        {
            self.read_chunk(self.chunk + 1)?;
            self.at = Some(0);
        }
        Ok(())
    }

    /// To the entry before.
    pub(super) fn next_down(&mut self) -> rusqlite::Result<()> {
        self.at = self.at.and_then(|at| at.checked_sub(1));
        while self.at.is_none() && self.chunk > self.run.first_chunk {
            self.read_chunk(self.chunk - 1)?;
            self.at = self.entries.len().checked_sub(1);
        }
        Ok(())
    }
}

/// Entries of several runs in order.
struct Merge<'a> {
    walks: Vec<Walk<'a>>,
    heads: BinaryHeap<Reverse<(Entry, usize)>>,
}

impl<'a> Merge<'a> {
    fn new(connection: &'a Connection, runs: &[Run]) -> rusqlite::Result<Merge<'a>> {
        let mut merge = Merge { walks: Vec::with_capacity(runs.len()), heads: BinaryHeap::new() };
        for (n, run) in runs.iter().enumerate() {
            let walk = Walk::up(connection, run, Entry::default())?;
            merge.heads.extend(walk.get().map(|entry| Reverse((entry, n))));
            merge.walks.push(walk);
        }
        Ok(merge)
    }
}

impl Iterator for Merge<'_> {
    type Item = rusqlite::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut head = self.heads.peek_mut()?;
        let Reverse((entry, n)) = *head;
        let walk = self.walks.get_mut(n)?;
        if let Err(error) = walk.next_up() {
            return Some(Err(error));
        }
        match walk.get() {
            // In place: the heap is put in order once.
            Some(next) => *head = Reverse((next, n)),
            None => drop(std::collections::binary_heap::PeekMut::pop(head)),
        }
        Some(Ok(entry))
    }
}

/// All entries of `a`, of all runs, in no order.
pub(super) fn of(connection: &Connection, runs: &[Run], a: u64) -> rusqlite::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for run in runs.iter().filter(|run| run.may_hold(a)) {
        let mut walk = Walk::up(connection, run, Entry { a, b: 0, c: 0 })?;
        while let Some(entry) = walk.get().filter(|entry| entry.a == a) {
            found.push(entry);
            walk.next_up()?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::schema;
    use super::*;

    /// Commits of entries, some small, some of several chunks, all with close neighbours.
    fn commits() -> impl Strategy<Value = Vec<Vec<Entry>>> {
        let entry = (0u64..40, prop_oneof![0u64..4, 0u64..1 << 40], 0u64..1 << 30)
            .prop_map(|(a, b, c)| Entry { a, b, c });
        let commit = prop_oneof![
            4 => prop::collection::vec(entry.clone(), 0..6),
            1 => prop::collection::vec(entry, 0..2_000)
        ];
        prop::collection::vec(commit, 0..40)
    }

    fn all(connection: &Connection, a: u64) -> Vec<Entry> {
        let mut found = of(connection, &load(connection, Index::Timeline).unwrap(), a).unwrap();
        found.sort_unstable();
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn runs_hold_what_was_added(commits in commits(), starts in prop::collection::vec((0u64..41, 0u64..5, 0u64..1 << 30), 20)) {
            let dir = tempfile::tempdir().unwrap();
            let connection = schema::open(&dir.path().join("day-2026-11-23.db"), schema::DAY).unwrap();
            connection.execute_batch("BEGIN").unwrap();
            let mut model = Vec::new();
            for mut commit in commits {
                commit.sort_unstable();
                add(&connection, Index::Timeline, commit.iter().copied().map(Ok)).unwrap();
                model.extend(commit);
            }
            model.sort_unstable();
            let runs = load(&connection, Index::Timeline).unwrap();
            prop_assert!(runs.len() < 3 * FAN);
            for a in 0..41 {
                let wanted: Vec<_> = model.iter().copied().filter(|entry| entry.a == a).collect();
                prop_assert_eq!(all(&connection, a), wanted);
            }
            // Walks begin where they are told to, and go either way to the end.
            for (a, b, c) in starts {
                let start = Entry { a, b, c };
                let (mut above, mut below) = (Vec::new(), Vec::new());
                for run in &runs {
                    let mut walk = Walk::up(&connection, run, start).unwrap();
                    while let Some(entry) = walk.get() {
                        above.push(entry);
                        walk.next_up().unwrap();
                    }
                    let mut walk = Walk::down(&connection, run, start).unwrap();
                    let mut other = Walk::down(&connection, run, Entry { a: a / 2, b, c }).unwrap();
                    other.move_down(start).unwrap();
                    prop_assert_eq!(walk.get(), other.get());
                    while let Some(entry) = walk.get() {
                        below.push(entry);
                        walk.next_down().unwrap();
                    }
                }
                above.sort_unstable();
                below.sort_unstable();
                let from = model.partition_point(|entry| *entry < start);
                let to = model.partition_point(|entry| *entry <= start);
                prop_assert_eq!(&above[..], &model[from..]);
                prop_assert_eq!(&below[..], &model[..to]);
            }
        }

        #[test]
        fn damaged_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            decode(&bytes, &mut Vec::new());
        }
    }
}
