//! Segments as one list sees them, as of one moment.
//!
//! In each of them a session has a part. The newest segment that has a session answers for it: it gives all parts of
//! the session, put together, and the others leave it out.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bits::Bits;
use super::codec::Key;
use super::filter::{Predicates, Wanted};
use super::index::Index;
use super::part::{self, Part};
use super::segment::{Segment, SegmentId};
use super::spans::{self, Link, Spans};

/// Segments of which all parts are kept for the next one, which may go on with their sessions.
const KEPT: usize = 3;

/// A segment as it was at that moment.
pub(super) struct Seen<'a> {
    pub(super) segment: &'a Segment,
    pub(super) index: Index,
    /// Sessions it had.
    pub(super) sessions: u32,
    pub(super) spans: Spans,
    /// Times of its oldest and of its newest request, ms since 1970.
    pub(super) times: (u64, u64),
}

/// The segments of a list, oldest first.
pub(super) struct Snapshot<'a> {
    seen: Vec<Seen<'a>>,
    at: BTreeMap<SegmentId, usize>,
    predicates: &'a Predicates,
    /// Parts of a segment that are read one by one; where more are needed, all are read.
    one_by_one: usize,
    kept: Vec<(usize, Arc<Vec<Part>>)>,
}

impl<'a> Snapshot<'a> {
    /// Of those segments that this question could read so far.
    pub(super) fn new(
        segments: &'a [Segment],
        predicates: &'a Predicates,
        one_by_one: usize,
    ) -> Snapshot<'a> {
        let mut seen = Segment::see(segments);
        seen.retain(|seen| !seen.segment.is_lost());
        let at = seen.iter().enumerate().map(|(n, seen)| (seen.segment.id, n)).collect();
        let mut snapshot = Snapshot { seen, at, predicates, one_by_one, kept: Vec::new() };
        let has_newest = segments.last().is_some_and(Segment::is_newest);
        if !has_newest || segments.iter().any(Segment::is_lost) {
            snapshot.forget_others();
        }
        snapshot
    }

    /// Finds again which sessions a newer segment answers for, where not all segments are there to answer.
    fn forget_others(&mut self) {
        let mut continued: Vec<Bits> = self.seen.iter().map(|_| Bits::default()).collect();
        for at in 0..self.seen.len() {
            for link in self.links(at).into_iter().flatten() {
                if let Some(continued) =
                    self.at.get(&link.segment).and_then(|n| continued.get_mut(*n))
                {
                    continued.insert(link.other);
                }
            }
        }
        for (seen, continued) in self.seen.iter_mut().zip(continued) {
            seen.spans.continued = continued;
        }
    }

    /// Parts that older segments have of sessions of this one. `None`: it cannot be read.
    fn links(&self, at: usize) -> Option<Vec<Link>> {
        let seen = self.seen.get(at)?;
        let mut links = seen.segment.read(spans::load)?;
        links.retain(|link| link.segment < seen.segment.id);
        links.extend(&seen.spans.late);
        Some(links)
    }

    /// The segments in an order of time, with the least value that any session has for which they answer:
    /// the time of its oldest request, or minus the time of its newest one.
    pub(super) fn in_order(&self, ascending: bool) -> Vec<(i64, usize)> {
        let bound = |(at, seen): (usize, &Seen<'_>)| {
            // Sessions may have begun, or ended, in any of these.
            let oldest = seen.spans.oldest.and_then(|id| Some(self.at.range(id..).next()?.1));
            let with = oldest.map_or(at, |oldest| at.min(*oldest));
            let times = self.seen.iter().take(at + 1).skip(with).map(|seen| seen.times);
            let bound = match ascending {
                true => times.map(|(first, _)| first as i64).min(),
                false => times.map(|(_, last)| -(last as i64)).min(),
            };
            (bound.unwrap_or(i64::MIN), at)
        };
        let mut order: Vec<(i64, usize)> = self.seen.iter().enumerate().map(bound).collect();
        // Neighbours share what is read.
        order.sort_by_key(|(bound, at)| (*bound, if ascending { *at } else { usize::MAX - at }));
        order
    }

    /// Calls `each` with the sessions that a segment answers for. `None`: it cannot be read.
    pub(super) fn sessions(&mut self, at: usize, mut each: impl FnMut(&Part)) -> Option<()> {
        let mut links = self.links(at)?;
        let continued = &self.seen.get(at)?.spans.continued;
        links.retain(|link| !continued.has(link.session) && self.at.contains_key(&link.segment));
        links.sort_unstable_by_key(|link| (link.segment, link.session));
        let mut others: Vec<(u32, Part)> = Vec::with_capacity(links.len());
        for of_segment in links.chunk_by(|a, b| a.segment == b.segment) {
            self.read_others(of_segment, &mut others);
        }
        others.sort_unstable_by_key(|(session, _)| *session);
        let own = self.parts(at)?;
        let continued = &self.seen.get(at)?.spans.continued;
        let mut others = others.into_iter().peekable();
        for (session, part) in (1u32..).zip(own.iter()) {
            if continued.has(session) {
                continue;
            }
            let mut whole = *part;
            while let Some((_, other)) = others.next_if(|other| other.0 == session) {
                whole = whole.merge(other);
            }
            each(&whole);
        }
        Some(())
    }

    /// Reads the parts that links to one segment lead to, as far as it can be read.
    fn read_others(&mut self, links: &[Link], others: &mut Vec<(u32, Part)>) {
        let Some(&at) = links.first().and_then(|link| self.at.get(&link.segment)) else { return };
        if links.len() > self.one_by_one {
            let Some(parts) = self.parts(at) else { return };
            let place = |number: u32| (number as usize).checked_sub(1);
            let part = |link: &Link| Some((link.session, *parts.get(place(link.other)?)?));
            others.extend(links.iter().filter_map(part));
            return;
        }
        let Some(seen) = self.seen.get(at) else { return };
        let mut wanted = None;
        for link in links {
            let part =
                part::read(seen.segment, &seen.index, link.other, self.predicates, &mut wanted);
            others.extend(part.map(|part| (link.session, part)));
        }
    }

    /// All parts of a segment, in the order of their numbers.
    fn parts(&mut self, at: usize) -> Option<Arc<Vec<Part>>> {
        if let Some((_, parts)) = self.kept.iter().find(|kept| kept.0 == at) {
            return Some(Arc::clone(parts));
        }
        let parts = Arc::new(part::read_all(self.seen.get(at)?, self.predicates)?);
        if self.kept.len() == KEPT {
            self.kept.remove(0);
        }
        self.kept.push((at, Arc::clone(&parts)));
        Some(parts)
    }

    /// The parts of a session, put together, by its key. `wanted` keeps what filters look for in each segment.
    pub(super) fn find(
        &self,
        key: &Key,
        wanted: &mut BTreeMap<SegmentId, Option<Wanted>>,
    ) -> Option<Part> {
        let part = |seen: &Seen<'_>| {
            let session = seen.segment.find(key)?;
            let wanted = wanted.entry(seen.segment.id).or_default();
            part::read(seen.segment, &seen.index, session, self.predicates, wanted)
        };
        self.seen.iter().filter_map(part).reduce(Part::merge)
    }
}
