//! Requests of a session in order, and one request by its id.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension};

use super::body;
use super::content;
use super::days::{DayFile, Strings, find_part, incomplete, key_text};
use super::part::{id_hash, shorten};
use super::runs::{self, Index};
use super::timeline::Timeline;
use crate::query::{Paged, RequestQuery};
use crate::{DAY_MS, Day, Page, StoreError, StoredRequest, cursor};

/// Where a page begins: after this request.
#[derive(Clone, Copy)]
struct After {
    ts: i64,
    row: i64,
}

/// A page of a session's requests; `days` are those that its filter can match in.
pub(super) fn page(
    days: &[Arc<DayFile>],
    query: &RequestQuery,
) -> Result<Page<StoredRequest>, StoreError> {
    let after = match query.verify_cursor("sqlite")? {
        None => None,
        Some(position) => Some(read_position(&position).ok_or_else(cursor::invalid)?),
    };
    let mut wanted: Vec<_> = days
        .iter()
        .filter(|file| {
            after.is_none_or(|after| {
                let day = Day::of(after.ts as u64);
                if query.descending { file.day <= day } else { file.day >= day }
            })
        })
        .collect();
    if query.descending {
        wanted.reverse();
    }
    // One more than the page, to know whether there is another page.
    let mut found: Vec<(i64, StoredRequest)> = Vec::new();
    for file in wanted {
        let after = after.filter(|after| Day::of(after.ts as u64) == file.day);
        let wanted = query.limit + 1 - found.len();
        let of_day =
            file.read(|connection| read_day(connection, query, file.day.start(), after, wanted));
        found.extend(of_day.unwrap_or_default());
        if found.len() > query.limit {
            break;
        }
    }
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| more).map(|(row, request)| {
        query.sign_cursor("sqlite", &[&request.record.ts.to_string(), &row.to_string()])
    });
    let items = found.into_iter().map(|(_, request)| request).collect();
    Ok(Page { items, next, incomplete: incomplete(days) })
}

fn read_position(position: &[String]) -> Option<After> {
    match position {
        [ts, row] => Some(After { ts: ts.parse().ok()?, row: row.parse().ok()? }),
        _ => None,
    }
}

fn read_day(
    connection: &Connection,
    query: &RequestQuery,
    day_start: u64,
    after: Option<After>,
    wanted: usize,
) -> rusqlite::Result<Vec<(i64, StoredRequest)>> {
    let Some(part) = find_part(connection, &query.session)? else { return Ok(Vec::new()) };
    let mut strings = Strings::new(connection);
    // What of the day is asked for, in ms of the day.
    let of_day = |ts: u64| ts.max(day_start).saturating_sub(day_start).min(DAY_MS);
    let from = of_day(query.filter.from.unwrap_or(0));
    let to = of_day(query.filter.to.unwrap_or(u64::MAX));
    let end = if query.descending { (to, u64::MAX >> 1) } else { (from, 0) };
    let start = match after {
        None => end,
        Some(After { ts, row }) => {
            let after = (of_day(ts as u64), row as u64);
            if query.descending { after.min(end) } else { after.max(end) }
        }
    };
    let after = after.map(|after| (of_day(after.ts as u64), after.row));
    let mut timeline = Timeline::new(connection, part, query.descending, start)?;
    let mut statement = connection.prepare_cached("SELECT ts, body FROM request WHERE id = ?")?;
    let mut found = Vec::new();
    while found.len() < wanted {
        let Some((time, row)) = timeline.next()? else { break };
        if !(from..=to).contains(&time) {
            break;
        }
        // The cursor's own.
        if after == Some((time, row)) {
            continue;
        }
        let request = statement.query_row([row], |columns| {
            read_request(columns.get(0)?, columns.get_ref(1)?, &query.session, &mut strings)
        })?;
        if query.filter.matches(&request) {
            found.push((row, request));
        }
    }
    Ok(found)
}

fn read_request(
    ts: i64,
    bytes: ValueRef<'_>,
    session: &str,
    strings: &mut Strings<'_>,
) -> rusqlite::Result<StoredRequest> {
    let mut request =
        body::decode(bytes.as_blob().unwrap_or_default(), strings).ok_or_else(damaged)?;
    request.record.ts = ts as u64;
    request.record.session = session.to_owned().into();
    Ok(request)
}

pub(super) fn damaged() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
        Some("this file is damaged".into()),
    )
}

/// One request with its full content.
pub(super) fn by_id(days: &[Arc<DayFile>], id: &str) -> Option<StoredRequest> {
    days.iter().rev().find_map(|file| file.read(|connection| read_by_id(connection, id)).flatten())
}

fn read_by_id(connection: &Connection, id: &str) -> rusqlite::Result<Option<StoredRequest>> {
    let mut strings = Strings::new(connection);
    let hash = shorten(id_hash(id));
    for entry in runs::of(connection, &runs::load(connection, Index::Ids)?, hash)? {
        let row = entry.b as i64;
        let mut request = connection
            .prepare_cached(
                "SELECT ts, body, session FROM request JOIN part ON part.id = request.part
                 WHERE request.id = ?",
            )?
            .query_row([row], |columns| {
                let session = key_text(columns.get_ref(2)?);
                read_request(columns.get(0)?, columns.get_ref(1)?, &session, &mut strings)
            })?;
        if request.record.id != id {
            continue;
        }
        if request.has_content {
            request.record.request = connection
                .prepare_cached("SELECT body FROM content WHERE request = ?")?
                .query_row([row], |row| {
                    Ok(content::unpack(row.get_ref(0)?.as_blob().unwrap_or_default()))
                })
                .optional()?
                .flatten();
        }
        return Ok(Some(request));
    }
    Ok(None)
}
