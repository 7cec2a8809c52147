//! The list of sessions: segments are looked through one after the other, newest first or oldest first as the
//! list is, until the page is certain.
//!
//! Sessions of one segment alone go straight into the page. Of the others, parts are put together; a part that
//! was not seen yet is looked up for those sessions that get onto the page.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use ahash::RandomState;
use parking_lot::Mutex;

use super::codec::{Key, hex, session_key, unhex};
use super::filter::{Predicates, Wanted};
use super::index::Index;
use super::part::{self, Found, Part, Seen};
use super::segment::Segment;
use crate::query::{Paged, SessionQuery, Sort};
use crate::{MAX_TOTAL, StoreError, cursor};

/// A page of sessions.
pub(super) struct SessionKeys {
    pub(super) total: u64,
    pub(super) page: Vec<Key>,
    /// Cursor of the next page.
    pub(super) next: Option<String>,
}

/// What orders a list: the value sorted by, smaller is earlier on the page; then the session.
type Place = (i64, Key);

/// Finds a page of sessions.
pub(super) fn find(segments: &[Segment], query: &SessionQuery) -> Result<SessionKeys, StoreError> {
    let after = match query.verify_cursor("sqlite")? {
        None => None,
        Some(position) => Some(read_position(&position).ok_or_else(cursor::invalid)?),
    };
    let predicates = Predicates::new(&query.filter);
    let mut list = List::new(query, &predicates, after);
    let scanned = match &query.filter.session {
        // One session: all of its parts are looked up.
        Some(session) => {
            let key = session_key(session);
            list.linked.extend(
                segments
                    .iter()
                    .filter_map(|segment| part::look_up(segment, &key, &predicates, &mut None)),
            );
            Scanned { seen: segments.iter().map(|_| Some(None)).collect(), is_all: true }
        }
        None if matches!(query.sort, Sort::LastTs | Sort::FirstTs) => list.scan_in_order(segments),
        None => list.scan_all(segments),
    };
    let mut rest = Rest::new(segments, &predicates, scanned);
    let page = list.into_page(&mut rest);
    let next = page
        .next
        .map(|(value, key)| query.sign_cursor("sqlite", &[&value.to_string(), &hex(&key)]));
    Ok(SessionKeys { total: page.total, page: page.keys, next })
}

fn read_position(position: &[String]) -> Option<Place> {
    match position {
        [value, session] => Some((value.parse().ok()?, unhex(session)?)),
        _ => None,
    }
}

/// What was seen of each segment.
struct Scanned {
    /// For each segment: nothing; or what of it.
    seen: Vec<Option<Seen>>,
    /// All segments were looked through.
    is_all: bool,
}

impl Scanned {
    fn nothing(segments: &[Segment]) -> Scanned {
        Scanned { seen: segments.iter().map(|_| None).collect(), is_all: true }
    }
}

/// Parts of segments that were not seen are looked up here.
struct Rest<'a> {
    segments: Vec<(&'a Segment, Option<Seen>, Option<Wanted>)>,
    predicates: &'a Predicates,
    is_all: bool,
}

impl<'a> Rest<'a> {
    fn new(segments: &'a [Segment], predicates: &'a Predicates, scanned: Scanned) -> Rest<'a> {
        let is_whole = |seen: &Option<Seen>| matches!(seen, Some(None));
        let segments = segments
            .iter()
            .zip(scanned.seen)
            .filter(|(_, seen)| !is_whole(seen))
            .map(|(segment, seen)| (segment, seen, None))
            .collect();
        Rest { segments, predicates, is_all: scanned.is_all }
    }

    /// Adds the parts of a session that were not seen.
    fn complete(&mut self, key: &Key, parts: &mut Vec<Part>) {
        for (segment, seen, wanted) in &mut self.segments {
            let is_seen = matches!(seen, Some(Some(keys)) if keys.contains(key));
            if !is_seen {
                parts.extend(part::look_up(segment, key, self.predicates, wanted));
            }
        }
    }
}

/// Vectors of parts for the next lists: as large ones, allocated by one thread after the other, they would stay
/// with each thread's part of the heap.
static SPARE: Mutex<Vec<Vec<Part>>> = Mutex::new(Vec::new());

/// How many are kept, and the most parts that one may have room for.
const MAX_SPARE: usize = 4;
const MAX_SPARE_PARTS: usize = 500_000;

fn keep_for_later(mut parts: Vec<Part>) {
    let mut spare = SPARE.lock();
    if parts.capacity() <= MAX_SPARE_PARTS && spare.len() < MAX_SPARE {
        parts.clear();
        spare.push(parts);
    }
}

