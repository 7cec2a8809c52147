//! The embedded store: SQLite, one file a UTC day, so that a day goes by deleting a file.

mod activity;
mod body;
mod candidate;
mod content;
mod control;
mod control_file;
mod days;
mod detail;
mod facets;
mod filter;
mod idempotency;
mod late;
mod mark;
mod numbers;
mod part;
mod pool;
mod postings;
mod reader;
mod requests;
mod runs;
mod schema;
mod sessions;
mod throttle;
mod timeline;
mod writer;

use std::path::Path;
use std::sync::Arc;

use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use parking_lot::Mutex;
use rusqlite::OptionalExtension;

use self::control_file::ControlFile;
use self::days::{DayFile, Days, absent, incomplete};
use self::writer::Job;
use super::{
    Activity, Batch, Day, DayHealth, Filter, MAX_TOTAL, Page, Records, Reply, RequestQuery,
    SessionDetail, SessionPage, SessionQuery, StoreError, StoreHealth, StoredRequest,
};

/// Batches that wait for the writer; more wait in their senders.
const WAITING: usize = 256;

/// The embedded store.
pub struct SqliteStore {
    days: Arc<Days>,
    control: Mutex<ControlFile>,
    write_error: Arc<Mutex<Option<String>>>,
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl SqliteStore {
    /// Opens the store in `dir`, and makes it where it is not there.
    ///
    /// # Errors
    /// The directory or `control.db` cannot be made or read. A day that cannot be read is no
    /// error: the others are served. Nor is a disk that cannot be written to, where all is made
    /// already: it is read.
    pub fn open(dir: &Path) -> Result<SqliteStore, StoreError> {
        make_dir(dir).map_err(|error| {
            StoreError::Unavailable(format!("cannot make {}: {error}", dir.display()))
        })?;
        let path = dir.join("control.db");
        let control = ControlFile::open(path.clone())
            .map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
        let days = Arc::new(find(dir)?);
        for file in days.all() {
            if let Err(error) = file.bring_up_to_date() {
                tracing::warn!(day = %file.day, %error, "an older file could not be brought up to date");
            }
            // A first look, so that damage is known before somebody asks.
            file.peek(|connection| {
                connection.query_row("SELECT id FROM part LIMIT 1", [], |_| Ok(())).optional()
            });
        }
        let (jobs, queue) = crossbeam_channel::bounded(WAITING);
        let write_error = Arc::new(Mutex::new(None));
        let thread = std::thread::Builder::new()
            .name("writer".into())
            .spawn({
                let (days, write_error) = (Arc::clone(&days), Arc::clone(&write_error));
                move || writer::run(&queue, &days, &write_error)
            })
            .map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))?;
        Ok(SqliteStore {
            days,
            control: Mutex::new(control),
            write_error,
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Reads through every day file, so that [`Records::health`] tells of damage. Takes a while.
    pub fn verify(&self) {
        for file in self.days.all() {
            file.peek(|connection| {
                let found: String =
                    connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
                if found == "ok" { Ok(()) } else { Err(requests::damaged()) }
            });
        }
    }

    /// Days that `filter` can match in.
    fn days_of(&self, filter: &Filter) -> Vec<Arc<DayFile>> {
        let mut days = self.days.all();
        days.retain(|file| {
            filter.from.is_none_or(|from| file.day >= Day::of(from))
                && filter.to.is_none_or(|to| file.day <= Day::of(to))
        });
        days
    }

    fn send(&self, job: Job) -> Result<(), Job> {
        match &self.jobs {
            Some(jobs) => jobs.send(job).map_err(|error| error.0),
            None => Err(job),
        }
    }
}

/// Deletes the days before `first` in `dir`, where there are any; gives the days that went.
///
/// For a start: opening a store may need the room that they take.
///
/// # Errors
/// They cannot be found or deleted.
pub fn drop_before(dir: &Path, first: Day) -> Result<Vec<Day>, StoreError> {
    if dir.exists() { find(dir)?.drop_before(first) } else { Ok(Vec::new()) }
}

fn find(dir: &Path) -> Result<Days, StoreError> {
    Days::find(dir)
        .map_err(|error| StoreError::Unavailable(format!("cannot read {}: {error}", dir.display())))
}

/// What is in there is for this user alone.
fn make_dir(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

impl Drop for SqliteStore {
    /// Waits until all that was taken is on the disk.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
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
        let days = self.days_of(&query.filter);
        let found = sessions::find(&days, query)?;
        let mut sessions = Vec::with_capacity(found.page.len());
        let mut next = None;
        for candidate in &found.page {
            let Some(session) = sessions::session_of(&days, candidate) else { continue };
            if found.more {
                next = Some(candidate::after(query, candidate, &session, &found.mark));
            }
            let mut own = days.clone();
            own.retain(|file| candidate.several || file.day == candidate.day);
            sessions.extend(detail::session(&own, &session, false).map(|detail| detail.summary));
        }
        Ok(SessionPage {
            total: found.total.min(MAX_TOTAL),
            total_is_lower_bound: found.total > MAX_TOTAL,
            sessions,
            next,
            incomplete: incomplete(&days),
        })
    }

    fn session(&self, session: &str) -> Result<Option<SessionDetail>, StoreError> {
        let days = self.days.all();
        match detail::session(&days, session, true) {
            Some(found) => Ok(Some(SessionDetail { incomplete: incomplete(&days), ..found })),
            None => absent(&days),
        }
    }

    fn requests(&self, query: &RequestQuery) -> Result<Page<StoredRequest>, StoreError> {
        requests::page(&self.days_of(&query.filter), query)
    }

    fn request(&self, id: &str) -> Result<Option<StoredRequest>, StoreError> {
        let days = self.days.all();
        requests::by_id(&days, id).map_or_else(|| absent(&days), |found| Ok(Some(found)))
    }

    fn activity(&self, from: u64, to: u64) -> Result<Vec<Activity>, StoreError> {
        let filter = Filter { from: Some(from), to: Some(to), ..Filter::default() };
        let days = self.days_of(&filter);
        let of_day =
            |file: &Arc<DayFile>| file.peek(|connection| activity::read(connection, from, to));
        Ok(days.iter().filter_map(of_day).flatten().collect())
    }

    fn drop_before(&self, first: Day) -> Result<Vec<Day>, StoreError> {
        let (reply, answer) = crossbeam_channel::bounded(1);
        self.send(Job::DropBefore(first, reply)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }

    fn health(&self) -> StoreHealth {
        StoreHealth {
            days: self
                .days
                .all()
                .iter()
                .map(|file| DayHealth {
                    day: file.day.to_string(),
                    bytes: file.bytes(),
                    error: file.error(),
                })
                .collect(),
            write_error: self
                .control
                .lock()
                .state_now()
                .map(|why| format!("control.db: {why}"))
                .or_else(|| self.write_error.lock().clone()),
        }
    }
}
