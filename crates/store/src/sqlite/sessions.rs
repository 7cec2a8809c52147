//! The list of sessions.
//!
//! If few sessions meet a filter by value, each of them is looked up. Else segments are looked through: for a list by
//! time one after the other, until the page is certain; for the others all of them. Most sessions are in one segment,
//! or in some that follow each other: their parts are kept only until the last of them is seen.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};

use ahash::RandomState;

use super::codec::{Key, hex, session_key, unhex};
use super::filter::{Predicates, Wanted};
use super::part::{self, Part};
use super::segment::Segment;
use super::values;
use crate::query::{Paged, SessionQuery, Sort};
use crate::{StoreError, cursor};

/// When a list looks at less than all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Up to this many sessions that meet a filter are looked up one by one.
    pub(super) few: usize,
    /// Sessions are counted up to this number.
    pub(super) total: u64,
}

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
pub(super) fn find(
    segments: &[Segment],
    query: &SessionQuery,
    limits: Limits,
) -> Result<SessionKeys, StoreError> {
    let after = match query.verify_cursor("sqlite")? {
        None => None,
        Some(position) => Some(read_position(&position).ok_or_else(cursor::invalid)?),
    };
    let predicates = Predicates::new(&query.filter);
    let mut list = List::new(query, &predicates, after);
    let mut rest = Rest::new(segments, &predicates);
    let few = match &query.filter.session {
        Some(session) => Some(vec![session_key(session)]),
        None => values::few(segments, &predicates, limits.few),
    };
    match few {
        Some(keys) => {
            keys.iter().filter_map(|key| rest.part(key)).for_each(|session| list.decide(&session));
        }
        None if matches!(query.sort, Sort::LastTs | Sort::FirstTs) => {
            list.scan_in_order(&mut rest, limits.total);
        }
        None => list.scan_all(&mut rest),
    }
    let limit = query.limit;
    let (total, mut page) = list.into_page(&mut rest);
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page
        .last()
        .filter(|_| more)
        .map(|(value, key)| query.sign_cursor("sqlite", &[&value.to_string(), &hex(key)]));
    Ok(SessionKeys { total, page: page.into_iter().map(|place| place.1).collect(), next })
}

fn read_position(position: &[String]) -> Option<Place> {
    match position {
        [value, session] => Some((value.parse().ok()?, unhex(session)?)),
        _ => None,
    }
}

/// The segments of a list. What those have that were not looked through is looked up here.
struct Rest<'a> {
    segments: &'a [Segment],
    /// Of each segment: whether it was looked through, and what the filters look for in it.
    seen: Vec<(bool, Option<Wanted>)>,
    predicates: &'a Predicates,
}

impl<'a> Rest<'a> {
    fn new(segments: &'a [Segment], predicates: &'a Predicates) -> Rest<'a> {
        Rest { segments, seen: segments.iter().map(|_| (false, None)).collect(), predicates }
    }

    fn is_empty(&self) -> bool {
        self.seen.iter().all(|(is_seen, _)| *is_seen)
    }

    /// What segments that were not looked through have of a session.
    fn part(&mut self, key: &Key) -> Option<Part> {
        let rest = self.segments.iter().zip(&mut self.seen).filter(|(_, seen)| !seen.0);
        rest.filter_map(|(segment, seen)| part::look_up(segment, key, self.predicates, &mut seen.1))
            .reduce(Part::merge)
    }
}

/// A list on its way.
struct List<'a> {
    query: &'a SessionQuery,
    predicates: &'a Predicates,
    after: Option<Place>,
    /// Sessions that match.
    total: u64,
    /// The first of them, one more than a page has.
    first: BinaryHeap<Place>,
    /// Sessions of which other parts were not seen yet: those that were, put together, and how many.
    open: HashMap<Key, (Part, usize), RandomState>,
    /// How many of those match, whatever the other parts are.
    sure: u64,
}

/// What a session is sorted by.
fn value(query: &SessionQuery, session: &Part) -> i64 {
    let value = match query.sort {
        Sort::LastTs => session.last as i64,
        Sort::FirstTs => session.first as i64,
        Sort::Requests => session.requests.into(),
        Sort::Attacks => session.attacks.into(),
        Sort::Denied => session.denied.into(),
        Sort::Duration => session.last.saturating_sub(session.first) as i64,
    };
    if query.ascending { value } else { -value }
}

