//! The files of the embedded store, their tables, and how they are opened.
//!
//! `control.db` keeps what is not bound to a day; `day-2026-11-23.db` keeps one UTC day.
//! `user_version` is the version of a file's tables; [`migrate`] brings an older file up to date.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::reader::Reader;

/// Tables of a day. Strings are kept once (`string`) and referred to by number.
///
/// What a commit writes for each record decides how fast records are stored: no table but `request` has a
/// row for each, and none has keys that come in no order, since each would touch a page of its own. See
/// [`super::runs`], [`super::numbers`], [`super::postings`].
pub(super) const DAY: &[&str] = &[r"
CREATE TABLE string (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);
CREATE TABLE facet (kind INTEGER, string INTEGER, PRIMARY KEY (kind, string)) WITHOUT ROWID;
CREATE TABLE request (
    id INTEGER PRIMARY KEY,
    part INTEGER NOT NULL,
    ts INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE content (request INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE batch (
    key TEXT PRIMARY KEY, requests INTEGER NOT NULL, days INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE activity (
    ts INTEGER PRIMARY KEY,
    requests INTEGER NOT NULL,
    attacks INTEGER NOT NULL,
    denied INTEGER NOT NULL
);
-- An index of sorted runs, see runs.rs.
CREATE TABLE run (
    id INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    level INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    first_chunk INTEGER NOT NULL,
    last_chunk INTEGER NOT NULL
);
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    a INTEGER NOT NULL,
    b INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX chunk_key ON chunk (run, a, b);
CREATE TABLE part_numbers (id INTEGER PRIMARY KEY, numbers BLOB NOT NULL);
CREATE TABLE part_keys (id INTEGER PRIMARY KEY, keys BLOB NOT NULL);
CREATE TABLE posting (
    kind INTEGER, string INTEGER, span INTEGER, parts BLOB NOT NULL,
    PRIMARY KEY (kind, string, span)
) WITHOUT ROWID;
CREATE TABLE part (id INTEGER PRIMARY KEY, session NOT NULL UNIQUE);
"];

/// Tables of what is not bound to a day.
pub(super) const CONTROL: &[&str] = &[r"
CREATE TABLE token (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    role TEXT NOT NULL,
    label TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE TABLE deny (
    session TEXT PRIMARY KEY, since INTEGER NOT NULL, until INTEGER, entry TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE deny_history (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ts INTEGER NOT NULL,
    action TEXT NOT NULL,
    by TEXT NOT NULL,
    session TEXT NOT NULL,
    entry TEXT NOT NULL
);
CREATE INDEX deny_history_session ON deny_history (session);
CREATE TABLE parameters (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ts INTEGER NOT NULL,
    by TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE TABLE change (id INTEGER PRIMARY KEY CHECK (id = 1), life TEXT NOT NULL, n INTEGER NOT NULL);
INSERT INTO change VALUES (1, lower(hex(randomblob(4))), 0);
"];

/// Page cache of a connection that reads, KiB. With four times as much no list was faster: what is read once is
/// in the kernel's cache.
const READER_CACHE_KIB: i64 = 4 * 1024;

/// How long a statement waits for another process (a subcommand beside the server).
const BUSY: Duration = Duration::from_secs(5);

/// Opens a file for writing, makes it where it is not there, and brings its tables up to date.
pub(super) fn open(path: &Path, migrations: &[&str]) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    make_private(path);
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is on the disk when it returns: `200` to a node means durable.
    connection.pragma_update(None, "synchronous", "FULL")?;
    tune(&connection)?;
    migrate(&mut connection, migrations)?;
    Ok(connection)
}

/// Makes the file for this user alone; SQLite gives its log files the same mode. What cannot be
/// made, SQLite says better.
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

/// Opens a file for reading: [`Reader`] knows how.
pub(super) fn open_reader(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    tune(&connection)?;
    Ok(connection)
}

/// Brings the tables of a file up to date that is only read otherwise. A file that cannot be written
/// is not read: [`check`] says why.
pub(super) fn bring_up_to_date(path: &Path, migrations: &[&str]) -> rusqlite::Result<()> {
    if (Reader::open(path)?.read(version)? as usize) < migrations.len() {
        open(path, migrations)?;
    }
    Ok(())
}

/// The version of a file's tables.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// An error where the tables of a file are not those that this version reads.
pub(super) fn check(connection: &Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let version = version(connection)?;
    if (version as usize) < migrations.len() {
        return Err(other_version(format!(
            "its tables are of version {version} and could not be brought up to {}",
            migrations.len()
        )));
    }
    Ok(())
}

/// An error where the tables of a file are of a version to come.
pub(super) fn check_not_newer(
    connection: &Connection,
    migrations: &[&str],
) -> rusqlite::Result<()> {
    let version = version(connection)?;
    if version as usize > migrations.len() {
        return Err(other_version(format!(
            "made by a newer version of api-sessions-cloud (tables {version}, this one knows {})",
            migrations.len()
        )));
    }
    Ok(())
}

fn other_version(text: String) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_SCHEMA);
    rusqlite::Error::SqliteFailure(code, Some(text))
}

fn tune(connection: &Connection) -> rusqlite::Result<()> {
    // Plans do not depend on bound values: else a statement is prepared anew for each of them,
    // which is a quarter of the time that storing takes.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    check_not_newer(connection, migrations)?;
    let version = version(connection)? as usize;
    for (n, step) in migrations.iter().enumerate().skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", n as u32 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}
