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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rusqlite::params;

    use super::super::schema::{self, DAY};
    use super::super::{SqliteStore, facets};
    use super::*;
    use crate::ingest::batch::{Period, parse};
    use crate::store::{Batch, Filter, Records, RequestQuery, SessionQuery, Sort, StatusFilter};

    const START: u64 = 1_795_392_000_000;

    fn append(store: &SqliteStore, key: &str, lines: &[String]) -> u64 {
        let period = Period { oldest: 0, now: START + (1 << 40) };
        let requests = parse(lines.join("\n").as_bytes(), false, period).unwrap().requests;
        let (reply, answer) = std::sync::mpsc::channel();
        let batch = Batch { key: Some(key.to_owned()), requests, cut: None };
        store.append(batch, Box::new(move |result| drop(reply.send(result))));
        answer.recv().unwrap().unwrap().stored
    }

    fn lines(from: u64, to: u64) -> Vec<String> {
        (from..to)
            .map(|n| {
                let session = match n % 7 {
                    0 => "not of hex digits".to_owned(),
                    // One with more endpoints than are counted one by one.
                    1 => format!("{:032x}", 1),
                    other => format!("{:032x}", other + n % 90),
                };
                let attack = if n % 9 == 0 {
                    r#","attacks":["sqli"],"request":{"line":"GET /","headers":[],"truncated":false}"#
                } else {
                    ""
                };
                format!(
                    r#"{{"id":"{:016x}{n:016x}","ts":{},"node":"n","session":"{session}","key":"k","ip":"192.0.2.{}","host":"h{}","method":"GET","path":"/p/x{n}","status":{},"user":"u{}","denied":{}{attack}}}"#,
                    n.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                    START + n * 40_000 % (2 * 86_400_000),
                    n % 5,
                    n % 3,
                    200 + n % 4 * 100,
                    n % 50,
                    n % 31 == 0,
                )
            })
            .collect()
    }

    /// Makes the tables of version 2 from those of version 3: what a file of then held.
    fn to_version_2(path: &Path) {
        let connection = schema::open(path, DAY).unwrap();
        let Some(schema::Migration::Sql(first)) = DAY.first() else { panic!() };
        let old = |table: &str| {
            let from = first.find(&format!("CREATE TABLE {table} ")).unwrap();
            let length = first.get(from..).unwrap().find(';').unwrap();
            first.get(from..from + length).unwrap()
        };
        connection.execute_batch("ALTER TABLE part RENAME TO new_part").unwrap();
        connection.execute_batch("ALTER TABLE posting RENAME TO new_posting").unwrap();
        for table in ["part", "part_detail", "posting", "request_id"] {
            connection.execute_batch(old(table)).unwrap();
        }
        connection.execute_batch("CREATE INDEX request_part ON request (part, ts)").unwrap();
        let day_start: i64 = connection
            .query_row("SELECT min(ts) / 86400000 * 86400000 FROM request", [], |row| row.get(0))
            .unwrap();
        let parts: Vec<i64> = connection
            .prepare("SELECT id FROM new_part")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for part in parts {
            let numbers = super::super::numbers::of_part(&connection, part).unwrap().unwrap();
            connection
                .execute(
                    "INSERT INTO part SELECT id, session, ?, ?, ?, ?, ?, ? FROM new_part WHERE id = ?",
                    params![
                        day_start + numbers.first as i64,
                        day_start + numbers.last as i64,
                        numbers.requests as i64,
                        numbers.attacks as i64,
                        numbers.denied as i64,
                        numbers.several_days,
                        part
                    ],
                )
                .unwrap();
            let mut bytes = Vec::new();
            let mut counts: Vec<_> = facets::of_part(&connection, part)
                .unwrap()
                .into_iter()
                .map(|(kind, string, count)| {
                    (kind, if string == OTHER { 0 } else { string }, count)
                })
                .collect();
            counts.sort_unstable();
            for (kind, string, count) in counts {
                bytes.push(kind);
                super::super::body::number(&mut bytes, string);
                super::super::body::number(&mut bytes, count);
            }
            let optional = |word: u64| (word != 0).then_some(word as i64);
            connection
                .execute(
                    "INSERT INTO part_detail VALUES (?, ?, ?, ?, ?, ?)",
                    params![
                        part,
                        optional(numbers.user),
                        optional(numbers.role),
                        numbers.key as i64,
                        numbers.source as i64,
                        bytes
                    ],
                )
                .unwrap();
        }
        let values: Vec<(u8, i64)> = connection
            .prepare("SELECT DISTINCT kind, string FROM new_posting")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        connection
            .execute_batch(
                "ALTER TABLE posting RENAME TO v2; ALTER TABLE new_posting RENAME TO posting",
            )
            .unwrap();
        for (kind, string) in values {
            super::super::postings::read(&connection, kind, string, |first, bits| {
                for at in super::super::postings::ones(bits) {
                    let part = (first * 64 + at) as i64;
                    connection
                        .execute("INSERT INTO v2 VALUES (?, ?, ?)", params![kind, string, part])
                        .unwrap();
                }
            })
            .unwrap();
        }
        let requests: Vec<(i64, Vec<u8>)> = connection
            .prepare("SELECT id, body FROM request")
            .unwrap()
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for (row, body) in requests {
            // Layout, flags, then the id: 16 bytes after their length.
            let half: [u8; 8] = body.get(3..11).unwrap().try_into().unwrap();
            connection
                .execute("INSERT INTO request_id VALUES (?, ?)", [i64::from_be_bytes(half), row])
                .unwrap();
        }
        connection
            .execute_batch(
                "DROP TABLE new_part; DROP TABLE posting; ALTER TABLE v2 RENAME TO posting;
                 DROP TABLE run; DROP TABLE chunk; DROP TABLE part_numbers; DROP TABLE part_keys;
                 PRAGMA user_version = 2",
            )
            .unwrap();
    }

    /// Answers to many questions, as one text.
    fn answers(store: &SqliteStore) -> String {
        let mut all = String::new();
        let mut sessions = Vec::new();
        let filters = [
            Filter::default(),
            Filter { host: Some("h1".into()), ..Filter::default() },
            Filter { user: Some("u7".into()), ..Filter::default() },
            Filter { attack: Some("any".into()), ..Filter::default() },
            Filter { status: Some(StatusFilter::Class(4)), ..Filter::default() },
            Filter { denied: Some(true), ..Filter::default() },
            Filter { denied: Some(false), ..Filter::default() },
            Filter { endpoint: Some("/P/X10".into()), ..Filter::default() },
            Filter {
                from: Some(START + 80_000_000),
                to: Some(START + 90_000_000),
                ..Filter::default()
            },
        ];
        for filter in filters {
            for sort in [Sort::LastTs, Sort::Requests, Sort::Duration] {
                let filter = filter.clone();
                let mut query = SessionQuery { filter, sort, limit: 40, ..SessionQuery::default() };
                loop {
                    let page = store.sessions(&query).unwrap();
                    sessions.extend(page.sessions.iter().map(|session| session.session.clone()));
                    all.push_str(&format!("{page:?}\n"));
                    query.cursor = page.next;
                    if query.cursor.is_none() {
                        break;
                    }
                }
            }
        }
        sessions.sort();
        sessions.dedup();
        assert!(sessions.len() > 80);
        for session in sessions {
            all.push_str(&format!("{:?}\n", store.session(&session).unwrap()));
            for descending in [false, true] {
                let mut query = RequestQuery {
                    session: session.clone(),
                    descending,
                    limit: 150,
                    ..RequestQuery::default()
                };
                loop {
                    let page = store.requests(&query).unwrap();
                    for request in page.items.iter().take(5) {
                        let found = store.request(&request.record.id).unwrap().unwrap();
                        all.push_str(&format!("{found:?}\n"));
                    }
                    all.push_str(&format!("{page:?}\n"));
                    query.cursor = page.next;
                    if query.cursor.is_none() {
                        break;
                    }
                }
            }
        }
        all
    }

    #[test]
    fn a_file_of_version_2_answers_the_same_and_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).unwrap();
        for n in 0..20 {
            let lines = lines(n * 250, n * 250 + 250);
            assert_eq!(append(&store, &format!("batch {n}"), &lines), 250);
        }
        let before = answers(&store);
        drop(store);
        let days: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("day-"))
            .filter(|path| path.extension().is_some_and(|ending| ending == "db"))
            .collect();
        assert!(days.len() >= 2);
        days.iter().for_each(|path| to_version_2(path));

        let store = SqliteStore::open(dir.path()).unwrap();
        let after = answers(&store);
        // Not compared as values: the texts are long.
        assert!(before == after, "answers differ after the file was brought up to date");
        assert_eq!(append(&store, "batch 3", &lines(750, 1000)), 0, "batches are still known");
        assert_eq!(append(&store, "new", &lines(5_000, 5_500)), 500);
        let page =
            store.sessions(&SessionQuery { limit: 1000, ..SessionQuery::default() }).unwrap();
        assert_eq!(page.sessions.iter().map(|session| session.requests).sum::<u64>(), 5_500);
    }
}
