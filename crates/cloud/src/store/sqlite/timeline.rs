//! Requests of a part in the order they began: entries of [`Index::Timeline`], of all runs.

use rusqlite::Connection;

use super::numbers::of_day;
use super::runs::{self, Entry, Index, Walk};
use super::sessions::NOT_YET;

/// Requests of one part in order, from a place on.
pub(super) struct Timeline<'a> {
    part: u64,
    descending: bool,
    walks: Vec<Walk<'a>>,
}

impl<'a> Timeline<'a> {
    /// From the time (in ms of the day) and row on, these included.
    pub(super) fn new(
        connection: &'a Connection,
        part: i64,
        descending: bool,
        (time, row): (u64, u64),
    ) -> rusqlite::Result<Timeline<'a>> {
        let part = part as u64;
        let start = Entry { a: part, b: time, c: row };
        let mut walks = Vec::new();
        for run in runs::load(connection, Index::Timeline)? {
            if run.may_hold(part) {
                walks.push(if descending {
                    Walk::down(connection, &run, start)?
                } else {
                    Walk::up(connection, &run, start)?
                });
            }
        }
        Ok(Timeline { part, descending, walks })
    }

    /// The next request: time, row.
    pub(super) fn next(&mut self) -> rusqlite::Result<Option<(u64, i64)>> {
        let part = self.part;
        let here = |walk: &Walk<'_>| walk.get().filter(|entry| entry.a == part);
        let heads = self.walks.iter_mut().filter_map(|walk| Some((here(walk)?, walk)));
        let next = if self.descending {
            heads.max_by_key(|(entry, _)| *entry)
        } else {
            heads.min_by_key(|(entry, _)| *entry)
        };
        let Some((entry, walk)) = next else { return Ok(None) };
        if self.descending {
            walk.next_down()?;
        } else {
            walk.next_up()?;
        }
        Ok(Some((entry.b, entry.c as i64)))
    }
}

/// Time (ms since 1970) of the newest request up to `as_of` of each of the parts, which are in order;
/// [`NOT_YET`]: there was none.
pub(super) fn last_before(
    connection: &Connection,
    parts: &[i64],
    as_of: i64,
) -> rusqlite::Result<Vec<i64>> {
    let mut last = vec![NOT_YET; parts.len()];
    // The day is that of any of its requests.
    let Some(start) = connection
        .prepare_cached("SELECT ts FROM request LIMIT 1")?
        .query_map([], |row| row.get::<_, i64>(0))?
        .next()
        .transpose()?
        .map(|ts| ts - of_day(ts as u64) as i64)
    else {
        return Ok(last);
    };
    let Ok(time) = u64::try_from(as_of.saturating_sub(start)) else { return Ok(last) };
    // One walk a run for all parts: those of one moment lie in few of its chunks.
    for run in runs::load(connection, Index::Timeline)? {
        let mut walk: Option<Walk<'_>> = None;
        for (part, last) in parts.iter().zip(&mut last) {
            let part = *part as u64;
            if !run.may_hold(part) {
                continue;
            }
            let place = Entry { a: part, b: time, c: u64::MAX >> 1 };
            let walk = match &mut walk {
                Some(walk) => {
                    walk.move_down(place)?;
                    walk
                }
                None => walk.insert(Walk::down(connection, &run, place)?),
            };
            if let Some(entry) = walk.get().filter(|entry| entry.a == part) {
                *last = (*last).max(start + entry.b as i64);
            }
        }
    }
    Ok(last)
}
