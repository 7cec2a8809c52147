//! The day files, and connections that read them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, OptionalExtension, ToSql};

use super::body::{Resolve, hex, unhex};
use super::reader::{Reader, beside};
use super::schema;
use crate::store::{Day, StoreError};

/// Idle connections kept for each day.
const IDLE: usize = 4;

/// All days on disk.
pub(super) struct Days {
    dir: PathBuf,
    open: RwLock<BTreeMap<Day, Arc<DayFile>>>,
}

/// One day on disk.
pub(super) struct DayFile {
    pub(super) day: Day,
    pub(super) path: PathBuf,
    idle: Mutex<Vec<Reader>>,
    error: Mutex<Option<DayError>>,
}

/// Why a day could not be read.
struct DayError {
    text: String,
    /// The file is damaged: not only out of reach for a while.
    is_damage: bool,
}

/// Locks; what a thread that panicked left is still whole, since each change is one step.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
                open.insert(day, Arc::new(DayFile::new(day, path)));
            }
        }
        Ok(Days { dir: dir.to_owned(), open: RwLock::new(open) })
    }

    /// The file of `day`, whether there is one or not.
    pub(super) fn path(&self, day: Day) -> PathBuf {
        self.dir.join(format!("day-{day}.db"))
    }

    /// The day was written for the first time.
    pub(super) fn add(&self, day: Day) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.entry(day).or_insert_with(|| Arc::new(DayFile::new(day, self.path(day))));
    }

    /// Opens the file of `day` for writing, and makes it where it is not there.
    pub(super) fn open_to_write(&self, day: Day) -> rusqlite::Result<Connection> {
        // What this process has open of a file since its disk was read-only is read-only for all
        // connections.
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&day) {
            lock(&file.idle).clear();
        }
        drop(open);
        schema::open(&self.path(day), schema::DAY)
    }

    /// All days, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<DayFile>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Deletes the files of the days before `first`.
    pub(super) fn drop_before(&self, first: Day) -> Result<Vec<Day>, StoreError> {
        let old: Vec<_> = self.all().into_iter().filter(|file| file.day < first).collect();
        for file in &old {
            self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&file.day);
            lock(&file.idle).clear();
            for suffix in ["-wal", "-shm", ""] {
                let path = beside(&file.path, suffix);
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

impl DayFile {
    fn new(day: Day, path: PathBuf) -> Self {
        Self { day, path, idle: Mutex::default(), error: Mutex::default() }
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
        let idle = lock(&self.idle).pop().filter(Reader::is_current);
        if idle.is_none() && self.is_empty() {
            return None;
        }
        let result = match idle {
            Some(reader) => Ok(reader),
            None => Reader::open(&self.path).and_then(|reader| {
                reader.read(|connection| schema::check(connection, schema::DAY))?;
                Ok(reader)
            }),
        }
        .and_then(|reader| Ok((reader.read(read)?, reader)));
        match result {
            Ok((value, reader)) => {
                // A damaged page stays damaged, though others can be read.
                lock(&self.error).take_if(|error| !error.is_damage);
                let mut idle = lock(&self.idle);
                if idle.len() < IDLE {
                    idle.push(reader);
                }
                Some(value)
            }
            // The connection goes, and its transaction with it.
            Err(error) => {
                use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
                let text = error.to_string();
                tracing::error!(day = %self.day, error = %text, "a day cannot be read");
                let is_damage =
                    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase));
                let mut known = lock(&self.error);
                if is_damage || known.is_none() {
                    *known = Some(DayError { text, is_damage });
                }
                None
            }
        }
    }

    /// Why it could not be read last time.
    pub(super) fn error(&self) -> Option<String> {
        lock(&self.error).as_ref().map(|error| error.text.clone())
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        ["", "-wal"]
            .iter()
            .filter_map(|suffix| Some(std::fs::metadata(beside(&self.path, suffix)).ok()?.len()))
            .sum()
    }

    /// It was made, but the disk was full before anything was in it.
    fn is_empty(&self) -> bool {
        self.path.exists() && self.bytes() == 0
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
        let file = DayFile::new(Day::parse("2026-11-23").unwrap(), path.clone());
        let look = || file.peek(|connection| find_part(connection, "s"));
        assert!(look().is_none() && file.error().is_none());
        std::fs::write(&path, "no database").unwrap();
        assert!(look().is_none() && file.error().is_some());
    }
}
