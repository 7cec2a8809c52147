//! Writing requests into the parts of their sessions.

use std::collections::{HashMap, HashSet};

use ahash::RandomState;
use rusqlite::{OptionalExtension, Statement, params};

use super::body::{self, Intern, Words};
use super::days::{Days, Key};
use super::facets;
use super::numbers::{Numbers, Rows, SessionKey, of_day, session_key};
use super::postings::Added;
use super::runs::{self, Entry, Index};
use super::writer::{DayTransaction, other_days};
use crate::NewRequest;
use crate::session_days::Kind;

/// Day facets a writer remembers to have written.
const KNOWN_FACETS: usize = 100_000;

/// Sessions a writer remembers the parts of.
const KNOWN_PARTS: usize = 50_000;

/// Values of a part that are remembered to be in its postings.
const KNOWN_VALUES: usize = 64;

/// Parts of a day that is written.
#[derive(Default)]
pub(super) struct Parts {
    known: HashMap<SessionKey, Known, RandomState>,
    facets: HashSet<u64, RandomState>,
    pub(super) rows: Rows,
}

/// What is remembered of a part, so that nothing is read for the next request of its session.
struct Known {
    part: i64,
    /// Values that its postings have.
    posted: Vec<u64>,
}

/// What requests add to the indexes.
#[derive(Default)]
struct Indexes {
    ids: Vec<Entry>,
    timeline: Vec<Entry>,
    facets: Vec<Entry>,
    postings: Added,
}

/// Stores requests of `day`, and counts them in their sessions.
pub(super) fn store(
    day: &mut DayTransaction<'_>,
    days: &Days,
    requests: &[NewRequest],
) -> rusqlite::Result<()> {
    // By part, so that each part's numbers are changed once and its requests lie side by side.
    let mut order = Vec::with_capacity(requests.len());
    let mut created = Vec::new();
    for (n, request) in requests.iter().enumerate() {
        let part = find_or_create(day, &request.record.session, &mut created)?;
        order.push((part, request.record.ts, n));
    }
    order.sort_unstable();
    let names: Vec<&str> = created.iter().map(|(_, session)| *session).collect();
    let several = other_days(days, day.day, &names, &mut day.marks);
    for ((part, _), several) in created.iter().zip(several) {
        day.parts.rows.part(day.transaction, *part)?.several_days = several;
    }
    let mut indexes = Indexes::default();
    let mut bytes = Vec::with_capacity(512);
    let transaction = day.transaction;
    let mut into_request =
        transaction.prepare_cached("INSERT INTO request (part, ts, body) VALUES (?, ?, ?)")?;
    for of_part in order.chunk_by(|a, b| a.0 == b.0) {
        let Some((part, _, first)) = of_part.first() else { continue };
        let Some(session) = requests.get(*first).map(|request| &request.record.session) else {
            continue;
        };
        let mut numbers = *day.parts.rows.part(transaction, *part)?;
        let counted = indexes.facets.len();
        // Out of the map, so that strings can be looked up meanwhile.
        let mut posted = day
            .parts
            .known
            .get_mut(&session_key(session))
            .map(|known| std::mem::take(&mut known.posted))
            .unwrap_or_default();
        for request in of_part.iter().filter_map(|(_, _, n)| requests.get(*n)) {
            let (row, words) = insert(day, &mut into_request, *part, request, &mut bytes)?;
            let record = &request.record;
            indexes.ids.push(Entry { a: shorten(id_hash(&record.id)), b: row as u64, c: 0 });
            let time = of_day(record.ts);
            indexes.timeline.push(Entry { a: *part as u64, b: time, c: row as u64 });
            count(day, *part, &mut numbers, request, words, &mut posted, &mut indexes)?;
        }
        if let Some(added) = indexes.facets.get_mut(counted..) {
            added.sort_unstable();
        }
        if let Some(known) = day.parts.known.get_mut(&session_key(session)) {
            known.posted = posted;
        }
        *day.parts.rows.part(transaction, *part)? = numbers;
    }
    let Indexes { mut ids, timeline, facets, postings } = indexes;
    ids.sort_unstable();
    runs::add(transaction, Index::Ids, ids.into_iter().map(Ok))?;
    runs::add(transaction, Index::Timeline, timeline.into_iter().map(Ok))?;
    let summed = facets::Summed::new(facets.into_iter().map(Ok));
    runs::add(transaction, Index::Facets, summed)?;
    postings.save(transaction)?;
    day.parts.rows.save(transaction)?;
    if day.parts.known.len() > KNOWN_PARTS {
        day.parts.known.clear();
    }
    Ok(())
}

/// What a request is found by: the first half of its id, or a hash of an id of another form.
pub(super) fn id_hash(id: &str) -> i64 {
    let half = |raw: &[u8]| raw.iter().take(8).fold(0i64, |n, byte| n << 8 | i64::from(*byte));
    match body::unhex(id) {
        Some(raw) => half(&raw),
        None => half(blake3::hash(id.as_bytes()).as_bytes()),
    }
}

