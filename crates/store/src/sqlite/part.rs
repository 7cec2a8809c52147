//! Parts of sessions: what one segment has of a session, as far as a list needs it.

use std::collections::HashSet;

use ahash::RandomState;
use rusqlite::{Connection, OptionalExtension, Row};

use super::codec::{Facet, Key, unpack_counts};
use super::filter::{Predicates, Wanted};
use super::index::{Index, Linked};
use super::live::{Live, LiveSession, Numbers};
use super::requests::damaged;
use super::segment::Segment;
use crate::Day;

/// A part of a session. A list may have hundreds of thousands.
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

    /// Start of its oldest request, ms since 1970.
    pub(super) fn first(&self) -> u64 {
        self.day.start() + u64::from(self.first)
    }

    /// Start of its newest request, ms since 1970.
    pub(super) fn last(&self) -> u64 {
        self.day.start() + u64::from(self.last)
    }
}

/// Up to this many sessions of a closed segment are looked up; more are found by reading all of them.
const FEW: usize = 500;

/// What a scan of a segment finds.
pub(super) trait Found {
    /// A session that is in this segment alone and matches the filters by value.
    fn alone(&mut self, part: Part);
    /// A part of a session that is in other segments too.
    fn linked(&mut self, part: Part);
}

/// Keys of the parts that a scan saw; `None`: all of the segment.
pub(super) type Seen = Option<HashSet<Key, RandomState>>;

/// Looks through a segment; `whole`: at all of its sessions, even if few meet a filter. `None`: it cannot be read.
pub(super) fn scan(
    segment: &Segment,
    predicates: &Predicates,
    whole: bool,
    found: &mut impl Found,
) -> Option<Seen> {
    let linked = segment.linked();
    match segment.index()? {
        Index::Open(live) => {
            scan_live(&live.read(), segment.id.day, &linked, predicates, found);
            Some(None)
        }
        Index::Closed(closed) => segment.read(|connection| {
            let day = segment.id.day;
            let sets = Sets::load(connection, predicates, closed.sessions)?;
            match sets.few().filter(|_| predicates.has_values() && !whole) {
                Some(few) => scan_few(connection, day, &linked, &sets, &few, found).map(Some),
                None => scan_all(connection, day, &linked, &sets, predicates, found).map(|()| None),
            }
        }),
    }
}

fn scan_live(
    live: &Live,
    day: Day,
    linked: &Linked,
    predicates: &Predicates,
    found: &mut impl Found,
) {
    let wanted = predicates.of_live(live);
    for (id, session) in (1u32..).zip(&live.sessions) {
        let part = part_of_live(day, session, &wanted);
        if linked.has(id) {
            found.linked(part);
        } else if part.met == predicates.all_values() {
            found.alone(part);
        }
    }
}

fn part_of_live(day: Day, session: &LiveSession, wanted: &Wanted) -> Part {
    let met = |(n, values): (usize, &Vec<Facet>)| u32::from(session.has_one_of(values)) << n;
    let met = wanted.iter().enumerate().map(met).fold(0, |all, bit| all | bit);
    Part { met, ..Part::new(session.key, day, &session.numbers) }
}

const BY_ID: &str =
    "SELECT session, first_ts, last_ts, requests, attacks, denied, id FROM session WHERE id = ?";
const BY_KEY: &str = "SELECT session, first_ts, last_ts, requests, attacks, denied, id FROM session WHERE session = ?";

fn read_part(row: &Row<'_>, day: Day) -> rusqlite::Result<Part> {
    let number = |at| row.get::<_, i64>(at).map(|n| n as u64);
    let numbers = Numbers {
        first: number(1)?,
        last: number(2)?,
        requests: number(3)?,
        attacks: number(4)?,
        denied: number(5)?,
        ..Numbers::default()
    };
    Ok(Part::new(row.get(0)?, day, &numbers))
}

fn scan_all(
    connection: &Connection,
    day: Day,
    linked: &Linked,
    sets: &Sets,
    predicates: &Predicates,
    found: &mut impl Found,
) -> rusqlite::Result<()> {
    let mut statement =
        connection.prepare_cached("SELECT sessions FROM session_list ORDER BY id")?;
    let mut rows = statement.query([])?;
    let mut id = 0;
    while let Some(row) = rows.next()? {
        let (summaries, _) = row.get_ref(0)?.as_blob().unwrap_or_default().as_chunks();
        for summary in summaries {
            id += 1;
            let met = sets.met(id);
            if linked.has(id) {
                found.linked(Part { met, ..unpack(summary, day) });
            } else if met == predicates.all_values() {
                found.alone(Part { met, ..unpack(summary, day) });
            }
        }
    }
    Ok(())
}

/// Bytes of a session in `session_list`.
pub(super) const SUMMARY: usize = 36;

