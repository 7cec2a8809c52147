//! Requests of a session in order, and one request by its id.

use std::collections::BTreeMap;

use ahash::AHashSet;
use rusqlite::{Connection, OptionalExtension};

use super::codec::{Id, Key, session_key, unpack_places};
use super::content;
use super::damaged::damaged;
use super::index::Index;
use super::row::{self, SELECT};
use super::segment::{Segment, incomplete};
use super::segment_id::SegmentId;
use super::strings::Strings;
use api_sessions_store::query::{Paged, RequestQuery};
use api_sessions_store::{Day, Page, StoreError, StoredRequest, cursor};

/// Sort position of a request within its session.
type RequestPosition = (u64, SegmentId, u32);

/// A page of a session's requests; `segments` are those that the filter can match in.
pub(super) fn page(
    segments: &[Segment],
    query: &RequestQuery,
) -> Result<Page<StoredRequest>, StoreError> {
    let after = match query.verify_cursor("sqlite")? {
        None => None,
        Some(position) => Some(read_position(&position).ok_or_else(cursor::invalid)?),
    };
    let key = session_key(&query.session);
    let mut wanted: Vec<&Segment> = segments
        .iter()
        .filter(|segment| {
            after.is_none_or(|(ts, ..)| {
                let day = Day::of(ts);
                if query.descending { segment.id.day <= day } else { segment.id.day >= day }
            })
        })
        .collect();
    if query.descending {
        wanted.reverse();
    }
    // One more than the page size, to know whether there is another page. Segments of a day overlap.
    let mut found: Vec<(RequestPosition, StoredRequest)> = Vec::new();
    for of_day in wanted.chunk_by(|a, b| a.id.day == b.id.day) {
        let mut requests: Vec<_> = of_day
            .iter()
            .filter_map(|segment| read_segment(segment, query, &key, after))
            .flatten()
            .collect();
        requests.sort_by_key(|(place, _)| *place);
        if query.descending {
            requests.reverse();
        }
        found.extend(requests);
        if found.len() > query.limit {
            break;
        }
    }
    let more = found.len() > query.limit;
    found.truncate(query.limit);
    let next = found.last().filter(|_| more).map(|((ts, segment, row), _)| {
        query.sign_cursor(
            "sqlite",
            &[&ts.to_string(), &segment.number.to_string(), &row.to_string()],
        )
    });
    let items = found.into_iter().map(|(_, request)| request).collect();
    Ok(Page { items, next, incomplete: incomplete(segments) })
}

fn read_position(position: &[String]) -> Option<RequestPosition> {
    match position {
        [ts, number, row] => {
            let ts = ts.parse().ok()?;
            let id = SegmentId { day: Day::of(ts), number: number.parse().ok()? };
            Some((ts, id, row.parse().ok()?))
        }
        _ => None,
    }
}

/// The next requests of a segment, at most the page size and one.
fn read_segment(
    segment: &Segment,
    query: &RequestQuery,
    key: &Key,
    after: Option<RequestPosition>,
) -> Option<Vec<(RequestPosition, StoredRequest)>> {
    let parts = segment.find(key);
    if parts.is_empty() {
        return None;
    }
    let index = segment.index()?;
    segment.read(|connection| {
        let mut places = Vec::new();
        for part in &parts {
            places.extend(match &index {
                Index::Open(live) => live
                    .read()
                    .session(*part)
                    .map(|known| known.requests.clone())
                    .unwrap_or_default(),
                Index::Closed(_) => read_places(connection, *part)?,
            });
        }
        if parts.len() > 1 {
            places.sort_unstable();
        }
        if query.descending {
            places.reverse();
        }
        let (from, to) = (query.filter.from.unwrap_or(0), query.filter.to.unwrap_or(u64::MAX));
        let mut strings = Strings::new(connection);
        let mut statement = connection.prepare_cached(&SELECT)?;
        let mut found = Vec::new();
        for (time, row) in places {
            let ts = segment.id.day.start() + u64::from(time);
            let place = (ts, segment.id, row);
            let is_next = after.is_none_or(|after| match query.descending {
                true => place < after,
                false => place > after,
            });
            if !is_next || !(from..=to).contains(&ts) {
                continue;
            }
            let mut request = statement.query_row([row], |row| row::read(row, &mut strings))?;
            request.record.session = query.session.clone().into();
            if query.filter.matches(&request) {
                found.push((place, request));
                if found.len() > query.limit {
                    break;
                }
            }
        }
        Ok(found)
    })
}

