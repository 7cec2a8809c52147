//! The embedded store: SQLite. A UTC day is one or more segments, files with some of its requests, so that a
//! day is dropped by deleting files. docs/store.md describes the files.

#![forbid(unsafe_code)]

mod activity;
mod aliases;
mod bits;
mod bloom;
mod codec;
mod content;
mod control;
mod control_file;
mod damaged;
mod detail;
mod endpoints;
mod filter;
mod idempotency;
mod index;
mod insert;
mod live;
mod moved;
mod part;
mod pool;
mod read_parts;
mod reader;
mod rehome;
mod replay;
mod requests;
mod row;
mod schema;
mod seal;
mod segment;
mod segment_id;
mod segment_snapshot;
mod sessions;
mod snapshot;
mod spans;
mod strings;
mod throttle;
mod values;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use parking_lot::Mutex;

use self::aliases::AliasReader;
use self::codec::session_key;
use self::control_file::ControlFile;
use self::segment::{Segment, Segments, absent, incomplete};
use self::sessions::Limits;
use self::writer::Job;
use api_sessions_store::endpoints::{EndpointPage, EndpointQuery};
use api_sessions_store::limits::MAX_EXACT_TOTAL;
use api_sessions_store::{
    Activity, Batch, Day, DayHealth, Filter, Identity, Page, Records, ReplayQuery, Reply,
    RequestQuery, SessionDetail, SessionPage, SessionQuery, StoreError, StoreHealth, StoredRequest,
    Visit,
};

/// Batches queued for the writer; further senders block.
const WAITING: usize = 256;

/// If at most this many sessions meet a filter, they are looked up one by one: for more, a scan is faster.
const FEW: usize = 500;

/// At most this many parts of a segment are read one by one.
const PARTS: usize = 32;

/// The embedded store.
pub struct SqliteStore {
    segments: Segments,
    limits: Limits,
    control: Mutex<ControlFile>,
    aliases: Mutex<AliasReader>,
    write_error: Arc<Mutex<Option<String>>>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the store in `dir`; creates it if it does not exist.
    ///
    /// # Errors
    /// The directory or `control.db` cannot be created or read. A day that cannot be read is not an error:
    /// the others are served. Neither is a disk that is not writable if all files exist: the store is then
    /// read-only.
    pub fn open(dir: &Path) -> Result<SqliteStore, StoreError> {
        Self::open_with_limits(dir, writer::FULL_REQUESTS, FEW, MAX_EXACT_TOTAL)
    }