impl<'a> List<'a> {
    fn new(query: &'a SessionQuery, predicates: &'a Predicates, after: Option<Place>) -> List<'a> {
        let (first, open) = (BinaryHeap::new(), HashMap::default());
        List { query, predicates, after, total: 0, first, open, sure: 0 }
    }

    /// Takes a part of a session that is in so many other segments.
    fn add(&mut self, part: Part, others: usize) {
        if others == 0 {
            return self.decide(&part);
        }
        let surely = |part: &Part| u64::from(self.predicates.matches_surely(part));
        match self.open.entry(part.key) {
            Entry::Vacant(entry) => {
                self.sure += surely(&part);
                entry.insert((part, 1));
            }
            Entry::Occupied(mut entry) => {
                let (known, count) = *entry.get();
                let (session, count) = (known.merge(part), count + 1);
                self.sure -= surely(&known);
                if count > others {
                    entry.remove();
                    self.decide(&session);
                } else {
                    self.sure += surely(&session);
                    entry.insert((session, count));
                }
            }
        }
    }

    /// Takes a session with all its parts.
    fn decide(&mut self, session: &Part) {
        if !self.predicates.matches(session) {
            return;
        }
        self.total += 1;
        let place = (value(self.query, session), session.key);
        let is_full = self.first.len() > self.query.limit;
        if self.after.is_some_and(|after| place <= after)
            || is_full && self.first.peek().is_some_and(|last| place >= *last)
        {
            return;
        }
        self.first.push(place);
        if is_full {
            self.first.pop();
        }
    }

    /// For a list by time: looks through segments until what the others have comes after the page.
    fn scan_in_order(&mut self, rest: &mut Rest<'_>, most: u64) {
        // The least value that a session of the segment may have.
        let bound = |segment: &Segment| {
            let (first, last) = segment.index()?.times();
            Some(if self.query.ascending { first as i64 } else { -(last as i64) })
        };
        let mut order: Vec<(i64, (&Segment, &mut bool))> = (rest.segments.iter())
            .zip(rest.seen.iter_mut().map(|seen| &mut seen.0))
            .map(|of| (bound(of.0).unwrap_or(i64::MIN), of))
            .collect();
        order.sort_by_key(|(bound, _)| *bound);
        for (bound, (segment, is_seen)) in order {
            let is_enough = self.total + self.sure > most
                && self.first.len() > self.query.limit
                && self.first.peek().is_some_and(|last| last.0 < bound);
            if is_enough {
                return;
            }
            *is_seen = true;
            part::scan(segment, self.predicates, &mut |part, others| self.add(part, others));
        }
    }

    /// Looks through all segments, on two threads.
    fn scan_all(&mut self, rest: &mut Rest<'_>) {
        let (query, predicates, after) = (self.query, self.predicates, self.after);
        let scan = |segments: &[Segment]| {
            let mut list = List::new(query, predicates, after);
            for segment in segments {
                part::scan(segment, predicates, &mut |part, others| list.add(part, others));
            }
            list
        };
        let (older, newer) = rest.segments.split_at(rest.segments.len() / 2);
        let found = std::thread::scope(|scope| {
            let older = scope.spawn(|| scan(older));
            [Some(scan(newer)), older.join().ok()]
        });
        for list in found.into_iter().flatten() {
            self.total += list.total;
            self.first.extend(list.first);
            for (session, count) in list.open.into_values() {
                let known = self.open.get(&session.key).copied();
                let both =
                    known.map_or((session, count), |(known, n)| (known.merge(session), n + count));
                self.open.insert(session.key, both);
            }
        }
        rest.seen.iter_mut().for_each(|seen| seen.0 = true);
    }

    /// The total, and the page with one more.
    fn into_page(mut self, rest: &mut Rest<'_>) -> (u64, Vec<Place>) {
        let open = std::mem::take(&mut self.open);
        // Sessions whose places are not certain yet.
        let mut uncertain: BinaryHeap<Reverse<Place>> = BinaryHeap::new();
        if rest.is_empty() {
            open.values().for_each(|(session, _)| self.decide(session));
        } else {
            self.total += self.sure;
            // Newest first (oldest first) a session is where its known parts put it. In the other direction it
            // may come later.
            let is_exact = matches!(
                (self.query.sort, self.query.ascending),
                (Sort::LastTs, false) | (Sort::FirstTs, true)
            );
            uncertain = open
                .iter()
                .map(|(key, (session, _))| Reverse((value(self.query, session), *key)))
                .filter(|Reverse(place)| !is_exact || self.after.is_none_or(|after| *place > after))
                .collect();
        }
        let mut certain: BinaryHeap<Reverse<Place>> = self.first.drain().map(Reverse).collect();
        let mut page: Vec<Place> = Vec::with_capacity(self.query.limit + 1);
        while page.len() <= self.query.limit {
            let is_certain = match (certain.peek(), uncertain.peek()) {
                (None, None) => break,
                // The lesser place is the greater one reversed.
                (Some(place), Some(other)) => place >= other,
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
            let Some(Reverse((_, key))) = uncertain.pop() else { break };
            let known = open.get(&key).map(|(known, _)| *known);
            let Some(session) = known.into_iter().chain(rest.part(&key)).reduce(Part::merge) else {
                continue;
            };
            let place = (value(self.query, &session), key);
            if self.predicates.matches(&session) && self.after.is_none_or(|after| place > after) {
                certain.push(Reverse(place));
            }
        }
        (self.total, page)
    }
}
