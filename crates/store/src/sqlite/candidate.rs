//! Sessions on their way into a page: the best ones after the cursor, in order.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::mark::Mark;
use super::numbers::{Numbers, SessionKey, session_key};
use super::sessions::sort_value;
use crate::cursor;
use crate::query::{Paged, SessionQuery, Sort};
use crate::{Day, StoreError};

/// A session that may be on the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    /// Also orders sessions with equal sort values.
    pub(super) session: SessionKey,
    pub(super) first_ts: i64,
    pub(super) last_ts: i64,
    pub(super) requests: i64,
    pub(super) attacks: i64,
    pub(super) denied: i64,
    /// Which filters it meets, a bit each.
    pub(super) met: u32,
    /// It has parts on several days.
    pub(super) several: bool,
    /// What orders it: smaller is earlier on the page.
    pub(super) value: i64,
    /// One of its parts.
    pub(super) day: Day,
    pub(super) part: i64,
}

impl Candidate {
    /// A part as far as its numbers tell.
    pub(super) fn of(day: Day, part: i64, session: SessionKey, numbers: &Numbers) -> Candidate {
        let start = day.start();
        Candidate {
            session,
            first_ts: (start + numbers.first) as i64,
            last_ts: (start + numbers.last) as i64,
            requests: numbers.requests as i64,
            attacks: numbers.attacks as i64,
            denied: numbers.denied as i64,
            met: 0,
            several: numbers.several_days,
            value: 0,
            day,
            part,
        }
    }

    /// None of its requests was there when the first page was made.
    pub(super) fn set_not_yet(&mut self) {
        // Merged with a part that was there, these leave it as it is.
        (self.first_ts, self.last_ts) = (i64::MAX, i64::MIN);
        (self.requests, self.attacks, self.denied) = (0, 0, 0);
    }

    pub(super) fn is_not_yet(&self) -> bool {
        self.requests <= 0
    }

    /// Adds the part of another day.
    pub(super) fn merge(&mut self, other: &Candidate) {
        self.first_ts = self.first_ts.min(other.first_ts);
        self.last_ts = self.last_ts.max(other.last_ts);
        self.requests += other.requests;
        self.attacks += other.attacks;
        self.denied += other.denied;
        self.met |= other.met;
    }
}

/// Ordered as the page is.
#[derive(Debug, Clone)]
struct Ranked(Candidate);

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.value, self.0.session).cmp(&(other.0.value, other.0.session))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

/// The first sessions after the cursor, of all that are offered.
#[derive(Debug, Clone)]
pub(super) struct Top {
    heap: BinaryHeap<Ranked>,
    limit: usize,
    sort: Sort,
    ascending: bool,
    after: Option<(i64, SessionKey)>,
    mark: Option<Mark>,
}

impl Top {
    /// # Errors
    /// The cursor is not of this list.
    pub(super) fn new(query: &SessionQuery) -> Result<Top, StoreError> {
        let number = |text: &str| text.parse::<i64>().map_err(|_| cursor::invalid());
        let (after, mark) = match query.verify_cursor("sqlite")?.as_deref() {
            None => (None, None),
            Some([value, session, mark]) => (
                Some((number(value)?, session_key(session))),
                Some(Mark::parse(mark).ok_or_else(cursor::invalid)?),
            ),
            Some(_) => return Err(cursor::invalid()),
        };
        Ok(Top {
            heap: BinaryHeap::new(),
            limit: query.limit,
            sort: query.sort,
            ascending: query.ascending,
            after,
            mark,
        })
    }

    /// Where this is not the first page: what there was when that was made.
    pub(super) fn mark(&self) -> Option<&Mark> {
        self.mark.as_ref()
    }

    fn value(&self, candidate: &Candidate) -> i64 {
        let value = sort_value(self.sort, candidate);
        if self.ascending { value } else { -value }
    }

    /// Whether it can be on the page, as far as its value tells.
    pub(super) fn may_take(&self, candidate: &Candidate) -> bool {
        let value = self.value(candidate);
        self.after.as_ref().is_none_or(|(after, _)| value >= *after)
            && (self.heap.len() <= self.limit
                || self.heap.peek().is_none_or(|last| value <= last.0.value))
    }

    /// Takes it if it is among the first after the cursor.
    pub(super) fn offer(&mut self, mut candidate: Candidate) {
        candidate.value = self.value(&candidate);
        let after = self.after.as_ref().is_none_or(|(value, session)| {
            (candidate.value, candidate.session) > (*value, *session)
        });
        if !after {
            return;
        }
        self.heap.push(Ranked(candidate));
        // One more than the page, to know whether there is another page.
        if self.heap.len() > self.limit + 1 {
            self.heap.pop();
        }
    }

    /// Offers all of them to another.
    pub(super) fn offer_to(&self, other: &mut Top) {
        self.heap.iter().for_each(|ranked| other.offer(ranked.0));
    }

    /// The page in order, and whether there is another after it.
    pub(super) fn into_page(self) -> (Vec<Candidate>, bool) {
        let limit = self.limit;
        let mut page: Vec<_> =
            self.heap.into_sorted_vec().into_iter().map(|ranked| ranked.0).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        (page, more)
    }
}

/// Cursor of what comes after `last`, whose id is `session`; `mark` is what there was when the first page
/// was made.
pub(super) fn after(query: &SessionQuery, last: &Candidate, session: &str, mark: &Mark) -> String {
    query.sign_cursor("sqlite", &[&last.value.to_string(), session, &mark.to_text()])
}
