//! Read connections, which also work if the disk is not writable.
//!
//! To read a file in WAL mode, SQLite creates two files beside it. Where it cannot (the disk is full, or
//! became read-only after a clean stop), the file is opened with `immutable=1`. SQLite then takes no lock and
//! does not notice changes; a [`Stamp`] detects them.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::schema;

/// A read connection.
pub(super) struct Reader {
    connection: Connection,
    path: PathBuf,
    /// For an immutable file: its stamp when it was opened.
    alone: Option<Stamp>,
}

/// File attributes that change with every write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    /// `None`: the file does not exist, or has a write-ahead log.
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
    /// Opens a file and reads enough of it to know that it is readable.
    pub(super) fn open(path: &Path) -> rusqlite::Result<Reader> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let error = match schema::open_reader(path, flags).and_then(probe) {
            Ok(connection) => return Ok(Reader { connection, path: path.to_owned(), alone: None }),
            Err(error) => error,
        };
        // Taken before opening, so that later writes are detected.
        let Some(stamp) = Stamp::of(path).filter(|_| is_of_the_disk(&error)) else {
            return Err(error);
        };
        let flags = flags | OpenFlags::SQLITE_OPEN_URI;
        let connection = schema::open_reader(&as_nobody_writes_it(path), flags).and_then(probe)?;
        Ok(Reader { connection, path: path.to_owned(), alone: Some(stamp) })
    }

    /// Whether it shows the current content of the file.
    pub(super) fn is_current(&self) -> bool {
        self.alone.is_none_or(|stamp| Stamp::of(&self.path) == Some(stamp))
    }

    /// Reads. If an immutable file was written to during the read, the result is an error.
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

/// The errors SQLite returns for opening a file on a full or read-only disk.
pub(super) fn is_of_the_disk(error: &rusqlite::Error) -> bool {
    use ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
    matches!(error.sqlite_error_code(), Some(CannotOpen | DiskFull | ReadOnly | SystemIoFailure))
}

/// The error only appears with the first statement.
fn probe(connection: Connection) -> rusqlite::Result<Connection> {
    schema::version(&connection)?;
    Ok(connection)
}

/// The URI of an immutable file.
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

    /// Simulates a read-only disk: SQLite cannot create the files that it needs.
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
        // Characters with a meaning in URIs.
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
