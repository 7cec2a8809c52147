//! Day files of version 2, with plain tables and indexes, to version 3: runs, rows of numbers, sets.
//!
//! Everything is read in the order it is written in, so it takes seconds for a day of millions, and little
//! memory.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};

use super::body::{byte, read_number};
use super::days::key_text;
use super::facets::{self, OTHER};
use super::numbers::{Numbers, Rows, of_day, session_key};
use super::part::shorten;
use super::postings::Added;
use super::runs::{self, Entry, Index};

/// Level of the runs: above those of single commits.
const LEVEL: i64 = 2;

/// Parts or values after which what was gathered is written.
const STEP: usize = 100_000;

const TABLES: &str = r"
-- An index of sorted runs, see runs.rs.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    level INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,
    last_chunk INTEGER NOT NULL
);
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    a INTEGER NOT NULL,
    b INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX chunk_key ON chunk (run, a, b);
CREATE TABLE part_numbers (id INTEGER PRIMARY KEY, numbers BLOB NOT NULL);
CREATE TABLE part_keys (id INTEGER PRIMARY KEY, keys BLOB NOT NULL);
ALTER TABLE posting RENAME TO old_posting;
CREATE TABLE posting (
    kind INTEGER, string INTEGER, span INTEGER, parts BLOB NOT NULL,
    PRIMARY KEY (kind, string, span)
) WITHOUT ROWID;
ALTER TABLE part RENAME TO old_part;
CREATE TABLE part (id INTEGER PRIMARY KEY, session NOT NULL UNIQUE);
INSERT INTO part SELECT id, session FROM old_part ORDER BY id;
";

const DROP: &str = r"
DROP TABLE old_posting;
DROP TABLE old_part;
DROP TABLE part_detail;
DROP TABLE request_id;
DROP INDEX request_part;
";

/// Makes the tables of version 3 from those of version 2.
pub(super) fn to_sets_and_runs(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    entries(connection, Index::Ids, "SELECT hash, request FROM request_id ORDER BY 1, 2", |row| {
        Ok(Entry { a: shorten(row.get(0)?), b: row.get::<_, i64>(1)? as u64, c: 0 })
    })?;
    let timeline = "SELECT part, ts, id FROM request INDEXED BY request_part ORDER BY 1, 2, 3";
    entries(connection, Index::Timeline, timeline, |row| {
        let ts = of_day(row.get::<_, i64>(1)? as u64);
        Ok(Entry { a: row.get::<_, i64>(0)? as u64, b: ts, c: row.get::<_, i64>(2)? as u64 })
    })?;
    counts(connection)?;
    numbers(connection)?;
    postings(connection)?;
    connection.execute_batch(DROP)
}

/// One run of what a statement gives in order.
fn entries(
    connection: &Connection,
    index: Index,
    sql: &str,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<Entry>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(sql)?;
    runs::write(connection, index, LEVEL, statement.query_map([], |row| read(row))?)
}

fn counts(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT id, facets FROM part_detail ORDER BY id")?;
    let of_parts = statement.query_map([], |row| {
        let part = row.get::<_, i64>(0)? as u64;
        let mut entries = match row.get_ref(1)? {
            ValueRef::Blob(bytes) => old_counts(part, bytes),
            _ => Vec::new(),
        };
        entries.sort_unstable();
        Ok(entries)
    })?;
    let all = of_parts.flat_map(|part| match part {
        Ok(entries) => entries.into_iter().map(Ok).collect(),
        Err(error) => vec![Err(error)],
    });
    runs::write(connection, Index::Facets, LEVEL, all)
}

/// Counts as version 2 had them: kind, string (0: all others), count.
fn old_counts(part: u64, mut bytes: &[u8]) -> Vec<Entry> {
    let input = &mut bytes;
    let mut next = || {
        let kind = byte(input)?;
        let string = match read_number(input)? {
            0 => OTHER,
            string => string,
        };
        Some(Entry { a: part, b: facets::value(kind, string), c: read_number(input)? })
    };
    std::iter::from_fn(&mut next).collect()
}

fn numbers(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT old_part.id, session, first_ts, last_ts, requests, attacks, denied, several_days,
                user, role, key, source
         FROM old_part JOIN part_detail ON part_detail.id = old_part.id ORDER BY old_part.id",
    )?;
    let mut found = statement.query([])?;
    let mut rows = Rows::default();
    let mut waiting = 0;
    while let Some(row) = found.next()? {
        let part: i64 = row.get(0)?;
        let number = |at: usize| -> rusqlite::Result<u64> {
            Ok(row.get::<_, Option<i64>>(at)?.unwrap_or_default() as u64)
        };
        rows.create(connection, part, session_key(&key_text(row.get_ref(1)?)))?;
        *rows.part(connection, part)? = Numbers {
            first: of_day(number(2)?),
            last: of_day(number(3)?),
            requests: number(4)?,
            attacks: number(5)?,
            denied: number(6)?,
            several_days: row.get(7)?,
            user: number(8)?,
            role: number(9)?,
            key: number(10)?,
            source: number(11)?,
        };
        waiting += 1;
        if waiting == STEP {
            rows.save(connection)?;
            waiting = 0;
        }
    }
    rows.save(connection)
}

fn postings(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare("SELECT kind, string, part FROM old_posting ORDER BY 1, 2, 3")?;
    let mut found = statement.query([])?;
    let mut added = Added::default();
    let mut waiting = 0;
    while let Some(row) = found.next()? {
        added.add(row.get(0)?, row.get(1)?, row.get(2)?);
        waiting += 1;
        if waiting == STEP {
            std::mem::take(&mut added).save(connection)?;
            waiting = 0;
        }
    }
    added.save(connection)
}
