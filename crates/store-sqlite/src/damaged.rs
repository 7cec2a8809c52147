//! The error for a file whose content is not what was written.

/// An error as SQLite's own for a corrupt file.
pub(super) fn damaged() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
        Some("this file is damaged".into()),
    )
}
