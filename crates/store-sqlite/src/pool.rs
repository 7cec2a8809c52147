//! Idle read connections.

use parking_lot::Mutex;
use std::collections::BTreeMap;

use super::reader::Reader;
use super::segment_id::SegmentId;

/// Connections kept for each segment.
const OF_A_SEGMENT: usize = 4;

/// Connections kept beyond one per segment; each has a page cache and open files. One is always kept: storing
/// a batch and listing sessions query all segments in turn, and there may be hundreds.
const SPARE: usize = 16;

/// Idle connections of each segment.
#[derive(Default)]
pub(super) struct Pool(Mutex<BTreeMap<SegmentId, Vec<Reader>>>);

impl Pool {
    /// A connection that sees the current content of the segment.
    pub(super) fn take(&self, id: SegmentId) -> Option<Reader> {
        let reader = self.0.lock().get_mut(&id).and_then(Vec::pop);
        reader.filter(Reader::is_current)
    }

    /// Returns a connection to the pool.
    pub(super) fn put(&self, id: SegmentId, reader: Reader) {
        let mut idle = self.0.lock();
        let spare: usize = idle.values().map(|of_segment| of_segment.len().saturating_sub(1)).sum();
        let of_segment = idle.entry(id).or_default();
        if of_segment.is_empty() || of_segment.len() < OF_A_SEGMENT && spare < SPARE {
            of_segment.push(reader);
        } else {
            // Closing takes time, so it happens outside the lock.
            drop(idle);
            drop(reader);
        }
    }

    /// Closes the connections of a segment.
    pub(super) fn close(&self, id: SegmentId) {
        let closed = self.0.lock().remove(&id);
        drop(closed);
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;
    use api_sessions_store::Day;

    #[test]
    fn connections_of_many_segments_are_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        drop(schema::open(&path, schema::CONTROL).unwrap());
        let reader = || Reader::open(&path).unwrap();
        let pool = Pool::default();
        let id = |n: u32| SegmentId { day: Day(n / 3), number: n % 3 };
        for day in 0..100 {
            for _ in 0..6 {
                pool.put(id(day), reader());
            }
        }
        let count = || pool.0.lock().values().map(Vec::len).sum::<usize>();
        assert_eq!(count(), 100 + SPARE);
        // All days queried in turn, repeatedly: each keeps its connection.
        for _ in 0..3 {
            for day in 0..100 {
                let reader = pool.take(id(day)).expect("one is kept");
                pool.put(id(day), reader);
            }
        }
        for _ in 0..OF_A_SEGMENT {
            assert!(pool.take(id(0)).is_some());
        }
        assert!(pool.take(id(0)).is_none());
        pool.close(id(38));
        assert!(pool.take(id(38)).is_none() && pool.take(id(37)).is_some());
    }
}