/// A session as it is in `session_list`, where all sessions of a segment are read at once: its key, then times
/// (ms since the day began) and counts, 4 bytes each, little-endian.
pub(super) fn pack(session: &LiveSession, day: Day) -> [u8; SUMMARY] {
    let part = Part::new(session.key, day, &session.numbers);
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

fn scan_few(
    connection: &Connection,
    day: Day,
    linked: &Linked,
    sets: &Sets,
    few: &[u32],
    found: &mut impl Found,
) -> rusqlite::Result<HashSet<Key, RandomState>> {
    let mut seen = HashSet::default();
    let mut statement = connection.prepare_cached(BY_ID)?;
    for id in few {
        let met = sets.met(*id);
        if !linked.has(*id) {
            if met.count_ones() as usize == sets.0.len() {
                let part = statement.query_row([id], |row| read_part(row, day))?;
                found.alone(Part { met, ..part });
            }
            continue;
        }
        let part = statement.query_row([id], |row| read_part(row, day))?;
        seen.insert(part.key);
        found.linked(Part { met, ..part });
    }
    Ok(seen)
}

/// The part of a session in a segment that was not scanned, or not all of it.
pub(super) fn look_up(
    segment: &Segment,
    key: &Key,
    predicates: &Predicates,
    wanted: &mut Option<Wanted>,
) -> Option<Part> {
    let day = segment.id.day;
    match segment.index()? {
        Index::Open(live) => {
            let live = live.read();
            let session = live.session(*live.by_key.get(key)?)?;
            let wanted = wanted.get_or_insert_with(|| predicates.of_live(&live));
            Some(part_of_live(day, session, wanted))
        }
        Index::Closed(closed) if !closed.bloom.may_have(key) => None,
        Index::Closed(_) => segment
            .peek(|connection| {
                let found = connection
                    .prepare_cached(BY_KEY)?
                    .query_row([key], |row| Ok((row.get::<_, u32>(6)?, read_part(row, day)?)))
                    .optional()?;
                let Some((id, part)) = found else { return Ok(None) };
                if !predicates.has_values() {
                    return Ok(Some(part));
                }
                let wanted = match wanted {
                    Some(wanted) => wanted,
                    None => wanted.insert(predicates.of_file(connection)?),
                };
                let counts = counts(connection, id)?;
                let mut met = 0;
                for (n, values) in wanted.iter().enumerate() {
                    let has = counts.iter().any(|count| values.binary_search(&count.0).is_ok());
                    met |= u32::from(has) << n;
                }
                Ok(Some(Part { met, ..part }))
            })
            .flatten(),
    }
}

/// How often a session of a closed segment has each value.
pub(super) fn counts(connection: &Connection, id: u32) -> rusqlite::Result<super::codec::Counts> {
    let bytes: Vec<u8> = connection
        .prepare_cached("SELECT counts FROM session_count WHERE session = ?")?
        .query_row([id], |row| row.get(0))?;
    unpack_counts(&bytes).ok_or_else(damaged)
}

/// Sessions of a closed segment that meet each filter by value, a set of bits for each.
struct Sets(Vec<Vec<u64>>);

impl Sets {
    fn load(
        connection: &Connection,
        predicates: &Predicates,
        sessions: u32,
    ) -> rusqlite::Result<Sets> {
        let mut sets = Vec::new();
        if !predicates.has_values() {
            return Ok(Sets(sets));
        }
        let mut statement = connection.prepare_cached(
            "SELECT session FROM session_value WHERE kind = ? AND value BETWEEN ? AND ?",
        )?;
        for values in predicates.of_file(connection)? {
            let mut set = vec![0u64; sessions as usize / 64 + 1];
            // A row of values without a gap is one look-up.
            for run in values.chunk_by(|a, b| a.to_bits() + 1 == b.to_bits()) {
                let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
                let mut rows = statement.query((first.kind(), first.string(), last.string()))?;
                while let Some(row) = rows.next()? {
                    let id: u32 = row.get(0)?;
                    if let Some(word) = set.get_mut(id as usize / 64) {
                        *word |= 1 << (id % 64);
                    }
                }
            }
            sets.push(set);
        }
        Ok(Sets(sets))
    }

    fn met(&self, id: u32) -> u32 {
        let has = |set: &Vec<u64>| {
            set.get(id as usize / 64).is_some_and(|word| word & (1 << (id % 64)) != 0)
        };
        self.0.iter().enumerate().fold(0, |met, (n, set)| met | u32::from(has(set)) << n)
    }

    /// The sessions that meet some filter, if they are few.
    fn few(&self) -> Option<Vec<u32>> {
        let words = self.0.first().map_or(0, Vec::len);
        let union: Vec<u64> = (0..words)
            .map(|at| self.0.iter().fold(0, |all, set| all | set.get(at).copied().unwrap_or(0)))
            .collect();
        let count: u32 = union.iter().map(|word| word.count_ones()).sum();
        (count as usize <= FEW).then(|| {
            let ids = 0..words as u32 * 64;
            ids.filter(|id| {
                union.get(*id as usize / 64).is_some_and(|word| word & (1 << (id % 64)) != 0)
            })
            .collect()
        })
    }
}
