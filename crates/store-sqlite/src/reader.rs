//! Connections that read a file, also where its disk cannot be written to.
//!
//! To read a file that has a write-ahead log, SQLite makes two files beside it. Where it cannot (the disk is
//! full, or became read-only after a clean stop), the file is read by itself, as one that nobody writes to.
//! SQLite takes no lock then and looks for no change: a [`Stamp`] tells whether there was one.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema;

/// A connection that reads.
pub(super) struct Reader {
    connection: Connection,
    path: PathBuf,
    /// Of a file that is read by itself: as it was then.
    alone: Option<Stamp>,
}

/// What changes when a file is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// `None`: there is no such file, or a part of it is in its write-ahead log.
    fn of(path: &Path) -> Option<Stamp> {
        let file = std::fs::metadata(path).ok()?;
        let log = std::fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len());
        (log == 0).then(|| Stamp {
            inode: file.ino(),
            bytes: file.len(),
            changed: (file.mtime(), file.mtime_nsec()),
        })
    }
}

impl Reader {
    /// Opens a file, and reads of it as much as tells that it can be read.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Reader> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let error = match schema::open_reader(path, flags).and_then(probe) {
            Ok(connection) => return Ok(Reader { connection, path: path.to_owned(), alone: None }),
            Err(error) => error,
        };
        // The stamp first: what is written after it is seen.
        let Some(stamp) = Stamp::of(path).filter(|_| is_of_the_disk(&error)) else {
            return Err(error);
        };
        let flags = flags | OpenFlags::SQLITE_OPEN_URI;
        let connection = schema::open_reader(&as_nobody_writes_it(path), flags).and_then(probe)?;
        Ok(Reader { connection, path: path.to_owned(), alone: Some(stamp) })
    }

    /// Whether it shows what is in the file now.
    pub(super) fn is_current(&self) -> bool {
        self.alone.is_none_or(|stamp| Stamp::of(&self.path) == Some(stamp))
    }

    /// Reads. An error where the file was written to meanwhile, without this being told.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let result = read(&self.connection);
        if self.is_current() {
            return result;
        }
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
        let text = "it was written to while it was read: ask again".to_owned();
        Err(rusqlite::Error::SqliteFailure(code, Some(text)))
    }
}

/// A file that belongs to another, such as its write-ahead log (`-wal`).
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// What a disk that is full or read-only makes of opening a file.
pub(super) fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    use ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
    matches!(error.sqlite_error_code(), Some(CannotOpen | DiskFull | ReadOnly | SystemIoFailure))
}

/// The error comes with the first statement only.
fn probe(connection: Connection) -> rusqlite::Result<Connection> {
    schema::version(&connection)?;
    Ok(connection)
}

/// The address of a file that is read by itself.
fn as_nobody_writes_it(path: &Path) -> PathBuf {
    let mut address = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            address.push(char::from(*byte));
        } else {
            address.push_str(&format!("%{byte:02X}"));
        }
    }
    address.push_str("?immutable=1");
    address.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[&str] = &["CREATE TABLE t (n INTEGER)"];

    fn count(reader: &Reader) -> rusqlite::Result<i64> {
        reader
            .read(|connection| connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0)))
    }

    /// As if the disk were read-only: SQLite finds no place for the files that it needs.
    fn read_alone(path: &Path) -> Reader {
        let place = beside(path, "-shm");
        std::os::unix::fs::symlink("/nowhere/at/all", &place).unwrap();
        let reader = Reader::open(path).unwrap();
        std::fs::remove_file(&place).unwrap();
        assert!(reader.alone.is_some());
        reader
    }

    #[test]
    fn a_file_that_is_read_by_itself_is_not_read_on_once_it_is_written_to() {
        let dir = tempfile::tempdir().unwrap();
        // Characters that mean something in an address.
        let path = dir.path().join("a?b#c%20 é.db");
        drop(schema::open(&path, TABLE).unwrap());
        let reader = read_alone(&path);
        assert_eq!(count(&reader).unwrap(), 0);
        let writer = schema::open(&path, TABLE).unwrap();
        writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
        assert!(!reader.is_current() && count(&reader).is_err(), "in the log");
        drop(writer);
        assert!(!reader.is_current() && count(&reader).is_err(), "in the file");
        assert_eq!(count(&Reader::open(&path).unwrap()).unwrap(), 1);
    }

    #[test]
    fn a_file_with_a_log_is_not_read_without_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let writer = schema::open(&path, TABLE).unwrap();
        writer.execute("INSERT INTO t VALUES (1)", []).unwrap();
        assert_eq!(Stamp::of(&path), None);
    }
}
