//! Requests of a part in the order they began: entries of [`Index::Timeline`], of all runs.

use rusqlite::Connection;

use super::runs::{self, Entry, Index, Walk};

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

/// Time (ms of the day) of the newest request of each of the parts, which are in order, among the
/// requests up to `row`.
pub(super) fn last_up_to(
    connection: &Connection,
    parts: impl Iterator<Item = u64>,
    row: u64,
) -> rusqlite::Result<Vec<Option<u64>>> {
    let parts: Vec<u64> = parts.collect();
    let mut last = vec![None; parts.len()];
    // One walk a run for all parts: those of one moment lie in few of its chunks.
    for run in runs::load(connection, Index::Timeline)? {
        let mut walk: Option<Walk<'_>> = None;
        for (part, last) in parts.iter().zip(&mut last).filter(|(part, _)| run.may_hold(**part)) {
            let end = Entry { a: *part, b: u64::MAX >> 1, c: 0 };
            let walk = match &mut walk {
                Some(walk) => {
                    walk.move_down(end)?;
                    walk
                }
                None => walk.insert(Walk::down(connection, &run, end)?),
            };
            while let Some(entry) = walk.get().filter(|entry| entry.a == *part) {
                if entry.c <= row {
                    *last = (*last).max(Some(entry.b));
                    break;
                }
                walk.next_down()?;
            }
        }
    }
    Ok(last)
}

/// As [`last_up_to`], of the oldest request of one part.
pub(super) fn first_up_to(
    connection: &Connection,
    part: i64,
    row: i64,
) -> rusqlite::Result<Option<u64>> {
    let mut timeline = Timeline::new(connection, part, false, (0, 0))?;
    while let Some((time, at)) = timeline.next()? {
        if at <= row {
            return Ok(Some(time));
        }
    }
    Ok(None)
}
