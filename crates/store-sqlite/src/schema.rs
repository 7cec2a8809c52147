//! The files of the embedded store, their tables, and how they are opened.
//!
//! `control.db` stores what does not belong to a day; `day-2026-11-23.0001.db` is a segment of one UTC day.
//! `user_version` is the schema version of a file; [`migrate`] upgrades older files.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::row;

/// Tables of a segment, see docs/store.md. An open segment only appends rows to `string`, `session` (number
/// and id), `request`, `content`, `batch`, `link` and `activity`; [`super::seal`] adds the others and the
/// indexes.
pub(super) static SEGMENT: LazyLock<[String; 3]> = LazyLock::new(|| {
    let columns = row::DEFINITIONS;
    // Versions 1 and 2 were never released: such a file is left unchanged and refused.
    let tables = format!(
        "
CREATE TABLE segment (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE string (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE session (
    id INTEGER PRIMARY KEY, session BLOB NOT NULL, name TEXT,
    first_ts INTEGER, last_ts INTEGER,
    requests INTEGER, attacks INTEGER, denied INTEGER,
    key INTEGER, source INTEGER,
    user INTEGER, user_ts INTEGER, role INTEGER, role_ts INTEGER
);
CREATE TABLE session_list (id INTEGER PRIMARY KEY, sessions BLOB NOT NULL);
CREATE TABLE session_count (session INTEGER PRIMARY KEY, counts BLOB NOT NULL, requests BLOB NOT NULL);
CREATE TABLE session_value (
    kind INTEGER, value INTEGER, sessions BLOB NOT NULL, PRIMARY KEY (kind, value)
) WITHOUT ROWID;
CREATE TABLE link (id INTEGER PRIMARY KEY, links BLOB NOT NULL);
CREATE TABLE request (
    row INTEGER PRIMARY KEY{columns}, endpoint INTEGER NOT NULL, content INTEGER NOT NULL
);
CREATE TABLE content (request INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE batch (
    key TEXT PRIMARY KEY, requests INTEGER NOT NULL, days INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE activity (
    ts INTEGER PRIMARY KEY,
    requests INTEGER NOT NULL,
    attacks INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    errors INTEGER NOT NULL DEFAULT 0
);
CREATE VIEW sessions AS SELECT
    ifnull(s.name, lower(hex(s.session))) AS session,
    strftime('%Y-%m-%d %H:%M:%f', min(r.ts) / 1000.0, 'unixepoch') AS first,
    strftime('%Y-%m-%d %H:%M:%f', max(r.ts) / 1000.0, 'unixepoch') AS last,
    count(*) AS requests, count(r.attacks) AS attacks, sum(r.denied) AS denied,
    group_concat(DISTINCT (SELECT text FROM string WHERE id = r.user)) AS users,
    group_concat(DISTINCT (SELECT text FROM string WHERE id = r.ip)) AS ips
    FROM request r JOIN session s ON s.id = r.session GROUP BY r.session;
CREATE VIEW endpoints AS SELECT
    (SELECT text FROM string WHERE id = method) AS method,
    (SELECT text FROM string WHERE id = endpoint) AS endpoint, count(*) AS requests,
    sum(status >= 500) AS errors, round(avg(time_ms), 1) AS average_ms, max(time_ms) AS longest_ms
    FROM request r GROUP BY r.method, r.endpoint;
{}",
        requests_view()
    );
    [String::new(), String::new(), tables]
});

fn requests_view() -> String {
    format!(
        "CREATE VIEW requests AS SELECT {}
         (SELECT text FROM string WHERE id = r.endpoint) AS endpoint FROM request r;",
        row::VIEW
    )
}

/// Columns for record fields added since an older version.
pub(super) fn missing_columns(connection: &Connection) -> rusqlite::Result<Vec<&'static str>> {
    let there: Vec<String> = connection
        .prepare("SELECT name FROM pragma_table_info('request')")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let all = row::DEFINITIONS.split(", ").filter(|column| !column.is_empty());
    let is_there = |column: &&str| {
        let name = column.split(' ').next().unwrap_or_default();
        there.iter().any(|known| known == name)
    };
    Ok(all.filter(|column| !is_there(column)).collect())
}

/// Opens a segment for writing; creates it if it does not exist, and adds missing columns.
pub(super) fn open_segment(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, &*SEGMENT)?;
    let missing = missing_columns(&connection)?;
    if !missing.is_empty() {
        let add = |column: &&str| format!("ALTER TABLE request ADD COLUMN {column};");
        let add: String = missing.iter().map(add).collect();
        let view = requests_view();
        connection.execute_batch(&format!("BEGIN; DROP VIEW requests; {add} {view} COMMIT;"))?;
    }
    if connection.prepare("SELECT errors FROM activity").is_err() {
        connection
            .execute_batch("ALTER TABLE activity ADD COLUMN errors INTEGER NOT NULL DEFAULT 0")?;
    }
    Ok(connection)
}

/// Tables of what does not belong to a day.
pub(super) const CONTROL: &[&str] = &[
    r"
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
",
    "CREATE TABLE rules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ts INTEGER NOT NULL,
    by TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX deny_history_lift ON deny_history (ts) WHERE action = 'lift';",
    "CREATE TABLE key_decisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    ts INTEGER NOT NULL,
    by TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE TABLE key_window (
    start INTEGER NOT NULL, application TEXT NOT NULL, document TEXT NOT NULL,
    PRIMARY KEY (start, application)
) WITHOUT ROWID;",
];

/// Page cache of a read connection, KiB. Small: there may be hundreds, and the kernel caches pages as well.
const READER_CACHE_KIB: i64 = 256;

/// How long a statement waits for another process (a subcommand beside the server).
const BUSY: Duration = Duration::from_secs(5);

/// Opens a file for writing; creates it if it does not exist, and upgrades its tables.
pub(super) fn open(path: &Path, migrations: &[impl AsRef<str>]) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    make_private(path);
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "page_size", 4096)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    // A commit is durable when it returns: `200` promises that to a node.
    connection.pragma_update(None, "synchronous", "FULL")?;
    tune(&connection)?;
    migrate(&mut connection, migrations)?;
    Ok(connection)
}

/// Restricts the file to this user; SQLite gives its log file the same mode. Errors are ignored: SQLite
/// reports a file that cannot be created more clearly.
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt;
    let _ = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
}

/// Opens a file for reading; use [`Reader`], which handles unwritable disks.
pub(super) fn open_reader(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    tune(&connection)?;
    Ok(connection)
}

/// The schema version of a file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Fails if this version does not read the file's tables.
pub(super) fn check(
    connection: &Connection,
    migrations: &[impl AsRef<str>],
) -> rusqlite::Result<()> {
    let version = version(connection)?;
    if (version as usize) < migrations.len() {
        return Err(other_version(format!(
            "its tables are of version {version} and could not be brought up to {}",
            migrations.len()
        )));
    }
    Ok(())
}

/// Fails if the tables are of a newer version.
pub(super) fn check_not_newer(
    connection: &Connection,
    migrations: &[impl AsRef<str>],
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
    // Plans do not depend on bound values; without this, each new value prepares the statement again, a
    // quarter of the time of storing.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn migrate(connection: &mut Connection, migrations: &[impl AsRef<str>]) -> rusqlite::Result<()> {
    check_not_newer(connection, migrations)?;
    let version = version(connection)? as usize;
    for (n, step) in migrations.iter().enumerate().skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step.as_ref())?;
        transaction.pragma_update(None, "user_version", n as u32 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}