/// Sessions with requests in each interval of `step`, and in the whole period.
pub(super) fn active_sessions(
    segments: &[Segment],
    from: u64,
    to: u64,
    step: u64,
) -> (Vec<(u64, u64)>, u64) {
    // Segments share sessions.
    let mut active: AHashSet<(u64, Key)> = AHashSet::new();
    for segment in segments {
        let (day, moved) = (segment.id.day.start(), segment.moved());
        let mut add = |number: u32, key: Key, places: &[(u32, u32)]| {
            let (key, mut last) = (moved.root(number).unwrap_or(key), None);
            for ts in places.iter().map(|(time, _)| day + u64::from(*time)) {
                if (from..=to).contains(&ts) && last.replace(ts / step) != Some(ts / step) {
                    active.insert((ts / step * step, key));
                }
            }
        };
        match segment.index() {
            None => {}
            Some(Index::Open(live)) => {
                let live = live.read();
                let numbered = (1u32..).zip(&live.sessions);
                numbered.for_each(|(number, one)| add(number, one.key, &one.requests));
            }
            Some(Index::Closed(_)) => drop(segment.read(|connection| {
                let mut statement = connection.prepare_cached(
                    "SELECT id, s.session, c.requests FROM session s JOIN session_count c ON c.session = id",
                )?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let places = row.get_ref(2)?.as_blob().unwrap_or_default();
                    add(row.get(0)?, row.get(1)?, &unpack_places(places).ok_or_else(damaged)?);
                }
                Ok(())
            })),
        }
    }
    let mut of_each: BTreeMap<u64, u64> = BTreeMap::new();
    active.iter().for_each(|(ts, _)| *of_each.entry(*ts).or_default() += 1);
    let all: AHashSet<Key> = active.into_iter().map(|(_, key)| key).collect();
    (of_each.into_iter().collect(), all.len() as u64)
}

/// Positions of the requests of a session in a closed segment, in order: ms since the day began, and row.
fn read_places(connection: &Connection, session: u32) -> rusqlite::Result<Vec<(u32, u32)>> {
    connection
        .prepare_cached("SELECT requests FROM session_count WHERE session = ?")?
        .query_row([session], |row| {
            unpack_places(row.get_ref(0)?.as_blob().unwrap_or_default()).ok_or_else(damaged)
        })
}

/// One request with its full content.
pub(super) fn by_id(segments: &[Segment], id: &str) -> Option<StoredRequest> {
    let key = session_key(id);
    segments.iter().rev().find_map(|segment| {
        let rows = match segment.index()? {
            Index::Open(live) => Some(live.read().rows_of_id(&key)),
            Index::Closed(_) => None,
        };
        if rows.as_ref().is_some_and(Vec::is_empty) {
            return None;
        }
        segment.read(|connection| read_by_id(segment, connection, id, rows.as_deref())).flatten()
    })
}

/// A request by its id, in an open segment, which has no index on ids: searches these ranges of rows.
fn read_by_id(
    segment: &Segment,
    connection: &Connection,
    id: &str,
    rows: Option<&[(u32, u32)]>,
) -> rusqlite::Result<Option<StoredRequest>> {
    let place = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let mut found: Option<(u32, u32)> = None;
    match rows {
        None => {
            found = connection
                .prepare_cached(
                    "SELECT row, session FROM request
                     WHERE substr(id, 1, 5) = substr(?1, 1, 5) AND id = ?1",
                )?
                .query_row([Id(id)], place)
                .optional()?;
        }
        Some(rows) => {
            let mut statement = connection.prepare_cached(
                "SELECT row, session FROM request WHERE row BETWEEN ? AND ? AND id = ?",
            )?;
            for (first, last) in rows {
                found = statement.query_row((first, last, Id(id)), place).optional()?;
                if found.is_some() {
                    break;
                }
            }
        }
    }
    let Some((row, session)) = found else { return Ok(None) };
    let mut strings = Strings::new(connection);
    let mut request =
        connection.prepare_cached(&SELECT)?.query_row([row], |row| row::read(row, &mut strings))?;
    request.record.session = segment.name(connection, session)?.into();
    if request.has_content {
        request.record.request = connection
            .prepare_cached("SELECT body FROM content WHERE request = ?")?
            .query_row([row], |row| {
                Ok(content::unpack(row.get_ref(0)?.as_blob().unwrap_or_default()))
            })
            .optional()?
            .flatten();
    }
    Ok(Some(request))
}
