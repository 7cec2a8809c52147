//! Connections that read and wait for the next question.

use parking_lot::Mutex;
use std::collections::BTreeMap;

use super::reader::Reader;
use crate::Day;

/// Connections kept for each day.
const OF_A_DAY: usize = 4;

/// Connections kept beyond one for each day. Each has a page cache and open files. One is always kept: who
/// stores a batch, or makes a list, asks all days in turn, and there may be hundreds.
const SPARE: usize = 64;

/// Idle connections of each day.
#[derive(Default)]
pub(super) struct Pool(Mutex<BTreeMap<Day, Vec<Reader>>>);

impl Pool {
    /// One that reads the day as it is now.
    pub(super) fn take(&self, day: Day) -> Option<Reader> {
        let reader = self.0.lock().get_mut(&day).and_then(Vec::pop);
        reader.filter(Reader::is_current)
    }

    /// Keeps one for the next question.
    pub(super) fn put(&self, day: Day, reader: Reader) {
        let mut idle = self.0.lock();
        let spare: usize = idle.values().map(|of_day| of_day.len().saturating_sub(1)).sum();
        let of_day = idle.entry(day).or_default();
        if of_day.is_empty() || of_day.len() < OF_A_DAY && spare < SPARE {
            of_day.push(reader);
        } else {
            // Closing takes a while: not under the lock.
            drop(idle);
            drop(reader);
        }
    }

    /// Closes those of a day.
    pub(super) fn close(&self, day: Day) {
        let closed = self.0.lock().remove(&day);
        drop(closed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn connections_of_many_days_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        drop(schema::open(&path, schema::DAY).unwrap());
        let reader = || Reader::open(&path).unwrap();
        let pool = Pool::default();
        for day in 0..100 {
            for _ in 0..6 {
                pool.put(Day(day), reader());
            }
        }
        let count = || pool.0.lock().values().map(Vec::len).sum::<usize>();
        assert_eq!(count(), 100 + SPARE);
        // All days asked in turn, again and again: each has its connection.
        for _ in 0..3 {
            for day in 0..100 {
                let reader = pool.take(Day(day)).expect("one is kept");
                pool.put(Day(day), reader);
            }
        }
        for _ in 0..OF_A_DAY {
            assert!(pool.take(Day(0)).is_some());
        }
        assert!(pool.take(Day(0)).is_none());
        pool.close(Day(38));
        assert!(pool.take(Day(38)).is_none() && pool.take(Day(37)).is_some());
    }
}
