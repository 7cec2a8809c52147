//! Deduplication of batches: the same batch is stored once; for a truncated batch, the retry adds the rest.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::codec::batch_key;
use super::index::Index;
use super::segment::{SegmentId, Segments};
use api_sessions_store::{Day, NewRequest};

/// Number of days of a truncated batch, which is unknown: with this value the batch never counts as complete.
const NOT_COMPLETE: i64 = i64::MAX;

/// The portion of a batch being written to one day.
pub(super) struct Arriving<'a> {
    pub(super) key: &'a str,
    /// The day's segment.
    pub(super) segment: SegmentId,
    /// All days of the whole batch.
    pub(super) days: usize,
    /// [`api_sessions_store::Batch::cut`]
    pub(super) cut: Option<u32>,
}

/// What a segment records of a batch: its requests, or for a truncated batch -1 minus its number of lines;
/// and its days.
type Known = (i64, i64);

impl Arriving<'_> {
    /// Records the batch in its segment and removes from `requests` what is already stored.
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
        // Stored completely before, however much arrives now: either this day's portion is, or as many other
        // days have a portion as the batch has days. A batch that a crash interrupted between two days is not
        // complete: its missing day is still accepted.
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
