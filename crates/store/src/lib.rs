//! Storage of sessions and their requests: the interface, independent of the engine. The engines are
//! `crates/store-sqlite` and `crates/store-clickhouse`.
//!
//! Calls block; the HTTP server runs them on its blocking pool.

#![forbid(unsafe_code)]

pub mod aliases;
pub mod clock;
pub mod control;
pub mod cursor;
mod day;
pub mod endpoints;
mod fresh_links;
pub mod keys;
pub mod limits;
mod model;
pub mod query;
pub mod replay;
pub mod session_days;
pub mod users;

pub use api_sessions_protocol::path_template;

pub use aliases::{Identifier, Identity};
pub use control::{Control, DenyChange, Role, TokenInfo};
pub use day::{DAY_MS, Day};
pub use endpoints::{EndpointPage, EndpointQuery, EndpointStats};
pub use fresh_links::{FreshClaim, FreshLinks};
pub use keys::{KeyDecisions, KeyOf, KeyWindow};
pub use model::{
    ACTIVITY_MS, Activity, Batch, DayHealth, FIRST_ERROR, NewRequest, Page, SessionDay,
    SessionDetail, SessionPage, SessionSummary, StoreHealth, Stored, StoredRequest, ValueCount,
};
pub use query::{Filter, HistoryQuery, Paged, RequestQuery, SessionQuery, Sort, StatusFilter};
pub use replay::{ReplayQuery, Visit};
pub use users::UserPart;

/// Errors of a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Temporarily not readable or writable: disk full, read-only, server unreachable.
    #[error("{0}")]
    Unavailable(String),
    /// A file is damaged. Retrying does not help.
    #[error("{0}")]
    Damaged(String),
    /// The query is invalid, such as a cursor from another list.
    #[error("{0}")]
    Invalid(String),
}

/// Callback of [`Records::append`]: called once, from any thread, when the batch is durable or failed.
pub type Reply = Box<dyn FnOnce(Result<Stored, StoreError>) + Send>;

/// Sessions and their requests.
pub trait Records: Send + Sync {
    /// Stores a batch and calls `reply` once it is durable. Batches may share one flush to disk.
    fn append(&self, batch: Batch, reply: Reply);
    /// One page of the sessions that match.
    ///
    /// # Errors
    /// [`StoreError`]
    fn sessions(&self, query: &SessionQuery) -> Result<SessionPage, StoreError>;
    /// One session with its counts; `None` if it does not exist.
    ///
    /// # Errors
    /// [`StoreError`]
    fn session(&self, session: &str) -> Result<Option<SessionDetail>, StoreError>;
    /// How a session is known; for an alias, the session that it belongs to.
    ///
    /// # Errors
    /// [`StoreError`]
    fn identity(&self, session: &str) -> Result<Identity, StoreError>;
    /// The ids under which nodes may know the session, except `session` itself; for an alias, including its session.
    /// At most the newest [`MAX_DENIED_IDENTIFIERS`] aliases.
    ///
    /// # Errors
    /// [`StoreError`]
    fn other_ids(&self, session: &str) -> Result<Vec<String>, StoreError>;
    /// Removes an alias: requests with this id are a session of their own from now on. Returns whether
    /// it was one.
    ///
    /// # Errors
    /// [`StoreError`]
    fn split(&self, alias: &str) -> Result<bool, StoreError>;
    /// Requests of one session in the order they started.
    ///
    /// # Errors
    /// [`StoreError`]
    fn requests(&self, query: &RequestQuery) -> Result<Page<StoredRequest>, StoreError>;
    /// The newest requests of each session that match, newest first and at most `limit` of each, in the order of
    /// `sessions`, none of which may be an alias. Needs memory for all of them.
    ///
    /// # Errors
    /// [`StoreError`]
    fn newest(
        &self,
        sessions: &[String],
        filter: &Filter,
        limit: usize,
    ) -> Result<Vec<Page<StoredRequest>>, StoreError> {
        let of = |session: &String| {
            self.requests(&RequestQuery {
                session: session.clone(),
                filter: filter.clone(),
                descending: true,
                limit,
                cursor: None,
            })
        };
        sessions.iter().map(of).collect()
    }
    /// What the users of each session did in its newest `limit` requests, in the order of `sessions`, none of which may
    /// be an alias; by the name of the user.
    ///
    /// # Errors
    /// [`StoreError`]
    fn user_parts(&self, sessions: &[String], limit: usize) -> Result<Vec<UserPart>, StoreError> {
        let mut parts = Vec::new();
        for one in sessions {
            for page in self.newest(std::slice::from_ref(one), &Filter::default(), limit)? {
                parts.extend(users::parts(one, &page.items));
            }
        }
        Ok(parts)
    }
    /// One request with its full content.
    ///
    /// # Errors
    /// [`StoreError`]
    fn request(&self, id: &str) -> Result<Option<StoredRequest>, StoreError>;
    /// Activity between two times (ms since 1970), oldest first. Intervals without requests are absent.
    ///
    /// # Errors
    /// [`StoreError`]
    fn activity(&self, from: u64, to: u64) -> Result<Vec<Activity>, StoreError>;
    /// The number of sessions with requests in each interval of `step` ms between two times (ms since 1970), oldest
    /// first and without intervals that have none; and their number in the whole period.
    ///
    /// # Errors
    /// [`StoreError`]
    fn active_sessions(
        &self,
        from: u64,
        to: u64,
        step: u64,
    ) -> Result<(Vec<(u64, u64)>, u64), StoreError>;
    /// Usage of endpoints: counts of all requests that match, and of their sessions and users.
    ///
    /// # Errors
    /// [`StoreError`]
    fn endpoints(&self, query: &EndpointQuery) -> Result<EndpointPage, StoreError>;
    /// Calls `visit` with the requests of a period, of all sessions, in the order they started, without their full
    /// content. Needs memory for some hundred thousand of them at most; returns the days that could not be read
    /// completely.
    ///
    /// # Errors
    /// [`StoreError`]
    fn replay(&self, query: &ReplayQuery, visit: &mut Visit<'_>)
    -> Result<Vec<String>, StoreError>;
    /// Deletes the days before `first` and returns them.
    ///
    /// # Errors
    /// [`StoreError`]
    fn drop_before(&self, first: Day) -> Result<Vec<Day>, StoreError>;
    /// Size and health, for `/metrics` and `doctor`.
    fn health(&self) -> StoreHealth;
}

/// Everything the cloud stores.
pub trait Store: Records + Control {}
impl<T: Records + Control> Store for T {}
