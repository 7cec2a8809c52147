//! What of a batch is new: the same batch is stored once, and of one that was cut on the way, the retry brings
//! the rest.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::codec::batch_key;
use super::index::Index;
use super::segment::{SegmentId, Segments};
use api_sessions_store::{Day, NewRequest};

/// A batch that was cut has no number of days yet: with this one it is never complete.
const NOT_COMPLETE: i64 = i64::MAX;

/// A portion of a batch, on its way into a day.
pub(super) struct Arriving<'a> {
    pub(super) key: &'a str,
    /// Where it goes.
    pub(super) segment: SegmentId,
    /// Days the whole batch has.
    pub(super) days: usize,
    /// [`api_sessions_store::Batch::cut`]
    pub(super) cut: Option<u32>,
}

/// What a segment knows of a batch: requests, or -1 minus the number of lines of one that was cut; and days.
type Known = (i64, i64);

impl Arriving<'_> {
    /// Notes the batch in its segment, and leaves in `requests` what is not stored yet.
    pub(super) fn keep_new(
        &self,
        transaction: &Transaction<'_>,
        segments: &Segments,
        requests: &mut Vec<NewRequest>,
    ) -> rusqlite::Result<()> {
        let here = find(transaction, self.key)?;
        let mut of_day: Vec<Known> = here.into_iter().collect();
        let mut other_days: BTreeSet<Day> = BTreeSet::new();
        let mut all_days = i64::MAX;
        let hash = batch_key(self.key);
        for segment in segments.list().iter().filter(|segment| segment.id != self.segment) {
            if let Some(Index::Closed(closed)) = segment.index()
                && !closed.bloom.may_have(&hash)
            {
                continue;
            }
            let Some(Some(known)) = segment.peek(|connection| find(connection, self.key)) else {
                continue;
            };
            if segment.id.day == self.segment.day {
                of_day.push(known);
            } else {
                other_days.insert(segment.id.day);
                all_days = all_days.min(known.1);
            }
        }
        // All of it is there, however much of it comes now. All days of the batch may be other days: then it
        // came before, whatever is in it now. A batch that a crash cut between two days is not complete, and its
        // missing day is still taken.
        let is_stored = of_day.iter().any(|known| known.0 >= 0);
        if is_stored || of_day.is_empty() && other_days.len() as i64 >= all_days {
            requests.clear();
            return Ok(());
        }
        let known = of_day.iter().map(|known| -1 - known.0).max().unwrap_or_default();
        let count = requests.len();
        requests.retain(|request| i64::from(request.line) >= known);
        let (noted, days) = match self.cut {
            Some(lines) => (-1 - i64::from(lines).max(known), NOT_COMPLETE),
            None => (count as i64, self.days as i64),
        };
        transaction
            .prepare_cached("INSERT OR REPLACE INTO batch VALUES (?, ?, ?)")?
            .execute(params![self.key, noted, days])?;
        Ok(())
    }
}

fn find(connection: &Connection, key: &str) -> rusqlite::Result<Option<Known>> {
    connection
        .prepare_cached("SELECT requests, days FROM batch WHERE key = ?")?
        .query_row([key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}
