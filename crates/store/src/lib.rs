//! Where sessions are kept: what every storage engine offers, in words that are no engine's own.
//!
//! Calls block; the HTTP side runs them on the blocking pool (see [`AppState::read`]).

#![forbid(unsafe_code)]

pub mod clickhouse;
pub mod clock;
pub mod control;
pub mod cursor;
mod open;
mod paged;
mod parts;
pub mod query;
pub mod shape;
pub mod sqlite;

pub use open::{StoreKind, drop_before, is_there, open};
pub use paged::Paged;

use api_sessions_protocol::Record;

pub use control::{Control, DenyChange, HistoryQuery, Role, TokenInfo};
pub use query::{
    Activity, Counted, Day, Filter, Page, Part, RequestQuery, SessionDetail, SessionPage,
    SessionQuery, SessionSummary, Sort, StatusFilter, StoredRequest,
};

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be written or read now: disk full, read-only, not reachable.
    #[error("{0}")]
    Unavailable(String),
    /// The file of a day is damaged: it stays so.
    #[error("{0}")]
    Damaged(String),
    /// The question itself is wrong, such as a cursor that this store did not make.
    #[error("{0}")]
    Invalid(String),
}

/// A record with what the cloud derives from it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRequest {
    /// As the node sent it.
    pub record: Record<'static>,
    /// Shape of its path ([`crate::shape::endpoint`]).
    pub endpoint: String,
    /// Line of the batch it came in, from 0.
    pub line: u32,
}

/// A batch to be stored once.
#[derive(Debug, Default)]
pub struct Batch {
    /// `Idempotency-Key`; a batch without one is stored each time it comes.
    pub key: Option<String>,
    /// Its good lines.
    pub requests: Vec<NewRequest>,
    /// Of a batch that was cut on the way: how many of its lines came. When it comes again under the same
    /// key, the lines from this one on are new, and those before are not.
    pub cut: Option<u32>,
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Requests made durable by this call.
    pub stored: u64,
    /// Requests that an earlier batch of the same key had brought.
    pub duplicates: u64,
}

/// Answers an [`Records::append`]: called once, from any thread, when the batch is durable or lost.
pub type Reply = Box<dyn FnOnce(Result<Stored, StoreError>) + Send>;

/// Sessions and their requests.
pub trait Records: Send + Sync {
    /// Takes a batch; `reply` is called once it is durable. Many batches share one flush to disk.
    fn append(&self, batch: Batch, reply: Reply);
    /// Sessions that match, one page of them.
    ///
    /// # Errors
    /// [`StoreError`]
    fn sessions(&self, query: &SessionQuery) -> Result<SessionPage, StoreError>;
    /// One session with its counts; `None` if there is no such session.
    ///
    /// # Errors
    /// [`StoreError`]
    fn session(&self, session: &str) -> Result<Option<SessionDetail>, StoreError>;
    /// Requests of one session in the order they began.
    ///
    /// # Errors
    /// [`StoreError`]
    fn requests(&self, query: &RequestQuery) -> Result<Page<StoredRequest>, StoreError>;
    /// One request with its full content.
    ///
    /// # Errors
    /// [`StoreError`]
    fn request(&self, id: &str) -> Result<Option<StoredRequest>, StoreError>;
    /// What went on between two moments (ms since 1970), oldest first; nothing for stretches without
    /// requests.
    ///
    /// # Errors
    /// [`StoreError`]
    fn activity(&self, from: u64, to: u64) -> Result<Vec<Activity>, StoreError>;
    /// Deletes the days before `first`; gives the days that went.
    ///
    /// # Errors
    /// [`StoreError`]
    fn drop_before(&self, first: Day) -> Result<Vec<Day>, StoreError>;
    /// What it holds and how it is, for `/metrics` and `doctor`.
    fn health(&self) -> StoreHealth;
}

/// State of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct StoreHealth {
    /// Days that are served.
    pub days: Vec<DayHealth>,
    /// Why the last write failed; empty while writing works.
    pub write_error: Option<String>,
}

/// State of one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct DayHealth {
    /// `2026-11-23`
    pub day: String,
    /// Bytes on disk, write-ahead log included.
    pub bytes: u64,
    /// Why it cannot be served.
    pub error: Option<String>,
}

/// All that the cloud keeps.
pub trait Store: Records + Control {}
impl<T: Records + Control> Store for T {}
