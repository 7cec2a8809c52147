//! Parts of sessions: what one segment has of a session, as far as a list needs it.

use rusqlite::Connection;

use super::codec::{Counts, Facet, Key};
use super::detail;
use super::filter::{Predicates, Wanted};
use super::index::Index;
use super::live::Numbers;
use super::segment::Segment;
use super::values::{Sets, has_one_of};
use crate::Day;

/// A part of a session. A list looks at hundreds of thousands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) key: Key,
    pub(super) day: Day,
    /// Start of its oldest and of its newest request, ms since the day began.
    first: u32,
    last: u32,
    pub(super) requests: u32,
    pub(super) attacks: u32,
    pub(super) denied: u32,
    /// The filters by value that it meets, a bit each.
    pub(super) met: u32,
}

impl Part {
    fn new(key: Key, day: Day, numbers: &Numbers) -> Part {
        let short = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        let start = day.start();
        Part {
            key,
            day,
            first: short(numbers.first.saturating_sub(start)),
            last: short(numbers.last.saturating_sub(start)),
            requests: short(numbers.requests),
            attacks: short(numbers.attacks),
            denied: short(numbers.denied),
            met: 0,
        }
    }

    fn of(key: Key, day: Day, numbers: &Numbers, counts: &Counts, wanted: &Wanted) -> Part {
        let met = |(n, values): (usize, &Vec<Facet>)| u32::from(has_one_of(counts, values)) << n;
        let met = wanted.iter().enumerate().map(met).fold(0, |all, bit| all | bit);
        Part { met, ..Part::new(key, day, numbers) }
    }

    /// Start of its oldest request, ms since 1970.
    pub(super) fn first(&self) -> u64 {
        self.day.start() + u64::from(self.first)
    }

    /// Start of its newest request, ms since 1970.
    pub(super) fn last(&self) -> u64 {
        self.day.start() + u64::from(self.last)
    }
}

/// Looks through a segment. `each` gets the parts that meet all filters by value, and those of sessions that are in
/// other segments too, with the number of those segments. `None`: it cannot be read.
pub(super) fn scan(
    segment: &Segment,
    predicates: &Predicates,
    each: &mut impl FnMut(Part, usize),
) -> Option<()> {
    let (others, day, all) = (segment.others(), segment.id.day, predicates.all_values());
    match segment.index()? {
        Index::Open(live) => {
            let live = live.read();
            let wanted = predicates.of_live(&live);
            for (id, session) in (1u32..).zip(&live.sessions) {
                let others = others.of(id);
                let part = Part::of(session.key, day, &session.numbers, &session.counts, &wanted);
                if others > 0 || part.met == all {
                    each(part, others);
                }
            }
            Some(())
        }
        Index::Closed(closed) => segment.read(|connection| {
            let sets = Sets::load(connection, predicates, closed.sessions)?;
            let mut statement =
                connection.prepare_cached("SELECT sessions FROM session_list ORDER BY id")?;
            let mut rows = statement.query([])?;
            let mut id = 0;
            while let Some(row) = rows.next()? {
                for packed in row.get_ref(0)?.as_blob().unwrap_or_default().as_chunks().0 {
                    id += 1;
                    let (others, met) = (others.of(id), sets.met(id));
                    if others > 0 || met == all {
                        each(Part { met, ..unpack(packed, day) }, others);
                    }
                }
            }
            Ok(())
        }),
    }
}

/// The part of a session in a segment. `wanted` keeps what the filters look for there.
pub(super) fn look_up(
    segment: &Segment,
    key: &Key,
    predicates: &Predicates,
    wanted: &mut Option<Wanted>,
) -> Option<Part> {
    let (id, day) = (segment.find(key)?, segment.id.day);
    match segment.index()? {
        Index::Open(live) => {
            let live = live.read();
            let session = live.session(id)?;
            let wanted = wanted.get_or_insert_with(|| predicates.of_live(&live));
            Some(Part::of(*key, day, &session.numbers, &session.counts, wanted))
        }
        Index::Closed(_) => segment.read(|connection| {
            let numbers = detail::read_numbers(connection, id)?;
            if !predicates.has_values() {
                return Ok(Part::new(*key, day, &numbers));
            }
            let wanted = match wanted {
                Some(wanted) => wanted,
                None => wanted.insert(predicates.of_file(connection)?),
            };
            let counts = detail::read_counts(connection, id)?;
            Ok(Part::of(*key, day, &numbers, &counts, wanted))
        }),
    }
}

/// The keys of sessions of a closed segment.
pub(super) fn keys(connection: &Connection, ids: &[u32]) -> rusqlite::Result<Vec<Key>> {
    let mut statement = connection.prepare_cached("SELECT session FROM session WHERE id = ?")?;
    ids.iter().map(|id| statement.query_row([id], |row| row.get(0))).collect()
}

/// Bytes of a session in `session_list`.
const SUMMARY: usize = 36;

/// A session as it is in `session_list`, where all sessions of a segment are read at once: its key, then times
/// (ms since the day began) and counts, 4 bytes each, little-endian.
pub(super) fn pack(key: Key, numbers: &Numbers, day: Day) -> [u8; SUMMARY] {
    let part = Part::new(key, day, numbers);
    let mut packed = [0; SUMMARY];
    let (key, rest) = packed.split_at_mut(part.key.len());
    key.copy_from_slice(&part.key);
    let fields = [part.first, part.last, part.requests, part.attacks, part.denied];
    for (to, field) in rest.chunks_exact_mut(4).zip(fields) {
        to.copy_from_slice(&field.to_le_bytes());
    }
    packed
}

/// Reads [`pack`].
fn unpack(packed: &[u8; SUMMARY], day: Day) -> Part {
    let (key, rest) = packed.split_at(16);
    let mut fields = rest.as_chunks().0.iter().map(|field| u32::from_le_bytes(*field));
    let mut next = || fields.next().unwrap_or_default();
    Part {
        key: key.try_into().unwrap_or_default(),
        day,
        first: next(),
        last: next(),
        requests: next(),
        attacks: next(),
        denied: next(),
        met: 0,
    }
}
