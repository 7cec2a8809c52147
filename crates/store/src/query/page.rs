//! Paged queries and their cursors.
//!
//! A cursor is the sort position of the last item on a page (keyset pagination), prefixed with a fingerprint
//! of the query that produced it. [`Paged`] is the only place where cursors are made and checked. They carry
//! no authority: the fingerprint detects mistakes, such as a cursor used with another filter.

use super::Filter;
use crate::{StoreError, cursor};

/// Order of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Start of the newest request.
    #[default]
    LastTs,
    /// Start of the oldest request.
    FirstTs,
    /// Number of requests.
    Requests,
    /// Number of malicious requests.
    Attacks,
    /// Number of denied requests.
    Denied,
    /// Time between the oldest and the newest request.
    Duration,
}

/// A query whose answer has pages.
pub trait Paged {
    /// Everything that determines the whole answer: all fields except the cursor and the page size.
    fn identity(&self) -> String;
    /// `next` of the previous page.
    fn cursor(&self) -> Option<&str>;

    /// The cursor of the page after the item at `position`, made by the engine named `engine`.
    fn sign_cursor(&self, engine: &str, position: &[&str]) -> String {
        cursor::sign(&(engine.to_owned() + &self.identity()), position)
    }

    /// The position in the query's cursor, if it has one.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if another query or another engine made the cursor.
    fn verify_cursor(&self, engine: &str) -> Result<Option<Vec<String>>, StoreError> {
        let identity = engine.to_owned() + &self.identity();
        self.cursor().map(|cursor| cursor::verify(&identity, cursor)).transpose()
    }
}

/// A page of sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// Conditions.
    pub filter: Filter,
    /// Sort column.
    pub sort: Sort,
    /// Smallest first.
    pub ascending: bool,
    /// Page size.
    pub limit: usize,
    /// `next` of the previous page.
    pub cursor: Option<String>,
}

impl Paged for SessionQuery {
    fn identity(&self) -> String {
        format!("{:?}", (&self.filter, self.sort, self.ascending))
    }

    fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

/// A page of one session's requests, in the order they started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// Session id.
    pub session: String,
    /// Conditions; `filter.session` is ignored.
    pub filter: Filter,
    /// Newest first.
    pub descending: bool,
    /// Page size.
    pub limit: usize,
    /// `next` of the previous page.
    pub cursor: Option<String>,
}

impl Paged for RequestQuery {
    fn identity(&self) -> String {
        format!("{:?}", (&self.session, &self.filter, self.descending))
    }

    fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

/// A page of the denylist's history, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only changes of this session.
    pub session: Option<String>,
    /// Page size.
    pub limit: usize,
    /// `next` of the previous page.
    pub cursor: Option<String>,
}

impl Paged for HistoryQuery {
    fn identity(&self) -> String {
        format!("{:?}", self.session)
    }

    fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_one_query_and_one_engine() {
        let by_time = SessionQuery::default();
        let cursor = Some(by_time.sign_cursor("a", &["5", "x y"]));
        let next = SessionQuery { cursor: cursor.clone(), limit: 7, ..by_time.clone() };
        assert_eq!(next.verify_cursor("a").unwrap(), Some(vec!["5".into(), "x y".into()]));
        assert!(next.verify_cursor("b").is_err());
        let by_size = SessionQuery { sort: Sort::Requests, cursor, ..by_time.clone() };
        assert!(by_size.verify_cursor("a").is_err());
        assert_eq!(by_time.verify_cursor("a").unwrap(), None);
    }
}
