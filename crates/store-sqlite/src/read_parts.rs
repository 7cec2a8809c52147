//! Reads the parts of sessions in a segment, open or closed.

use super::codec::{Counts, Facet, Key};
use super::detail;
use super::filter::{Predicates, Wanted};
use super::index::Index;
use super::live::{LiveSession, Numbers};
use super::part::Part;
use super::segment::Segment;
use super::segment_snapshot::SegmentSnapshot;
use super::values::{Sets, has_one_of};
use api_sessions_store::Day;

/// A part. `values`: the value filters that it meets.
fn part_of(key: Key, numbers: &Numbers, values: u32, predicates: &Predicates) -> Part {
    let short = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let part = Part {
        key,
        first: numbers.first,
        last: numbers.last,
        requests: short(numbers.requests),
        attacks: short(numbers.attacks),
        denied: short(numbers.denied),
        met: values,
    };
    Part { met: values | predicates.met(&part), ..part }
}

/// The value filters that a session with these counts meets, one bit each.
fn met(counts: &Counts, wanted: &Wanted) -> u32 {
    let met = |(n, values): (usize, &Vec<Facet>)| u32::from(has_one_of(counts, values)) << n;
    wanted.iter().enumerate().map(met).fold(0, |all, bit| all | bit)
}

/// All parts of a segment, ordered by number. `None`: it cannot be read.
pub(super) fn read_all(seen: &SegmentSnapshot<'_>, predicates: &Predicates) -> Option<Vec<Part>> {
    let count = seen.sessions as usize;
    match &seen.index {
        Index::Open(live) => {
            let live = live.read();
            let wanted = predicates.of_live(&live);
            let part = |(number, session): (u32, &LiveSession)| {
                let met = met(&session.counts, &wanted);
                let key = seen.moved.root(number).unwrap_or(session.key);
                part_of(key, &session.numbers, met, predicates)
            };
            Some((1u32..).zip(live.sessions.iter().take(count)).map(part).collect())
        }
        Index::Closed(_) => seen.segment.read(|connection| {
            let sets = Sets::load(connection, predicates, seen.sessions)?;
            let mut parts = Vec::with_capacity(count);
            let mut statement =
                connection.prepare_cached("SELECT sessions FROM session_list ORDER BY id")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                for packed in row.get_ref(0)?.as_blob().unwrap_or_default().as_chunks().0 {
                    let (key, numbers) = unpack(packed, seen.segment.id.day);
                    let number = parts.len() as u32 + 1;
                    let met = sets.met(number);
                    let key = seen.moved.root(number).unwrap_or(key);
                    parts.push(part_of(key, &numbers, met, predicates));
                }
            }
            Ok(parts)
        }),
    }
}

/// A session's part in a segment, by its number there. `wanted`: the values that filters look for there.
pub(super) fn read(
    segment: &Segment,
    index: &Index,
    session: u32,
    predicates: &Predicates,
    wanted: &mut Option<Wanted>,
) -> Option<Part> {
    match index {
        Index::Open(live) => {
            let live = live.read();
            let session = live.session(session)?;
            let wanted = wanted.get_or_insert_with(|| predicates.of_live(&live));
            let met = met(&session.counts, wanted);
            Some(part_of(session.key, &session.numbers, met, predicates))
        }
        Index::Closed(_) => segment.read(|connection| {
            let key = detail::key(connection, session)?;
            let numbers = detail::read_numbers(connection, session)?;
            if !predicates.has_values() {
                return Ok(part_of(key, &numbers, 0, predicates));
            }
            let wanted = match wanted {
                Some(wanted) => wanted,
                None => wanted.insert(predicates.of_file(connection)?),
            };
            let met = met(&detail::read_counts(connection, session)?, wanted);
            Ok(part_of(key, &numbers, met, predicates))
        }),
    }
}

/// Bytes per session in `session_list`.
const SUMMARY: usize = 36;

/// A session in `session_list`, which lists read in bulk: its key, then times (ms since the day began) and
/// counts, 4 bytes each, little-endian.
pub(super) fn pack(key: Key, numbers: &Numbers, day: Day) -> [u8; SUMMARY] {
    let time = |ts: u64| ts.saturating_sub(day.start());
    let n = numbers;
    let mut packed = [0; SUMMARY];
    let (to, rest) = packed.split_at_mut(key.len());
    to.copy_from_slice(&key);
    let fields = [time(n.first), time(n.last), n.requests, n.attacks, n.denied];
    for (to, field) in rest.chunks_exact_mut(4).zip(fields) {
        to.copy_from_slice(&u32::try_from(field).unwrap_or(u32::MAX).to_le_bytes());
    }
    packed
}

/// Parses [`pack`].
fn unpack(packed: &[u8; SUMMARY], day: Day) -> (Key, Numbers) {
    let (key, rest) = packed.split_at(16);
    let mut fields = rest.as_chunks().0.iter().map(|field| u64::from(u32::from_le_bytes(*field)));
    let mut next = || fields.next().unwrap_or_default();
    let numbers = Numbers {
        first: day.start() + next(),
        last: day.start() + next(),
        requests: next(),
        attacks: next(),
        denied: next(),
        ..Numbers::default()
    };
    (key.try_into().unwrap_or_default(), numbers)
}
