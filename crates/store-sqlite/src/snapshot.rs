//! A consistent view of the segments for one list.
//!
//! A session has a part in each of its segments. The newest of these returns the session with all parts
//! merged; the others skip it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bits::Bits;
use super::codec::Key;
use super::filter::{Predicates, Wanted};
use super::part::Part;
use super::read_parts;
use super::segment::Segment;
use super::segment_id::SegmentId;
use super::segment_snapshot::SegmentSnapshot;
use super::spans::{self, Link};

/// Segments whose parts are all cached.
const KEPT: usize = 2;

/// Parts already read from segments, for the next segment, which often has the same sessions.
#[derive(Default)]
pub(super) struct Kept(Vec<(usize, Arc<Vec<Part>>)>);

/// The segments of a list, oldest first.
pub(super) struct Snapshot<'a> {
    seen: Vec<SegmentSnapshot<'a>>,
    at: BTreeMap<SegmentId, usize>,
    predicates: &'a Predicates,
    /// Up to this many parts of a segment are read one by one; for more, all are read.
    one_by_one: usize,
}

impl<'a> Snapshot<'a> {
    /// Takes a snapshot of the segments that this query has been able to read so far.
    pub(super) fn new(
        segments: &'a [Segment],
        predicates: &'a Predicates,
        one_by_one: usize,
    ) -> Snapshot<'a> {
        let mut seen = SegmentSnapshot::all(segments);
        seen.retain(|seen| !seen.segment.is_lost());
        let at = seen.iter().enumerate().map(|(n, seen)| (seen.segment.id, n)).collect();
        let mut snapshot = Snapshot { seen, at, predicates, one_by_one };
        let has_newest = segments.last().is_some_and(Segment::is_newest);
        if !has_newest || segments.iter().any(Segment::is_lost) {
            snapshot.forget_others();
        }
        snapshot
    }

    /// Recomputes which sessions a newer segment returns if some segments are missing.
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

    /// Parts in older segments of this segment's sessions. `None`: it cannot be read.
    fn links(&self, at: usize) -> Option<Vec<Link>> {
        let seen = self.seen.get(at)?;
        let mut links = seen.segment.read(spans::load)?;
        links.retain(|link| link.segment < seen.segment.id);
        if !seen.spans.late.is_empty() {
            links.extend(&seen.spans.late);
            // Parts of aliases may be linked in a file as well.
            links.sort_unstable();
            links.dedup();
        }
        Some(links)
    }

    /// The segments in order of time, each with the smallest sort value of any session that it returns: the
    /// time of its oldest request, or minus the time of its newest.
    pub(super) fn in_order(&self, ascending: bool) -> Vec<(i64, usize)> {
        let bound = |(at, seen): (usize, &SegmentSnapshot<'_>)| {
            // Sessions may have begun or ended in any of these.
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
        // Adjacent segments share cached parts.
        order.sort_by_key(|(bound, at)| (*bound, if ascending { *at } else { usize::MAX - at }));
        order
    }

    /// Calls `each` with the sessions that a segment returns. `None`: it cannot be read.
    pub(super) fn sessions(
        &self,
        at: usize,
        kept: &mut Kept,
        mut each: impl FnMut(&Part),
    ) -> Option<()> {
        let continued = &self.seen.get(at)?.spans.continued;
        let mut links: BTreeMap<usize, Vec<Link>> = BTreeMap::new();
        for link in self.links(at)? {
            if let Some(other) = self.at.get(&link.segment)
                && !continued.has(link.session)
            {
                links.entry(*other).or_default().push(link);
            }
        }
        let own = self.parts(at, kept)?;
        let mut whole = Vec::clone(&own);
        for (other, links) in &links {
            self.add_parts(*other, kept, links, &mut whole);
        }
        let answered = (1u32..).zip(&whole).filter(|(session, _)| !continued.has(*session));
        answered.for_each(|(_, whole)| each(whole));
        Some(())
    }

    /// Adds the parts that the links to one segment point at, as far as the segment can be read.
    fn add_parts(&self, at: usize, kept: &mut Kept, links: &[Link], whole: &mut [Part]) {
        let place = |number: u32| (number as usize).wrapping_sub(1);
        let mut add = |link: &Link, part: Option<Part>| {
            if let Some((whole, part)) = whole.get_mut(place(link.session)).zip(part) {
                *whole = whole.merge(part);
            }
        };
        if links.len() > self.one_by_one {
            let Some(parts) = self.parts(at, kept) else { return };
            links.iter().for_each(|link| add(link, parts.get(place(link.other)).copied()));
        } else if let Some(SegmentSnapshot { segment, index, .. }) = self.seen.get(at) {
            let mut wanted = None;
            for link in links {
                let part =
                    read_parts::read(segment, index, link.other, self.predicates, &mut wanted);
                add(link, part);
            }
        }
    }

    /// All parts of a segment, ordered by number.
    fn parts(&self, at: usize, Kept(kept): &mut Kept) -> Option<Arc<Vec<Part>>> {
        if let Some((_, parts)) = kept.iter().find(|kept| kept.0 == at) {
            return Some(Arc::clone(parts));
        }
        let parts = Arc::new(read_parts::read_all(self.seen.get(at)?, self.predicates)?);
        if kept.len() == KEPT {
            kept.remove(0);
        }
        kept.push((at, Arc::clone(&parts)));
        Some(parts)
    }

    /// The merged parts of a session, by its key. `wanted`: for each segment, the values that filters look
    /// for.
    pub(super) fn find(
        &self,
        key: &Key,
        wanted: &mut BTreeMap<SegmentId, Option<Wanted>>,
    ) -> Option<Part> {
        let mut whole: Option<Part> = None;
        for seen in &self.seen {
            let wanted = wanted.entry(seen.segment.id).or_default();
            for session in seen.segment.find(key) {
                let part =
                    read_parts::read(seen.segment, &seen.index, session, self.predicates, wanted);
                if let Some(part) = part.map(|part| Part { key: *key, ..part }) {
                    whole = Some(whole.map_or(part, |whole| whole.merge(part)));
                }
            }
        }
        whole
    }
}
