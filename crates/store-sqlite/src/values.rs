//! Sessions of a segment by value; for a closed segment from the table `session_value`.

use rusqlite::Connection;

use super::bits::Bits;
use super::codec::{Counts, Facet, Key, unpack_ids};
use super::damaged::damaged;
use super::detail;
use super::filter::{Predicates, Wanted};
use super::index::Index;
use super::live::LiveSession;
use super::moved::MovedHere;
use super::segment::Segment;

/// Whether a session with these counts has one of the values. Both are sorted.
pub(super) fn has_one_of(counts: &Counts, values: &[Facet]) -> bool {
    let has = |value: &Facet| counts.binary_search_by_key(value, |count| count.0).is_ok();
    if values.len() <= counts.len() {
        values.iter().any(has)
    } else {
        counts.iter().any(|(value, _)| values.binary_search(value).is_ok())
    }
}

/// Calls `each` with the sessions of a closed segment that have one of the values, until it returns `false`.
fn with_one_of(
    connection: &Connection,
    values: &[Facet],
    mut each: impl FnMut(u32) -> bool,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT sessions FROM session_value WHERE kind = ? AND value BETWEEN ? AND ?",
    )?;
    // Consecutive values are read by one range query.
    for run in values.chunk_by(|a, b| a.to_bits() + 1 == b.to_bits()) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
        let mut rows = statement.query((first.kind(), first.string(), last.string()))?;
        while let Some(row) = rows.next()? {
            for id in unpack_ids(row.get_ref(0)?.as_blob().unwrap_or_default()) {
                if !each(id.ok_or_else(damaged)?) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Sessions of a closed segment that meet each value filter.
pub(super) struct Sets(Vec<Bits>);

impl Sets {
    pub(super) fn load(
        connection: &Connection,
        predicates: &Predicates,
        sessions: u32,
    ) -> rusqlite::Result<Sets> {
        let mut sets = Vec::new();
        for values in predicates.of_file(connection)? {
            let mut set = Bits::default();
            with_one_of(connection, &values, |id| {
                // A number out of range means a damaged file.
                if id <= sessions {
                    set.insert(id);
                }
                true
            })?;
            sets.push(set);
        }
        Ok(Sets(sets))
    }

    /// The value filters that a session meets, one bit each.
    pub(super) fn met(&self, id: u32) -> u32 {
        self.0.iter().enumerate().fold(0, |met, (n, set)| met | u32::from(set.has(id)) << n)
    }
}

/// If at most `most` sessions meet one of the value filters, all sessions that meet it: no others can match.
/// `None`: every filter is met by more, or there is none.
pub(super) fn few(segments: &[Segment], predicates: &Predicates, most: usize) -> Option<Vec<Key>> {
    let mut found: Vec<Option<Vec<Key>>> =
        vec![Some(Vec::new()); predicates.all_values().count_ones() as usize];
    for segment in segments {
        if found.iter().all(Option::is_none) {
            return None;
        }
        let moved = segment.moved();
        let of_segment = match segment.index() {
            None => continue,
            Some(Index::Open(live)) => {
                let live = live.read();
                let of_live = |values: &Vec<Facet>| {
                    let sessions = (1u32..).zip(&live.sessions);
                    let met = sessions.filter(|(_, known)| has_one_of(&known.counts, values));
                    let key = |(number, known): (u32, &LiveSession)| {
                        moved.root(number).unwrap_or(known.key)
                    };
                    met.take(most + 1).map(key).collect()
                };
                predicates.of_live(&live).iter().map(of_live).collect()
            }
            Some(Index::Closed(_)) => {
                let read = |connection: &Connection| {
                    few_of_file(connection, &predicates.of_file(connection)?, most, &moved)
                };
                segment.read(read).unwrap_or_default()
            }
        };
        let of_segment: Vec<Vec<Key>> = of_segment;
        for (all, some) in found.iter_mut().zip(of_segment) {
            if let Some(keys) = all {
                keys.extend(some);
                if keys.len() > most {
                    *all = None;
                }
            }
        }
    }
    let mut keys = found.into_iter().flatten().min_by_key(Vec::len)?;
    keys.sort_unstable();
    keys.dedup();
    Some(keys)
}

/// For each filter the sessions that meet it, at most `most` + 1.
fn few_of_file(
    connection: &Connection,
    wanted: &Wanted,
    most: usize,
    moved: &MovedHere,
) -> rusqlite::Result<Vec<Vec<Key>>> {
    let of = |values: &Vec<Facet>| {
        let mut ids = Vec::new();
        with_one_of(connection, values, |id| {
            ids.push(id);
            ids.len() <= most
        })?;
        let key = |id: &u32| moved.root(*id).map_or_else(|| detail::key(connection, *id), Ok);
        ids.iter().map(key).collect()
    };
    wanted.iter().map(of).collect()
}
