//! The list of sessions: each day is scanned or looked up by itself, the days are merged here.
//!
//! Parts of sessions that live on one day alone (nearly all) go straight into the page; the others
//! are first put together.

use std::collections::HashMap;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::candidate::{Candidate, Top};
use super::days::{DayFile, Key};
use super::filter::{Predicates, Sets};
use crate::store::query::{SessionQuery, Sort};
use crate::store::{Day, StoreError};

/// What a scan of all days gives.
pub(super) struct Found {
    pub(super) total: u64,
    pub(super) page: Vec<Candidate>,
    pub(super) more: bool,
    /// Time of the newest request of all that match.
    pub(super) newest: i64,
}

/// What a scan of one day gives.
struct DayFound {
    day: Day,
    /// Only parts that meet some filter were looked at.
    partial: bool,
    total: u64,
    newest: i64,
    top: Top,
    several: Vec<Candidate>,
}

/// Finds a page of sessions.
pub(super) fn find(
    days: &[std::sync::Arc<DayFile>],
    query: &SessionQuery,
) -> Result<Found, StoreError> {
    let predicates = Predicates::new(&query.filter);
    let top = Top::new(query)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let scanned: Vec<DayFound> = std::thread::scope(|scope| {
        let work = || {
            let mut found = Vec::new();
            loop {
                let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(file) = days.get(n) else { return found };
                found.extend(file.read(|connection| {
                    scan(connection, file.day, query, &predicates, top.clone())
                }));
            }
        };
        let others: Vec<_> = (1..threads.min(days.len())).map(|_| scope.spawn(work)).collect();
        let mut found = work();
        for other in others {
            found.extend(other.join().unwrap_or_default());
        }
        found
    });

    let (mut total, mut newest) = (0, 0);
    let mut top = top;
    let mut several: HashMap<Vec<u8>, Candidate> = HashMap::new();
    let mut partial = Vec::new();
    for day in scanned {
        if day.partial {
            partial.push(day.day);
        }
        total += day.total;
        newest = newest.max(day.newest);
        for candidate in day.top.into_vec() {
            top.offer(candidate);
        }
        for candidate in day.several {
            match several.get_mut(&candidate.session) {
                Some(known) => known.merge(candidate),
                None => {
                    several.insert(candidate.session.clone(), candidate);
                }
            }
        }
    }
    several.retain(|_, candidate| predicates.may_be_met(candidate.met));
    for file in days.iter().filter(|file| partial.contains(&file.day)) {
        file.read(|connection| complete(connection, file.day, query, &top, &mut several));
    }
    for candidate in several.into_values() {
        // A part that was added may be newer than all that were looked at before.
        newest = newest.max(candidate.last_ts);
        if predicates.all_met(candidate.met, candidate.denied) {
            total += 1;
            top.offer(candidate);
        }
    }
    let (page, more) = top.into_page();
    Ok(Found { total, page, more, newest })
}

/// Adds the parts of a day that meet no filter to the sessions that others let be found: what a session
/// holds is all of it.
fn complete(
    connection: &Connection,
    day: Day,
    query: &SessionQuery,
    top: &Top,
    several: &mut HashMap<Vec<u8>, Candidate>,
) -> rusqlite::Result<()> {
    let predicates = Predicates::new(&query.filter);
    let mut statement =
        connection.prepare_cached(&format!("{} WHERE session = ?", select(query)))?;
    for (session, candidate) in several.iter_mut() {
        if candidate.parts.iter().any(|(known, _)| *known == day) {
            continue;
        }
        let session = String::from_utf8_lossy(session);
        let mut rows = statement.query([Key(&session)])?;
        if let Some(row) = rows.next()? {
            let mut part = read(connection, row, top.as_of())?;
            part.met |= predicates.met_by_part(&query.filter, &part);
            part.parts.push((day, row.get(0)?));
            candidate.merge(part);
        }
    }
    Ok(())
}

/// A part as far as the columns of [`select`] tell.
fn read(
    connection: &Connection,
    row: &rusqlite::Row<'_>,
    as_of: Option<i64>,
) -> rusqlite::Result<Candidate> {
    let mut candidate = Candidate {
        session: Vec::new(),
        last_ts: row.get(3)?,
        first_ts: row.get(4)?,
        requests: row.get(5)?,
        attacks: row.get(6)?,
        denied: row.get(7)?,
        met: 0,
        value: 0,
        parts: Vec::new(),
    };
    if let Some(as_of) = as_of.filter(|as_of| candidate.last_ts > *as_of) {
        candidate.last_ts = last_before(connection, row.get(0)?, as_of)?;
    }
    Ok(candidate)
}

