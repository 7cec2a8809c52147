//! The day files, and connections that read them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql};

use super::body::{Resolve, hex, unhex};
use super::pool::Pool;
use super::reader::{Reader, beside};
use super::schema;
use super::throttle::Throttle;
use crate::{Day, StoreError};

/// All days on disk.
pub(super) struct Days {
    dir: PathBuf,
    open: RwLock<BTreeMap<Day, Arc<Known>>>,
    pool: Arc<Pool>,
}

/// One day on disk, as one question sees it.
pub(super) struct DayFile {
    pub(super) day: Day,
    known: Arc<Known>,
    pool: Arc<Pool>,
    /// This question could not read it.
    failed: AtomicBool,
}

/// What is known of a day, for all questions.
struct Known {
    path: PathBuf,
    error: Mutex<Option<DayError>>,
    /// When the log told of an error.
    told: Mutex<Throttle>,
    /// It was deleted.
    is_gone: AtomicBool,
}

/// Why a day could not be read.
struct DayError {
    text: String,
    /// The file is damaged: not only out of reach for a while.
    is_damage: bool,
}

impl Days {
    /// Finds the day files in `dir`.
    pub(super) fn find(dir: &Path) -> std::io::Result<Days> {
        let mut open = BTreeMap::new();
        for entry in std::fs::read_dir(dir)? {
            let path = entry?.path();
            let day = path
                .file_name()
                .and_then(|name| name.to_str())
                .and_then(|name| name.strip_prefix("day-")?.strip_suffix(".db"))
                .and_then(Day::parse);
            if let Some(day) = day {
                open.insert(day, Known::new(path));
            }
        }
        Ok(Days { dir: dir.to_owned(), open: RwLock::new(open), pool: Arc::default() })
    }

    /// The file of `day`, whether there is one or not.
    pub(super) fn path(&self, day: Day) -> PathBuf {
        self.dir.join(format!("day-{day}.db"))
    }

    /// The day was written for the first time.
    pub(super) fn add(&self, day: Day) {
        let mut open = self.open.write();
        open.entry(day).or_insert_with(|| Known::new(self.path(day)));
    }

    /// Opens the file of `day` for writing, and makes it where it is not there.
    pub(super) fn open_to_write(&self, day: Day) -> rusqlite::Result<Connection> {
        // What this process has open of a file since its disk was read-only is read-only for all
        // connections.
        self.pool.close(day);
        schema::open(&self.path(day), schema::DAY)
    }

    /// All days, oldest first, for one question.
    pub(super) fn all(&self) -> Vec<Arc<DayFile>> {
        let open = self.open.read();
        let file = |(day, known): (&Day, &Arc<Known>)| {
            Arc::new(DayFile::new(*day, Arc::clone(known), Arc::clone(&self.pool)))
        };
        open.iter().map(file).collect()
    }

    /// Deletes the files of the days before `first`.
    pub(super) fn drop_before(&self, first: Day) -> Result<Vec<Day>, StoreError> {
        let old: Vec<_> = self.all().into_iter().filter(|file| file.day < first).collect();
        for file in &old {
            self.open.write().remove(&file.day);
            file.known.is_gone.store(true, Relaxed);
            self.pool.close(file.day);
            for suffix in ["-wal", "-shm", ""] {
                let path = beside(&file.known.path, suffix);
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        // Found again, and tried again, at the next round.
                        self.add(file.day);
                        return Err(StoreError::Unavailable(format!(
                            "cannot delete {}: {error}",
                            path.display()
                        )));
                    }
                    _ => {}
                }
            }
        }
        Ok(old.iter().map(|file| file.day).collect())
    }
}

/// Whether a file is damaged: not only out of reach for a while.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Days of a question that its answer may lack something of.
pub(super) fn incomplete(days: &[Arc<DayFile>]) -> Vec<String> {
    let missing = days.iter().filter(|file| file.why_incomplete().is_some());
    missing.map(|file| file.day.to_string()).collect()
}

/// Nothing was found; but what was asked for may be in a day that cannot be read.
pub(super) fn absent<T>(days: &[Arc<DayFile>]) -> Result<Option<T>, StoreError> {
    let text =
        |why: &StoreError| format!("not found, but a day cannot be read, where it may be: {why}");
    match days.iter().find_map(|file| file.why_incomplete()) {
        None => Ok(None),
        Some(why @ StoreError::Damaged(_)) => Err(StoreError::Damaged(text(&why))),
        Some(why) => Err(StoreError::Unavailable(text(&why))),
    }
}

