//! The list of sessions.
//!
//! If few sessions meet a value filter, each is looked up. Otherwise segments are scanned: one after the
//! other until the page is certain if the list is sorted by time, else all of them.

use std::collections::{BTreeMap, BinaryHeap};

use super::codec::{Key, hex, session_key, unhex};
use super::filter::Predicates;
use super::part::Part;
use super::segment::Segment;
use super::snapshot::{Kept, Snapshot};
use super::values;
use api_sessions_store::query::{Paged, SessionQuery, Sort};
use api_sessions_store::{StoreError, cursor};

/// Limits below which a list does not scan everything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// If at most this many sessions meet a filter, they are looked up one by one.
    pub(super) few: usize,
    /// At most this many parts of a segment are read one by one; for more, all are read.
    pub(super) parts: usize,
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

/// Sort key of a list: the value sorted by, ascending; then the session.
type SortPosition = (i64, Key);

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
    let few = match &query.filter.session {
        Some(session) => Some(vec![session_key(session)]),
        None => values::few(segments, &predicates, limits.few),
    };
    let list = loop {
        let lost = || segments.iter().filter(|segment| segment.is_lost()).count();
        let known = lost();
        let snapshot = Snapshot::new(segments, &predicates, limits.parts);
        let first = BinaryHeap::new();
        let mut list = List { query, predicates: &predicates, after, total: 0, first };
        match &few {
            Some(keys) => {
                let mut wanted = BTreeMap::new();
                let found = keys.iter().filter_map(|key| snapshot.find(key, &mut wanted));
                found.for_each(|session| list.add(&session));
            }
            None if matches!(query.sort, Sort::LastTs | Sort::FirstTs) => {
                list.scan_in_order(&snapshot, limits.total);
            }
            None => list.scan_all(&snapshot),
        }
        // Sessions of a segment that cannot be read are returned by other segments.
        if lost() == known {
            break list;
        }
    };
    let (total, mut page) = (list.total, list.first.into_sorted_vec());
    let limit = query.limit;
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page
        .last()
        .filter(|_| more)
        .map(|(value, key)| query.sign_cursor("sqlite", &[&value.to_string(), &hex(key)]));
    Ok(SessionKeys { total, page: page.into_iter().map(|place| place.1).collect(), next })
}

fn read_position(position: &[String]) -> Option<SortPosition> {
    match position {
        [value, session] => Some((value.parse().ok()?, unhex(session)?)),
        _ => None,
    }
}

/// The value that a session is sorted by.
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

/// A list being built.
struct List<'a> {
    query: &'a SessionQuery,
    predicates: &'a Predicates,
    after: Option<SortPosition>,
    /// Number of sessions that match.
    total: u64,
    /// The first of them, at most one more than the page size.
    first: BinaryHeap<SortPosition>,
}

impl List<'_> {
    /// Adds a session with all its parts.
    fn add(&mut self, session: &Part) {
        // It is an alias; its requests belong to another session.
        let is_moved = session.requests == 0;
        if is_moved || !self.predicates.matches(session) {
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

    /// For lists sorted by time: scans segments until the remaining ones can only come after the page.
    fn scan_in_order(&mut self, snapshot: &Snapshot<'_>, most: u64) {
        let mut kept = Kept::default();
        for (bound, at) in snapshot.in_order(self.query.ascending) {
            let is_enough = self.total > most
                && self.first.len() > self.query.limit
                && self.first.peek().is_some_and(|last| last.0 < bound);
            if is_enough {
                return;
            }
            snapshot.sessions(at, &mut kept, |session| self.add(session));
        }
    }

    /// Scans all segments on two threads.
    fn scan_all(&mut self, snapshot: &Snapshot<'_>) {
        let order = snapshot.in_order(false);
        let (newer, older) = order.split_at(order.len() / 2);
        let mut other = List { total: 0, first: BinaryHeap::new(), ..*self };
        let scan = |list: &mut List<'_>, segments: &[(i64, usize)]| {
            let mut kept = Kept::default();
            for (_, at) in segments {
                snapshot.sessions(*at, &mut kept, |session| list.add(session));
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| scan(&mut other, older));
            scan(self, newer);
        });
        self.total += other.total;
        self.first.extend(other.first);
    }
}