/// The statement that reads parts: only of the columns that the question needs, since it may go
/// over all parts of a day.
fn select(query: &SessionQuery) -> String {
    let (sort, filter) = (query.sort, &query.filter);
    let column = |name: &'static str, needed: bool| if needed { name } else { "0" };
    let period = filter.from.is_some() || filter.to.is_some();
    format!(
        "SELECT id, several_days, session, last_ts, {}, {}, {}, {} FROM part",
        column("first_ts", matches!(sort, Sort::FirstTs | Sort::Duration) || period),
        column("requests", sort == Sort::Requests),
        column("attacks", sort == Sort::Attacks || filter.attack.is_some()),
        column("denied", sort == Sort::Denied || filter.denied.is_some()),
    )
}

fn scan(
    connection: &Connection,
    day: Day,
    query: &SessionQuery,
    predicates: &Predicates,
    top: Top,
) -> rusqlite::Result<DayFound> {
    let mut found = DayFound { day, partial: false, total: 0, newest: 0, top, several: Vec::new() };
    let sets = Sets::load(connection, predicates)?;
    let as_of = found.top.as_of();
    let columns = select(query);
    let mut visit = |row: &rusqlite::Row<'_>| -> rusqlite::Result<()> {
        let id: i64 = row.get(0)?;
        let several: bool = row.get(1)?;
        let met = sets.met(id);
        if !several && !sets.all_met(met) {
            return Ok(());
        }
        let mut candidate = read(connection, row, as_of)?;
        candidate.met = met;
        candidate.met |= predicates.met_by_part(&query.filter, &candidate);
        found.newest = found.newest.max(candidate.last_ts);
        if several {
            candidate.session = key_bytes(row.get_ref(2)?);
            candidate.parts.push((day, id));
            found.several.push(candidate);
        } else if predicates.all_met(candidate.met, candidate.denied) {
            found.total += 1;
            // Most rows are not on this page: their ids are not copied.
            if found.top.may_take(&candidate) {
                candidate.session = key_bytes(row.get_ref(2)?);
                candidate.parts.push((day, id));
                found.top.offer(candidate);
            }
        }
        Ok(())
    };
    if let Some(session) = &query.filter.session {
        let mut statement = connection.prepare_cached(&format!("{columns} WHERE session = ?"))?;
        let mut rows = statement.query([Key(session)])?;
        while let Some(row) = rows.next()? {
            visit(row)?;
        }
        return Ok(found);
    }
    // "Not denied" must see all parts of a session.
    let few = sets.few().filter(|_| query.filter.denied != Some(false));
    let mut found_partial = false;
    match few {
        Some(ids) => {
            found_partial = true;
            // Parts of sessions of several days matter even where only one filter is met.
            let mut statement = connection.prepare_cached(&format!("{columns} WHERE id = ?"))?;
            for id in ids {
                let mut rows = statement.query([id])?;
                while let Some(row) = rows.next()? {
                    visit(row)?;
                }
            }
        }
        None => {
            // Parts are made in about the order of time: the page fills at once, and what comes
            // after is mostly not on it.
            let order = if query.ascending { "ASC" } else { "DESC" };
            let mut statement =
                connection.prepare_cached(&format!("{columns} ORDER BY id {order}"))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                visit(row)?;
            }
        }
    }
    found.partial = found_partial;
    Ok(found)
}

/// Time of the part's newest request up to `as_of`; [`NOT_YET`]: there was none.
fn last_before(connection: &Connection, part: i64, as_of: i64) -> rusqlite::Result<i64> {
    let last: Option<i64> = connection
        .prepare_cached("SELECT max(ts) FROM request WHERE part = ? AND ts <= ?")?
        .query_row([part, as_of], |row| row.get(0))?;
    Ok(last.unwrap_or(NOT_YET))
}

/// Sort value of a session that began after the first page was asked for.
pub(super) const NOT_YET: i64 = i64::MIN + 1;

/// Bytes that order sessions with equal sort values.
fn key_bytes(value: ValueRef<'_>) -> Vec<u8> {
    super::days::key_text(value).into_bytes()
}

/// The value that sorts, of a candidate.
pub(super) fn sort_value(sort: Sort, candidate: &Candidate) -> i64 {
    match sort {
        Sort::LastTs => candidate.last_ts,
        Sort::FirstTs => candidate.first_ts,
        Sort::Requests => candidate.requests,
        Sort::Attacks => candidate.attacks,
        Sort::Denied => candidate.denied,
        Sort::Duration => candidate.last_ts - candidate.first_ts,
    }
}