impl Known {
    fn new(path: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            path,
            error: Mutex::default(),
            told: Mutex::default(),
            is_gone: AtomicBool::new(false),
        })
    }
}

impl DayFile {
    fn new(day: Day, known: Arc<Known>, pool: Arc<Pool>) -> Self {
        Self { day, known, pool, failed: AtomicBool::new(false) }
    }

    /// Brings its tables up to date.
    pub(super) fn bring_up_to_date(&self) -> rusqlite::Result<()> {
        schema::bring_up_to_date(&self.known.path, schema::DAY)
    }

    /// Reads with a connection of its own, in one transaction: what a page shows belongs together.
    /// An error is remembered and logged; the caller goes on with the other days.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<T> {
        self.peek(|connection| {
            connection.prepare_cached("BEGIN")?.execute([])?;
            let value = read(connection)?;
            // Not ROLLBACK: that would have every cached statement prepared anew.
            connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(value)
        })
    }

    /// As [`DayFile::read`], for one statement, without a transaction around it.
    pub(super) fn peek<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<T> {
        let known = &self.known;
        let idle = self.pool.take(self.day);
        if idle.is_none() && self.is_empty() {
            known.error.lock().take_if(|error| !error.is_damage);
            return None;
        }
        let result = match idle {
            Some(reader) => Ok(reader),
            None => Reader::open(&known.path).and_then(|reader| {
                reader.read(|connection| schema::check(connection, schema::DAY))?;
                Ok(reader)
            }),
        }
        .and_then(|reader| Ok((reader.read(read)?, reader)));
        match result {
            Ok((value, reader)) => {
                // A damaged page stays damaged, though others can be read.
                known.error.lock().take_if(|error| !error.is_damage);
                self.pool.put(self.day, reader);
                // Looked at after that: whoever deletes the day says so first, and closes then.
                if known.is_gone.load(Relaxed) {
                    self.pool.close(self.day);
                }
                Some(value)
            }
            // It went while it was read.
            Err(_) if known.is_gone.load(Relaxed) => None,
            // The connection goes, and its transaction with it.
            Err(error) => {
                self.failed.store(true, Relaxed);
                let text = error.to_string();
                if let Some(left_out) = known.told.lock().tell(Instant::now()) {
                    tracing::error!(day = %self.day, error = %text, left_out, "a day cannot be read");
                }
                let is_damage = is_damage(&error);
                let mut known = known.error.lock();
                // What was found to be damaged stays so; of other errors, the last counts.
                if is_damage || known.as_ref().is_none_or(|known| !known.is_damage) {
                    *known = Some(DayError { text, is_damage });
                }
                None
            }
        }
    }

    /// Whether this question lacks it.
    pub(super) fn is_missing(&self) -> bool {
        self.failed.load(Relaxed)
    }

    /// This question does without it.
    pub(super) fn leave_out(&self) {
        self.failed.store(true, Relaxed);
    }

    /// Why it could not be read last time.
    pub(super) fn error(&self) -> Option<String> {
        self.known.error.lock().as_ref().map(|error| error.text.clone())
    }

    /// Why an answer may not have all that is in it: this question could not read it, or it is known to be
    /// damaged.
    fn why_incomplete(&self) -> Option<StoreError> {
        let error = self.known.error.lock();
        if error.as_ref().is_some_and(|error| error.is_damage) {
            let text = error.as_ref().map(|error| error.text.as_str()).unwrap_or_default();
            return Some(StoreError::Damaged(format!("{}: {text}", self.day)));
        }
        let text = error.as_ref().map_or("it could not be read", |error| error.text.as_str());
        let failed = self.failed.load(Relaxed);
        failed.then(|| StoreError::Unavailable(format!("{}: {text}", self.day)))
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        ["", "-wal"]
            .iter()
            .filter_map(|suffix| {
                Some(std::fs::metadata(beside(&self.known.path, suffix)).ok()?.len())
            })
            .sum()
    }

    /// It was made, but the disk was full before anything was in it.
    fn is_empty(&self) -> bool {
        self.known.path.exists() && self.bytes() == 0
    }
}

