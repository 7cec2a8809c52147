//! Requests of all sessions in the order they started.

use std::collections::HashMap;
use std::ops::ControlFlow;

use rusqlite::{Connection, params};

use super::activity;
use super::damaged::damaged;
use super::row::{self, Column, SELECT};
use super::segment::{Segment, incomplete};
use super::strings::Strings;
use api_sessions_store::replay::{CHUNK, SLICE, Visit, slices};
use api_sessions_store::{Activity, ReplayQuery, StoredRequest};

/// Calls `visit` with the requests of a period; `segments` are those of its days, and `activity` is theirs
/// within it. Returns the days that could not be read completely.
pub(super) fn run(
    segments: &[Segment],
    query: &ReplayQuery,
    activity: &[Activity],
    visit: &mut Visit<'_>,
) -> Vec<String> {
    for slice in slices(query, activity, SLICE) {
        if run_slice(segments, query.with_rules, slice, visit).is_break() {
            break;
        }
    }
    incomplete(segments)
}

/// Position of a request: its start, the index of its segment in the list, its row.
type RowPosition = (u64, usize, u32);

fn run_slice(
    segments: &[Segment],
    with_rules: bool,
    (first, last): (u64, u64),
    visit: &mut Visit<'_>,
) -> ControlFlow<()> {
    let mut places: Vec<RowPosition> = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        let day = segment.id.day.start();
        if day > last || day + api_sessions_store::DAY_MS <= first {
            continue;
        }
        let of_segment = segment.read(|connection| {
            // There is no index on times; the time range lets most segments be skipped.
            if activity::read(connection, first, last)?.is_empty() {
                return Ok(Vec::new());
            }
            let sql = match with_rules {
                // An index of closed segments covers these columns.
                true => {
                    "SELECT ts, row FROM request WHERE ts BETWEEN ? AND ? AND rules IS NOT NULL"
                }
                false => "SELECT ts, row FROM request WHERE ts BETWEEN ? AND ?",
            };
            connection
                .prepare_cached(sql)?
                .query_map(params![number(first), number(last)], |row| {
                    Ok((row.get::<_, i64>(0)? as u64, at, row.get(1)?))
                })?
                .collect::<rusqlite::Result<Vec<RowPosition>>>()
        });
        places.extend(of_segment.unwrap_or_default());
    }
    places.sort_unstable();
    for chunk in places.chunks(CHUNK) {
        for request in read(segments, chunk).into_iter().flatten() {
            visit(request)?;
        }
    }
    ControlFlow::Continue(())
}

fn number(ts: u64) -> i64 {
    i64::try_from(ts).unwrap_or(i64::MAX)
}

/// Reads the requests at these positions, in order; `None`: a segment cannot be read.
fn read(segments: &[Segment], places: &[RowPosition]) -> Vec<Option<StoredRequest>> {
    let mut found: Vec<Option<StoredRequest>> = Vec::new();
    found.resize_with(places.len(), || None);
    let mut of_segments: Vec<(usize, u32, &mut Option<StoredRequest>)> =
        places.iter().zip(&mut found).map(|(&(_, at, row), slot)| (at, row, slot)).collect();
    of_segments.sort_unstable_by_key(|(at, row, _)| (*at, *row));
    for of_segment in of_segments.chunk_by_mut(|a, b| a.0 == b.0) {
        let Some(segment) = of_segment.first().and_then(|(at, ..)| segments.get(*at)) else {
            continue;
        };
        segment.read(|connection| read_rows(segment, connection, of_segment));
    }
    found
}

fn read_rows(
    segment: &Segment,
    connection: &Connection,
    rows: &mut [(usize, u32, &mut Option<StoredRequest>)],
) -> rusqlite::Result<()> {
    let mut strings = Strings::new(connection);
    let mut sessions: HashMap<u32, String> = HashMap::new();
    let mut statement = connection.prepare_cached(&SELECT)?;
    for (_, row, slot) in rows {
        let (mut request, session) = statement.query_row([*row], |row| {
            let session: u32 = row.get(Column::session as usize)?;
            Ok((row::read(row, &mut strings)?, session))
        })?;
        let name = match sessions.get(&session) {
            Some(name) => name.clone(),
            None => {
                let name = segment.name(connection, session).map_err(|_| damaged())?;
                sessions.insert(session, name.clone());
                name
            }
        };
        request.record.session = name.into();
        **slot = Some(request);
    }
    Ok(())
}
