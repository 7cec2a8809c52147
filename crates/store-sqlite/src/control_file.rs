//! `control.db`: open for writing or, while its disk is full or read-only, read-only.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::reader::{Reader, is_of_the_disk};
use super::schema;

/// Interval between checks whether the file has become writable again. A write checks immediately.
const AGAIN: Duration = Duration::from_secs(5);

/// `control.db`.
pub(super) struct ControlFile {
    path: PathBuf,
    state: State,
}

enum State {
    Writable(Connection),
    ReadOnly {
        reader: Reader,
        why: String,
        tried: Instant,
    },
    /// It could not be reopened.
    Closed,
}

impl State {
    fn open(path: &Path) -> rusqlite::Result<State> {
        let why = match schema::open(path, schema::CONTROL) {
            // With the log and its index in place, everything but writing works.
            Ok(connection) if connection.is_readonly("main")? => "its disk is read-only".to_owned(),
            Ok(connection) => return Ok(State::Writable(connection)),
            Err(error) if is_of_the_disk(&error) => error.to_string(),
            Err(error) => return Err(error),
        };
        let reader = Reader::open(path)?;
        reader.read(|connection| {
            schema::check_not_newer(connection, schema::CONTROL)?;
            schema::check(connection, schema::CONTROL)
        })?;
        Ok(State::ReadOnly { reader, why, tried: Instant::now() })
    }
}

impl ControlFile {
    /// Opens it; creates it if it does not exist.
    pub(super) fn open(path: PathBuf) -> rusqlite::Result<ControlFile> {
        let state = State::open(&path)?;
        let file = ControlFile { path, state };
        if let Some(why) = file.why_not_writable() {
            tracing::error!(path = %file.path.display(), error = why, "read, but cannot be written to");
        }
        Ok(file)
    }

    /// Reads, by one statement.
    pub(super) fn read<T>(
        &mut self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.look_again(AGAIN)?;
        match &self.state {
            State::Writable(connection) => read(connection),
            State::ReadOnly { reader, .. } => reader.read(read),
            State::Closed => Err(read_only("it is closed")),
        }
    }

    /// Changes it in one transaction.
    pub(super) fn change<T>(
        &mut self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.look_again(Duration::ZERO)?;
        match &mut self.state {
            State::Writable(connection) => {
                let transaction = connection.transaction()?;
                let value = change(&transaction)?;
                transaction.commit()?;
                Ok(value)
            }
            State::ReadOnly { why, .. } => Err(read_only(why)),
            State::Closed => Err(read_only("it is closed")),
        }
    }

    /// Why it was not writable at the last check.
    pub(super) fn why_not_writable(&self) -> Option<&str> {
        match &self.state {
            State::Writable(_) => None,
            State::ReadOnly { why, .. } => Some(why),
            State::Closed => Some("it is closed"),
        }
    }

    /// Reopens it if it was read-only: after the interval, or when another process wrote to it.
    fn look_again(&mut self, pause: Duration) -> rusqlite::Result<()> {
        let is_time = match &self.state {
            State::Writable(_) => false,
            State::ReadOnly { reader, tried, .. } => {
                tried.elapsed() >= pause || !reader.is_current()
            }
            State::Closed => true,
        };
        if is_time {
            // Closed first: SQLite shares a file's read-only state among all connections of a process.
            self.state = State::Closed;
            self.state = State::open(&self.path)?;
            if self.why_not_writable().is_none() {
                tracing::info!(path = %self.path.display(), "can be written to again");
            }
        }
        Ok(())
    }

    /// Like [`ControlFile::why_not_writable`], but checks again if the last check is too old.
    pub(super) fn state_now(&mut self) -> Option<String> {
        match self.look_again(AGAIN) {
            Ok(()) => self.why_not_writable().map(str::to_owned),
            Err(error) => Some(error.to_string()),
        }
    }
}

fn read_only(why: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
    rusqlite::Error::SqliteFailure(code, Some(format!("it can only be read: {why}")))
}