/// A list on its way.
struct List<'a> {
    query: &'a SessionQuery,
    predicates: &'a Predicates,
    after: Option<Place>,
    /// Sessions of one segment that match.
    total: u64,
    /// The first of them, one more than a page has.
    alone: BinaryHeap<Place>,
    /// Parts of the others.
    linked: Vec<Part>,
    /// Of those, sessions that match whatever is not known yet.
    sure: HashSet<Key, RandomState>,
}

struct FoundPage {
    total: u64,
    keys: Vec<Key>,
    next: Option<Place>,
}

impl Found for List<'_> {
    fn alone(&mut self, part: Part) {
        if !self.predicates.matches(std::iter::once(&part)) {
            return;
        }
        self.total += 1;
        self.offer((value(self.query, std::iter::once(&part)), part.key));
    }

    fn linked(&mut self, part: Part) {
        if self.sure.len() as u64 <= MAX_TOTAL && self.predicates.matches_surely(&part) {
            self.sure.insert(part.key);
        }
        self.linked.push(part);
    }
}

/// Whether many sessions of a closed segment met a filter. Then all of the next one is looked at, too: to look
/// up what other segments have of them would take longer.
fn is_whole_file(segment: &Segment, seen: &Seen) -> bool {
    seen.is_none() && matches!(segment.index(), Some(Index::Closed(_)))
}

/// What a session is sorted by.
fn value<'p>(query: &SessionQuery, parts: impl Iterator<Item = &'p Part> + Clone) -> i64 {
    let sum =
        |count: fn(&Part) -> u32| parts.clone().map(|part| u64::from(count(part))).sum::<u64>();
    let first = || parts.clone().map(|part| part.first()).min().unwrap_or_default();
    let last = || parts.clone().map(|part| part.last()).max().unwrap_or_default();
    let value = match query.sort {
        Sort::LastTs => last(),
        Sort::FirstTs => first(),
        Sort::Requests => sum(|part| part.requests),
        Sort::Attacks => sum(|part| part.attacks),
        Sort::Denied => sum(|part| part.denied),
        Sort::Duration => last().saturating_sub(first()),
    } as i64;
    if query.ascending { value } else { -value }
}

