//! Connections that read and wait for the next question.

use std::sync::Mutex;

use super::days::lock;
use super::reader::Reader;
use crate::store::Day;

/// Connections kept for each day.
const OF_A_DAY: usize = 4;

/// Connections kept in all. Each has a page cache and open files, and there may be many days.
const IN_ALL: usize = 64;

/// Idle connections, those that waited longest first.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<(Day, Reader)>>);

impl Pool {
    /// One that reads the day as it is now.
    pub(super) fn take(&self, day: Day) -> Option<Reader> {
        let mut idle = lock(&self.0);
        let at = idle.iter().rposition(|(of, _)| *of == day)?;
        let (_, reader) = idle.remove(at);
        drop(idle);
        Some(reader).filter(Reader::is_current)
    }

    /// Keeps one for the next question.
    pub(super) fn put(&self, day: Day, reader: Reader) {
        let mut idle = lock(&self.0);
        if idle.iter().filter(|(of, _)| *of == day).count() >= OF_A_DAY {
            return;
        }
        if idle.len() >= IN_ALL {
            idle.remove(0);
        }
        idle.push((day, reader));
    }

    /// Closes those of a day.
    pub(super) fn close(&self, day: Day) {
        lock(&self.0).retain(|(of, _)| *of != day);
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
        for day in 0..40 {
            for _ in 0..6 {
                pool.put(Day(day), reader());
            }
        }
        assert_eq!(lock(&pool.0).len(), IN_ALL);
        assert!(pool.take(Day(0)).is_none(), "it waited longest");
        for _ in 0..OF_A_DAY {
            assert!(pool.take(Day(39)).is_some());
        }
        assert!(pool.take(Day(39)).is_none());
        pool.close(Day(38));
        assert!(pool.take(Day(38)).is_none() && pool.take(Day(37)).is_some());
    }
}