/// An [`id_hash`] as it is kept: 40 bits, which tell a day's requests apart but for a few, and those are told
/// apart by their ids. In the order of hashes.
pub(super) fn shorten(hash: i64) -> u64 {
    (hash as u64 ^ 1 << 63) >> 24
}

fn find_or_create<'a>(
    day: &mut DayTransaction<'_>,
    session: &'a str,
    created: &mut Vec<(i64, &'a str)>,
) -> rusqlite::Result<i64> {
    let key = session_key(session);
    if let Some(known) = day.parts.known.get(&key) {
        return Ok(known.part);
    }
    let transaction = day.transaction;
    let found = transaction
        .prepare_cached("SELECT id FROM part WHERE session = ?")?
        .query_row([Key(session)], |row| row.get(0))
        .optional()?;
    let part = match found {
        Some(part) => part,
        None => {
            transaction
                .prepare_cached("INSERT INTO part VALUES (NULL, ?)")?
                .execute([Key(session)])?;
            let part = transaction.last_insert_rowid();
            day.parts.rows.create(transaction, part, key)?;
            *day.parts.rows.part(transaction, part)? =
                Numbers { first: u64::MAX, ..Numbers::default() };
            created.push((part, session));
            part
        }
    };
    day.parts.known.insert(key, Known { part, posted: Vec::new() });
    Ok(part)
}

fn insert(
    day: &mut DayTransaction<'_>,
    into_request: &mut Statement<'_>,
    part: i64,
    request: &NewRequest,
    bytes: &mut Vec<u8>,
) -> rusqlite::Result<(i64, Words)> {
    bytes.clear();
    let words = body::encode(request, day, bytes)?;
    into_request.execute(params![part, request.record.ts as i64, &*bytes])?;
    let row = day.transaction.last_insert_rowid();
    if let Some(content) = &request.record.request {
        day.transaction
            .prepare_cached("INSERT INTO content VALUES (?, ?)")?
            .execute(params![row, super::content::pack(content)])?;
    }
    Ok((row, words))
}

fn count(
    day: &mut DayTransaction<'_>,
    part: i64,
    numbers: &mut Numbers,
    request: &NewRequest,
    words: Words,
    posted: &mut Vec<u64>,
    indexes: &mut Indexes,
) -> rusqlite::Result<()> {
    let record = &request.record;
    let time = of_day(record.ts);
    numbers.requests += 1;
    numbers.attacks += u64::from(!record.attacks.is_empty());
    numbers.denied += u64::from(record.denied);
    numbers.first = numbers.first.min(time);
    let newest = time >= numbers.last;
    numbers.last = numbers.last.max(time);
    if words.user != 0 && (newest || numbers.user == 0) {
        numbers.user = words.user as u64;
    }
    if words.role != 0 && (newest || numbers.role == 0) {
        numbers.role = words.role as u64;
    }
    if newest {
        numbers.key = words.key as u64;
        numbers.source = record.source as u64;
    }
    let mut status = [0u8; 5];
    let status = day.intern(decimal(record.status, &mut status))?;
    let single = [
        (Kind::Application, words.app),
        (Kind::Host, words.host),
        (Kind::Ip, words.ip),
        (Kind::User, words.user),
        (Kind::Role, words.role),
        (Kind::Status, status),
        (Kind::Method, words.method),
        (Kind::Endpoint, words.endpoint),
        (Kind::Ua, words.ua),
        (Kind::Ja4, words.ja4),
        (Kind::Key, words.key),
    ];
    let mut add = |day: &mut DayTransaction<'_>, kind: Kind, string: i64| {
        let entry = facets::entry(part, kind, string);
        indexes.facets.push(entry);
        if kind.is_searched() && !posted.contains(&entry.b) {
            if posted.len() < KNOWN_VALUES {
                posted.push(entry.b);
            }
            indexes.postings.add(kind as u8, string, part);
            return note(day, kind, string, entry.b);
        }
        Ok(())
    };
    for (kind, string) in single.into_iter().filter(|(_, string)| *string != 0) {
        add(day, kind, string)?;
    }
    for attack in &record.attacks {
        let string = day.intern(attack)?;
        add(day, Kind::Attack, string)?;
    }
    Ok(())
}

/// The day has the value.
fn note(day: &mut DayTransaction<'_>, kind: Kind, string: i64, value: u64) -> rusqlite::Result<()> {
    if day.parts.facets.len() >= KNOWN_FACETS {
        day.parts.facets.clear();
    }
    // Only the names of endpoints are searched; the others are found as they are.
    if kind == Kind::Endpoint && day.parts.facets.insert(value) {
        day.transaction
            .prepare_cached("INSERT OR IGNORE INTO facet VALUES (?, ?)")?
            .execute(params![kind as u8, string])?;
    }
    Ok(())
}

/// A status in decimal, without an allocation.
pub(super) fn decimal(mut n: u16, buffer: &mut [u8; 5]) -> &str {
    let mut at = buffer.len();
    loop {
        at -= 1;
        if let Some(digit) = buffer.get_mut(at) {
            *digit = b'0' + (n % 10) as u8;
        }
        n /= 10;
        if n == 0 {
            break;
        }
    }
    std::str::from_utf8(buffer.get(at..).unwrap_or_default()).unwrap_or_default()
}