impl<'a> List<'a> {
    fn new(query: &'a SessionQuery, predicates: &'a Predicates, after: Option<Place>) -> List<'a> {
        List {
            query,
            predicates,
            after,
            total: 0,
            alone: BinaryHeap::new(),
            linked: SPARE.lock().pop().unwrap_or_default(),
            sure: HashSet::default(),
        }
    }

    /// Takes a session if it is among the first after the cursor.
    fn offer(&mut self, place: Place) {
        let is_full = self.alone.len() > self.query.limit;
        if self.after.is_some_and(|after| place <= after)
            || is_full && self.alone.peek().is_some_and(|last| place >= *last)
        {
            return;
        }
        self.alone.push(place);
        if is_full {
            self.alone.pop();
        }
    }

    /// For a list by time: looks through segments until what the others have comes after the page.
    fn scan_in_order(&mut self, segments: &[Segment]) -> Scanned {
        let mut scanned = Scanned::nothing(segments);
        // The least value that a session of the segment may have.
        let bound = |segment: &Segment| {
            let (first, last) = segment.index()?.times();
            Some(if self.query.ascending { first as i64 } else { -(last as i64) })
        };
        let mut order: Vec<(i64, usize)> = segments
            .iter()
            .enumerate()
            .map(|(n, segment)| (bound(segment).unwrap_or(i64::MIN), n))
            .collect();
        order.sort_unstable();
        let mut is_broad = false;
        for (bound, n) in order {
            let is_enough = self.total + self.sure.len() as u64 > MAX_TOTAL
                && self.alone.len() > self.query.limit
                && self.alone.peek().is_some_and(|last| last.0 < bound);
            if is_enough {
                scanned.is_all = false;
                break;
            }
            let Some(segment) = segments.get(n) else { continue };
            if let Some(seen) = part::scan(segment, self.predicates, is_broad, self)
                && let Some(entry) = scanned.seen.get_mut(n)
            {
                is_broad |= is_whole_file(segment, &seen);
                *entry = Some(seen);
            }
        }
        scanned
    }

    /// Looks through all segments, on two threads.
    fn scan_all(&mut self, segments: &[Segment]) -> Scanned {
        let mut scanned = Scanned::nothing(segments);
        let next = std::sync::atomic::AtomicUsize::new(0);
        let (query, predicates, after) = (self.query, self.predicates, self.after);
        let work = || {
            let mut list = List::new(query, predicates, after);
            let (mut seen, mut is_broad) = (Vec::new(), false);
            loop {
                let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(segment) = segments.get(n) else { return (list, seen) };
                if let Some(of_segment) = part::scan(segment, predicates, is_broad, &mut list) {
                    is_broad |= is_whole_file(segment, &of_segment);
                    seen.push((n, of_segment));
                }
            }
        };
        let found = std::thread::scope(|scope| {
            let other = (segments.len() > 1).then(|| scope.spawn(work));
            let mut found = vec![work()];
            found.extend(other.and_then(|other| other.join().ok()));
            found
        });
        for (list, seen) in found {
            self.total += list.total;
            self.alone.extend(list.alone);
            self.linked.extend_from_slice(&list.linked);
            keep_for_later(list.linked);
            for (n, seen) in seen {
                if let Some(entry) = scanned.seen.get_mut(n) {
                    *entry = Some(seen);
                }
            }
        }
        scanned
    }

    /// The page, and the total.
    fn into_page(mut self, rest: &mut Rest<'_>) -> FoundPage {
        let mut linked = std::mem::take(&mut self.linked);
        linked.sort_unstable_by_key(|part| part.key);
        // Sessions whose places are not certain yet, with their first parts.
        let mut uncertain: BinaryHeap<Reverse<(Place, usize)>> = BinaryHeap::new();
        if rest.is_all {
            self.add_linked(&linked, rest);
        } else {
            self.total += self.sure.len() as u64;
            // Newest first (oldest first) a session is where its known parts put it. In the other direction it
            // may come later.
            let is_exact = matches!(
                (self.query.sort, self.query.ascending),
                (Sort::LastTs, false) | (Sort::FirstTs, true)
            );
            let mut at = 0;
            for parts in linked.chunk_by(|a, b| a.key == b.key) {
                let Some(key) = parts.first().map(|part| part.key) else { continue };
                let place = (value(self.query, parts.iter()), key);
                if !is_exact || self.after.is_none_or(|after| place > after) {
                    uncertain.push(Reverse((place, at)));
                }
                at += parts.len();
            }
        }
        let mut certain: BinaryHeap<Reverse<Place>> = self.alone.drain().map(Reverse).collect();
        let limit = self.query.limit;
        let mut page: Vec<Place> = Vec::with_capacity(limit + 1);
        while page.len() <= limit {
            let is_certain = match (certain.peek(), uncertain.peek()) {
                (None, None) => break,
                (Some(Reverse(place)), Some(Reverse((other, _)))) => place <= other,
                (first, _) => first.is_some(),
            };
            if is_certain {
                let Some(Reverse(place)) = certain.pop() else { break };
                // A session that reached another segment in between is seen twice.
                if !page.iter().any(|shown| shown.1 == place.1) {
                    page.push(place);
                }
                continue;
            }
            let Some(Reverse(((_, key), at))) = uncertain.pop() else { break };
            let known = linked.get(at..).unwrap_or_default();
            let mut parts: Vec<Part> =
                known.iter().take_while(|part| part.key == key).copied().collect();
            rest.complete(&key, &mut parts);
            let place = (value(self.query, parts.iter()), key);
            if self.predicates.matches(parts.iter()) && self.after.is_none_or(|after| place > after)
            {
                certain.push(Reverse(place));
            }
        }
        keep_for_later(linked);
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().copied().filter(|_| more);
        FoundPage { total: self.total, keys: page.into_iter().map(|place| place.1).collect(), next }
    }

    /// Adds the sessions of several segments, all of which were looked through; their parts are in order.
    fn add_linked(&mut self, linked: &[Part], rest: &mut Rest<'_>) {
        let mut all = Vec::new();
        for known in linked.chunk_by(|a, b| a.key == b.key) {
            let Some(key) = known.first().map(|part| part.key) else { continue };
            // A part that was left out meets no filter by value.
            if known.iter().fold(0, |met, part| met | part.met) != self.predicates.all_values() {
                continue;
            }
            let mut parts = known;
            if !rest.segments.is_empty() {
                all.clear();
                all.extend_from_slice(known);
                rest.complete(&key, &mut all);
                parts = &all;
            }
            if self.predicates.matches(parts.iter()) {
                self.total += 1;
                self.offer((value(self.query, parts.iter()), key));
            }
        }
    }
}
