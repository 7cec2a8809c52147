//! Strings of a segment, loaded from its file.

use std::collections::HashMap;

use rusqlite::Connection;

use super::damaged::damaged;
use super::row::Resolve;

/// Strings of a segment by their number.
pub(super) struct Strings<'a> {
    connection: &'a Connection,
    known: HashMap<u32, String>,
}

impl<'a> Strings<'a> {
    pub(super) fn new(connection: &'a Connection) -> Self {
        Self { connection, known: Default::default() }
    }
}

impl Resolve for Strings<'_> {
    fn resolve(&mut self, id: u32) -> rusqlite::Result<String> {
        if let Some(text) = self.known.get(&id) {
            return Ok(text.clone());
        }
        let text: String = self
            .connection
            .prepare_cached("SELECT text FROM string WHERE id = ?")?
            .query_row([id], |row| row.get(0))
            .map_err(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => damaged(),
                other => other,
            })?;
        self.known.insert(id, text.clone());
        Ok(text)
    }

    fn params(&mut self, row: u32) -> rusqlite::Result<Vec<u8>> {
        self.connection
            .prepare_cached("SELECT params FROM request WHERE row = ?")?
            .query_row([row], |columns| columns.get(0))
            .map_err(|_| damaged())
    }
}