/// The number of a session's part in a day.
pub(super) fn find_part(connection: &Connection, session: &str) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT id FROM part WHERE session = ?")?
        .query_row([Key(session)], |row| row.get(0))
        .optional()
}

/// An id as it is kept: 16 bytes where it is 32 hex digits, else as text.
pub(super) struct Key<'a>(pub(super) &'a str);

impl ToSql for Key<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match unhex(self.0) {
            Some(raw) => ToSqlOutput::Owned(Value::Blob(raw.to_vec())),
            None => ToSqlOutput::Borrowed(ValueRef::Text(self.0.as_bytes())),
        })
    }
}

/// Reads a [`Key`].
pub(super) fn key_text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Blob(raw) => hex(raw),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => String::new(),
    }
}

/// Strings of a day by their number.
pub(super) struct Strings<'a> {
    connection: &'a Connection,
    known: std::collections::HashMap<i64, String>,
}

impl<'a> Strings<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, known: Default::default() }
    }
}

impl Resolve for Strings<'_> {
    fn resolve(&mut self, id: i64) -> Option<String> {
        if let Some(text) = self.known.get(&id) {
            return Some(text.clone());
        }
        let text: String = self
            .connection
            .prepare_cached("SELECT text FROM string WHERE id = ?")
            .and_then(|mut statement| statement.query_row([id], |row| row.get(0)))
            .ok()?;
        self.known.insert(id, text.clone());
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_a_full_disk_left_empty_is_no_broken_day() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("day-2026-11-23.db");
        std::fs::write(&path, "").unwrap();
        let file = DayFile::new(
            Day::parse("2026-11-23").unwrap(),
            Known::new(path.clone()),
            Arc::default(),
        );
        let look = || file.peek(|connection| find_part(connection, "s"));
        assert!(look().is_none() && file.error().is_none());
        std::fs::write(&path, "no database").unwrap();
        assert!(look().is_none() && file.error().is_some());
    }
    #[test]
    fn what_is_not_damage_is_forgotten_with_the_next_good_read() {
        let dir = tempfile::tempdir().unwrap();
        let day = Day::parse("2026-11-23").unwrap();
        let days = Days::find(dir.path()).unwrap();
        drop(days.open_to_write(day).unwrap());
        days.add(day);
        let fail = |code: i32| {
            let question = days.all();
            let error = rusqlite::ffi::Error::new(code);
            let failed = question[0].peek(|_| {
                Err::<(), _>(rusqlite::Error::SqliteFailure(error, Some(code.to_string())))
            });
            assert!(failed.is_none());
            assert_eq!(incomplete(&question), ["2026-11-23"], "of this question it stays true");
        };
        let is_well = || {
            let question = days.all();
            question[0].peek(|connection| find_part(connection, "s")).unwrap();
            incomplete(&question).is_empty() && question[0].error().is_none()
        };
        fail(rusqlite::ffi::SQLITE_IOERR);
        assert!(is_well());
        // The last of other errors is told, and damage before all.
        fail(rusqlite::ffi::SQLITE_IOERR);
        fail(rusqlite::ffi::SQLITE_BUSY);
        assert_eq!(days.all()[0].error().unwrap(), rusqlite::ffi::SQLITE_BUSY.to_string());
        fail(rusqlite::ffi::SQLITE_CORRUPT);
        fail(rusqlite::ffi::SQLITE_BUSY);
        assert!(!is_well());
        assert_eq!(days.all()[0].error().unwrap(), rusqlite::ffi::SQLITE_CORRUPT.to_string());
        assert!(matches!(absent::<()>(&days.all()), Err(StoreError::Damaged(_))));
    }

    #[test]
    fn a_day_that_is_deleted_while_it_is_read_is_not_missing() {
        let dir = tempfile::tempdir().unwrap();
        let day = Day::parse("2026-11-23").unwrap();
        let days = Days::find(dir.path()).unwrap();
        drop(days.open_to_write(day).unwrap());
        days.add(day);
        let question = days.all();
        days.drop_before(Day(day.0 + 1)).unwrap();
        assert!(question[0].peek(|connection| find_part(connection, "s")).is_none());
        assert!(incomplete(&question).is_empty());
    }
}
