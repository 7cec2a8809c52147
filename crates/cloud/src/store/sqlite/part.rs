//! Writing requests into the parts of their sessions.

use rusqlite::types::ValueRef;
use rusqlite::{OptionalExtension, Statement, params};

use super::body::{self, Intern};
use super::days::{Days, Key};
use super::facets::Facets;
use super::writer::{DayStrings, other_days};
use crate::store::parts::Kind;
use crate::store::{Day, NewRequest};

/// Day facets a writer remembers to have written.
const KNOWN_FACETS: usize = 100_000;

/// A session's part of a day while it is being added to.
struct Part {
    id: i64,
    first_ts: i64,
    last_ts: i64,
    requests: i64,
    attacks: i64,
    denied: i64,
    user: Option<i64>,
    role: Option<i64>,
    key: i64,
    source: i64,
    facets: Facets,
}

/// Stores requests of `day`, and counts them in their sessions.
pub(super) fn store(
    strings: &mut DayStrings<'_>,
    days: &Days,
    day: Day,
    mut requests: Vec<NewRequest>,
) -> rusqlite::Result<()> {
    // By session: each part is read and written once, and its requests lie side by side.
    requests
        .sort_by(|a, b| (&a.record.session, a.record.ts).cmp(&(&b.record.session, b.record.ts)));
    let mut ids = Vec::with_capacity(requests.len());
    let mut bytes = Vec::with_capacity(512);
    let transaction = strings.transaction;
    let mut into_request =
        transaction.prepare_cached("INSERT INTO request (part, ts, body) VALUES (?, ?, ?)")?;
    for session in requests.chunk_by(|a, b| a.record.session == b.record.session) {
        let Some(first) = session.first() else { continue };
        let name = &*first.record.session;
        let mut part = match load(strings, name)? {
            Some(part) => part,
            None => create(strings, days, day, name)?,
        };
        for request in session {
            let row = insert(strings, &mut into_request, &part, request, &mut bytes)?;
            ids.push((id_hash(&request.record.id), row));
            count(strings, &mut part, request)?;
        }
        save(strings, &part, &mut bytes)?;
    }
    // In order of the index: its pages are touched once each.
    ids.sort_unstable();
    let mut statement =
        strings.transaction.prepare_cached("INSERT INTO request_id VALUES (?, ?)")?;
    for (hash, row) in ids {
        statement.execute(params![hash, row])?;
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

fn load(strings: &DayStrings<'_>, session: &str) -> rusqlite::Result<Option<Part>> {
    strings
        .transaction
        .prepare_cached(
            "SELECT part.id, first_ts, last_ts, requests, attacks, denied,
                    user, role, key, source, facets
             FROM part JOIN part_detail ON part_detail.id = part.id WHERE session = ?",
        )?
        .query_row([Key(session)], |row| {
            Ok(Part {
                id: row.get(0)?,
                first_ts: row.get(1)?,
                last_ts: row.get(2)?,
                requests: row.get(3)?,
                attacks: row.get(4)?,
                denied: row.get(5)?,
                user: row.get(6)?,
                role: row.get(7)?,
                key: row.get(8)?,
                source: row.get(9)?,
                facets: match row.get_ref(10)? {
                    ValueRef::Blob(bytes) => Facets::read(bytes),
                    _ => Facets::default(),
                },
            })
        })
        .optional()
}

fn create(
    strings: &mut DayStrings<'_>,
    days: &Days,
    day: Day,
    session: &str,
) -> rusqlite::Result<Part> {
    let several = other_days(days, day, session, &mut strings.marks);
    strings
        .transaction
        .prepare_cached("INSERT INTO part VALUES (NULL, ?, 0, 0, 0, 0, 0, ?)")?
        .execute(params![Key(session), several])?;
    let id = strings.transaction.last_insert_rowid();
    strings
        .transaction
        .prepare_cached("INSERT INTO part_detail VALUES (?, NULL, NULL, 0, 0, x'')")?
        .execute([id])?;
    Ok(Part {
        id,
        first_ts: i64::MAX,
        last_ts: 0,
        requests: 0,
        attacks: 0,
        denied: 0,
        user: None,
        role: None,
        key: 0,
        source: 0,
        facets: Facets::default(),
    })
}

fn insert(
    strings: &mut DayStrings<'_>,
    into_request: &mut Statement<'_>,
    part: &Part,
    request: &NewRequest,
    bytes: &mut Vec<u8>,
) -> rusqlite::Result<i64> {
    bytes.clear();
    body::encode(request, strings, bytes)?;
    into_request.execute(params![part.id, request.record.ts as i64, &*bytes])?;
    let row = strings.transaction.last_insert_rowid();
    if let Some(content) = &request.record.request {
        strings
            .transaction
            .prepare_cached("INSERT INTO content VALUES (?, ?)")?
            .execute(params![row, super::content::pack(content)])?;
    }
    Ok(row)
}

fn count(
    strings: &mut DayStrings<'_>,
    part: &mut Part,
    request: &NewRequest,
) -> rusqlite::Result<()> {
    let record = &request.record;
    let ts = record.ts as i64;
    part.requests += 1;
    part.attacks += i64::from(!record.attacks.is_empty());
    part.denied += i64::from(record.denied);
    part.first_ts = part.first_ts.min(ts);
    let newest = ts >= part.last_ts;
    part.last_ts = part.last_ts.max(ts);

    let mut status = [0u8; 5];
    let status = decimal(record.status, &mut status);
    let single = [
        (Kind::Application, record.app.as_deref()),
        (Kind::Host, record.host.as_deref()),
        (Kind::Ip, Some(&*record.ip)),
        (Kind::User, record.user.as_deref()),
        (Kind::Role, record.role.as_deref()),
        (Kind::Status, Some(status)),
        (Kind::Method, Some(&*record.method)),
        (Kind::Endpoint, Some(&*request.endpoint)),
        (Kind::Ua, record.ua.as_deref()),
        (Kind::Key, Some(&*record.key)),
    ];
    let attacks = record.attacks.iter().map(|attack| (Kind::Attack, Some(&**attack)));
    for (kind, value) in single.into_iter().chain(attacks) {
        let Some(value) = value else { continue };
        let string = strings.intern(value)?;
        match kind {
            Kind::User if newest || part.user.is_none() => part.user = Some(string),
            Kind::Role if newest || part.role.is_none() => part.role = Some(string),
            Kind::Key if newest => {
                part.key = string;
                part.source = record.source as i64;
            }
            _ => {}
        }
        if part.facets.add(kind, string) && kind.is_searched() {
            post(strings, part.id, kind, string)?;
        }
    }
    Ok(())
}

/// Makes the part findable by a value.
fn post(strings: &mut DayStrings<'_>, part: i64, kind: Kind, string: i64) -> rusqlite::Result<()> {
    strings
        .transaction
        .prepare_cached("INSERT OR IGNORE INTO posting VALUES (?, ?, ?)")?
        .execute(params![kind as u8, string, part])?;
    if strings.known.facets.len() >= KNOWN_FACETS {
        strings.known.facets.clear();
    }
    if strings.known.facets.insert((kind as u8, string)) {
        strings
            .transaction
            .prepare_cached("INSERT OR IGNORE INTO facet VALUES (?, ?)")?
            .execute(params![kind as u8, string])?;
    }
    Ok(())
}

fn save(strings: &DayStrings<'_>, part: &Part, bytes: &mut Vec<u8>) -> rusqlite::Result<()> {
    strings
        .transaction
        .prepare_cached(
            "UPDATE part SET first_ts = ?, last_ts = ?, requests = ?, attacks = ?, denied = ?
             WHERE id = ?",
        )?
        .execute(params![
            part.first_ts,
            part.last_ts,
            part.requests,
            part.attacks,
            part.denied,
            part.id
        ])?;
    bytes.clear();
    part.facets.write(bytes);
    strings
        .transaction
        .prepare_cached(
            "UPDATE part_detail SET user = ?, role = ?, key = ?, source = ?, facets = ?
             WHERE id = ?",
        )?
        .execute(params![part.user, part.role, part.key, part.source, &*bytes, part.id])?;
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