    /// Like [`SqliteStore::open`], with lower limits for tests: requests after which a segment is closed,
    /// sessions (and parts) that a list looks up one by one, and sessions that it counts.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    #[doc(hidden)]
    pub fn open_with_limits(
        dir: &Path,
        requests: u64,
        few: usize,
        total: u64,
    ) -> Result<SqliteStore, StoreError> {
        make_dir(dir).map_err(|error| {
            StoreError::Unavailable(format!("cannot make {}: {error}", dir.display()))
        })?;
        let path = dir.join("control.db");
        let control = ControlFile::open(path.clone())
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
        let segments = Segments::find(dir)?;
        if let Err(error) = aliases::restore(&segments) {
            tracing::warn!(%error, "aliases.db cannot be read: sessions are shown by each of their ids");
        }
        for segment in segments.list() {
            // Load all segments now, so that damage is known before the first query.
            let missing = segment.peek(schema::missing_columns);
            if missing.is_some_and(|missing| !missing.is_empty())
                && let Err(error) = segments.open_to_write(segment.id)
            {
                tracing::warn!(segment = %segment.id, %error, "of an older version, and not brought up to date");
            }
        }
        let (jobs, queue) = crossbeam_channel::bounded(WAITING);
        let write_error = Arc::new(Mutex::new(None));
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn({
                let (segments, write_error) = (segments.clone(), Arc::clone(&write_error));
                move || writer::run(&queue, &segments, requests, &write_error)
            })
            .map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))?;
        Ok(SqliteStore {
            segments,
            limits: Limits { few, parts: few.min(PARTS), total },
            control: Mutex::new(control),
            aliases: Mutex::new(AliasReader::new(dir)),
            write_error,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Reads every file completely, so that [`Records::health`] reports damage. Slow.
    pub fn verify(&self) {
        for segment in self.segments.all() {
            segment.peek(|connection| {
                let found: String =
                    connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
                if found == "ok" { Ok(()) } else { Err(damaged::damaged()) }
            });
        }
    }

    /// Segments that `filter` can match in.
    fn segments_of(&self, filter: &Filter) -> Vec<Segment> {
        let mut segments = self.segments.all();
        segments.retain(|segment| {
            filter.from.is_none_or(|from| segment.id.day >= Day::of(from))
                && filter.to.is_none_or(|to| segment.id.day <= Day::of(to))
        });
        segments
    }

    fn list(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        let segments = self.segments_of(&query.filter);
        let found = sessions::find(&segments, query, self.limits)?;
        Ok(SessionPage {
            total: found.total.min(self.limits.total),
            total_is_lower_bound: found.total > self.limits.total,
            sessions: detail::sessions(&segments, &found.page, false)
                .into_iter()
                .map(|detail| detail.summary)
                .collect(),
            next: found.next,
            incomplete: incomplete(&segments),
        })
    }

    /// Resolves a session id: the session itself, or the one that it is an alias of.
    fn root(&self, session: &str) -> Result<String, StoreError> {
        self.aliases.lock().root(session).map_err(|error| aliases_unreadable(&error))
    }

    fn send(&self, job: Job) -> Result<(), Job> {
        match &self.jobs {
            Some(jobs) => jobs.send(job).map_err(|error| error.0),
            None => Err(job),
        }
    }
}

/// Deletes the days before `first` in `dir`, if there are any; returns the deleted days.
///
/// Used at start: opening a store may need the space that they occupy.
///
/// # Errors
/// The files cannot be listed or deleted.
pub fn drop_before(dir: &Path, first: Day) -> Result<Vec<Day>, StoreError> {
    if dir.exists() { Segments::find(dir)?.drop_before(first) } else { Ok(Vec::new()) }
}

/// Restricts the directory to this user.
fn make_dir(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

impl Drop for SqliteStore {
    /// Waits until everything accepted so far is on disk.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn aliases_unreadable(error: &rusqlite::Error) -> StoreError {
    StoreError::Unavailable(format!("aliases.db: {error}"))
}

fn gone() -> StoreError {
    StoreError::Unavailable("the writer has stopped".into())
}

impl Records for SqliteStore {
    fn append(&self, batch: Batch, reply: Reply) {
        if let Err(Job::Append(_, reply)) = self.send(Job::Append(batch, reply)) {
            reply(Err(gone()));
        }
    }

    fn sessions(&self, query: &SessionQuery) -> Result<SessionPage, StoreError> {
        let Some(session) = &query.filter.session else { return self.list(query) };
        let filter = Filter { session: Some(self.root(session)?), ..query.filter.clone() };
        self.list(&SessionQuery { filter, ..query.clone() })
    }

    fn session(&self, session: &str) -> Result<Option<SessionDetail>, StoreError> {
        let segments = self.segments.all();
        match detail::sessions(&segments, &[session_key(&self.root(session)?)], true).pop() {
            Some(found) => Ok(Some(SessionDetail { incomplete: incomplete(&segments), ..found })),
            None => absent(&segments),
        }
    }

    fn requests(&self, query: &RequestQuery) -> Result<Page<StoredRequest>, StoreError> {
        let session = self.root(&query.session)?;
        let query = RequestQuery { session, ..query.clone() };
        requests::page(&self.segments_of(&query.filter), &query)
    }

    fn request(&self, id: &str) -> Result<Option<StoredRequest>, StoreError> {
        let segments = self.segments.all();
        requests::by_id(&segments, id).map_or_else(|| absent(&segments), |found| Ok(Some(found)))
    }

    fn identity(&self, session: &str) -> Result<Identity, StoreError> {
        self.aliases.lock().identity(session).map_err(|error| aliases_unreadable(&error))
    }

    fn other_ids(&self, session: &str) -> Result<Vec<String>, StoreError> {
        self.aliases.lock().other_ids(session).map_err(|error| aliases_unreadable(&error))
    }

    fn split(&self, alias: &str) -> Result<bool, StoreError> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.send(Job::Cut(session_key(alias), reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    fn activity(&self, from: u64, to: u64) -> Result<Vec<Activity>, StoreError> {
        let filter = Filter { from: Some(from), to: Some(to), ..Filter::default() };
        let segments = self.segments_of(&filter);
        let mut all: BTreeMap<u64, Activity> = BTreeMap::new();
        let of_segment =
            |segment: &Segment| segment.peek(|connection| activity::read(connection, from, to));
        for found in segments.iter().filter_map(of_segment).flatten() {
            let sum = Activity { ts: found.ts, ..Activity::default() };
            all.entry(found.ts).or_insert(sum).add(&found);
        }
        Ok(all.into_values().collect())
    }

    fn active_sessions(
        &self,
        from: u64,
        to: u64,
        step: u64,
    ) -> Result<(Vec<(u64, u64)>, u64), StoreError> {
        let filter = Filter { from: Some(from), to: Some(to), ..Filter::default() };
        Ok(requests::active_sessions(&self.segments_of(&filter), from, to, step))
    }

    fn endpoints(&self, query: &EndpointQuery) -> Result<EndpointPage, StoreError> {
        let filter = Filter { from: query.from, to: query.to, ..Filter::default() };
        let segments = self.segments_of(&filter);
        let endpoints = endpoints::find(&segments, query);
        Ok(EndpointPage { endpoints, incomplete: incomplete(&segments) })
    }

    fn replay(
        &self,
        query: &ReplayQuery,
        visit: &mut Visit<'_>,
    ) -> Result<Vec<String>, StoreError> {
        let activity = self.activity(query.from, query.to)?;
        let filter = Filter { from: Some(query.from), to: Some(query.to), ..Filter::default() };
        Ok(replay::run(&self.segments_of(&filter), query, &activity, visit))
    }

    fn drop_before(&self, first: Day) -> Result<Vec<Day>, StoreError> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.send(Job::DropBefore(first, reply)).map_err(|_| gone())?;
        // If the disk is full, records are the first to be refused.
        let dropped = answer.recv().map_err(|_| gone())??;
        self.drop_key_windows(first)?;
        Ok(dropped)
    }

    fn health(&self) -> StoreHealth {
        let mut days: BTreeMap<Day, DayHealth> = BTreeMap::new();
        for segment in self.segments.list() {
            let day = days.entry(segment.id.day).or_insert_with(|| DayHealth {
                day: segment.id.day.to_string(),
                ..DayHealth::default()
            });
            day.bytes += segment.bytes();
            let error = segment.error().map(|error| format!("day-{}.db: {error}", segment.id));
            day.error = day.error.take().or(error);
        }
        StoreHealth {
            days: days.into_values().collect(),
            write_error: self
                .control
                .lock()
                .state_now()
                .map(|why| format!("control.db: {why}"))
                .or_else(|| self.write_error.lock().clone()),
        }
    }
}
