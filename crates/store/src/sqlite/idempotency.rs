//! What of a batch is new to a day: the same batch is stored once, and of one that was cut on the way, the
//! retry brings the rest.

use rusqlite::{OptionalExtension, Transaction, params};

use crate::NewRequest;

/// A batch that was cut has no number of days yet: with this one it is never complete.
const NOT_COMPLETE: i64 = i64::MAX;

/// A portion of a batch, on its way into a day.
pub(super) struct Arriving<'a> {
    pub(super) key: &'a str,
    /// Days the whole batch has.
    pub(super) days: usize,
    /// [`crate::Batch::cut`]
    pub(super) cut: Option<u32>,
}

impl Arriving<'_> {
    /// Notes the batch in the day, and leaves in `requests` what the day does not have.
    ///
    /// In `requests` of the table, -1 minus the number of lines stands for a batch that was cut.
    pub(super) fn keep_new(
        &self,
        transaction: &Transaction<'_>,
        requests: &mut Vec<NewRequest>,
    ) -> rusqlite::Result<()> {
        let before: Option<i64> = transaction
            .prepare_cached("SELECT requests FROM batch WHERE key = ?")?
            .query_row([self.key], |row| row.get(0))
            .optional()?;
        let known = match before {
            None => 0,
            Some(0..) => {
                // All of it is there, however much of it comes now.
                requests.clear();
                return Ok(());
            }
            Some(cut) => -1 - cut,
        };
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
