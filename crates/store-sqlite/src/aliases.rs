//! `aliases.db`: other ids of sessions.
//!
//! Every alias is stored with the session that it finally leads to, so that one look-up resolves it. An alias
//! claimed by two sessions belongs to neither from then on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::codec::{Key, hex, session_key};
use super::moved::PartId;
use super::reader::Reader;
use super::rehome::{Join, Rehomed};
use super::schema;
use super::segment::Segments;
use super::segment_id::SegmentId;
use api_sessions_store::aliases::{Claim, Identifier, Identity, claims};
use api_sessions_store::limits::{MAX_DENIED_IDENTIFIERS, MAX_IDENTIFIERS};
use api_sessions_store::{Day, NewRequest};

const TABLES: &[&str] = &["
CREATE TABLE alias (
    alias BLOB PRIMARY KEY, root BLOB NOT NULL, name TEXT NOT NULL, root_name TEXT NOT NULL,
    reason TEXT NOT NULL, ts INTEGER NOT NULL, request TEXT NOT NULL, is_cut INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX alias_root ON alias (root, ts);
CREATE INDEX alias_ts ON alias (ts);
CREATE TABLE previous (
    session TEXT PRIMARY KEY, previous TEXT NOT NULL, ts INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX previous_previous ON previous (previous);
", "
CREATE TABLE part (
    day INTEGER, number INTEGER, part INTEGER, root BLOB NOT NULL, root_name TEXT NOT NULL,
    PRIMARY KEY (day, number, part)
) WITHOUT ROWID;
CREATE TABLE part_link (
    day INTEGER, number INTEGER, part INTEGER, newer_day INTEGER, newer_number INTEGER, newer_part INTEGER,
    PRIMARY KEY (day, number, part, newer_day, newer_number, newer_part)
) WITHOUT ROWID;
"];

/// The writer's connection; opened when first needed.
pub(super) struct AliasWriter {
    path: PathBuf,
    connection: Option<Connection>,
}

impl AliasWriter {
    pub(super) fn new(dir: &Path) -> AliasWriter {
        AliasWriter { path: path_in(dir), connection: None }
    }

    fn connection(&mut self, make: bool) -> rusqlite::Result<Option<&mut Connection>> {
        if self.connection.is_none() && (make || self.path.exists()) {
            self.connection = Some(schema::open(&self.path, TABLES)?);
        }
        Ok(self.connection.as_mut())
    }

    /// Stores the alias claims of requests. Stored requests of a session that turns out to be an alias belong
    /// to its target from then on. Returns the ids that are no longer aliases.
    pub(super) fn store<'r>(
        &mut self,
        segments: &Segments,
        requests: impl Iterator<Item = &'r NewRequest> + Clone,
    ) -> rusqlite::Result<Vec<Key>> {
        let says = |request: &&NewRequest| {
            !request.record.links.is_empty() || request.record.previous.is_some()
        };
        if requests.clone().find(says).is_none() {
            return Ok(Vec::new());
        }
        let Some(connection) = self.connection(true)? else { return Ok(Vec::new()) };
        let transaction = connection.transaction()?;
        let mut taken = Taken::default();
        for request in requests.filter(says) {
            let record = &request.record;
            for claim in claims(record) {
                take(&transaction, &claim, &mut taken)?;
            }
            if let Some(previous) = &record.previous {
                let session = root(&transaction, &session_key(&record.session))?
                    .map_or_else(|| record.session.to_string(), |(_, name)| name);
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO previous VALUES (?, ?, ?)")?
                    .execute(params![session, previous, record.ts as i64])?;
            }
        }
        let rehomed = Rehomed::new(segments, &taken.joins);
        let mut parts = Vec::with_capacity(rehomed.parts.len());
        for (part, root) in &rehomed.parts {
            let name = taken.names.get(root).cloned().unwrap_or_else(|| hex(root));
            transaction
                .prepare_cached("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?)")?
                .execute(params![part.0.day.0, part.0.number, part.1, root, name])?;
            parts.push((*part, *root, name));
        }
        for (newer, older) in &rehomed.links {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO part_link VALUES (?, ?, ?, ?, ?, ?)")?
                .execute(params![
                    older.0.day.0,
                    older.0.number,
                    older.1,
                    newer.0.day.0,
                    newer.0.number,
                    newer.1
                ])?;
        }
        transaction.commit()?;
        segments.rehome(&parts, &rehomed.links);
        Ok(taken.cuts)
    }

    /// The session that an alias leads to, and its name.
    pub(super) fn root(&mut self, alias: &Key) -> rusqlite::Result<Option<(Key, String)>> {
        match self.connection(false)? {
            Some(connection) => root(connection, alias),
            None => Ok(None),
        }
    }

    /// Removes an alias. Returns whether it was one.
    pub(super) fn cut(&mut self, alias: &Key) -> rusqlite::Result<bool> {
        let Some(connection) = self.connection(false)? else { return Ok(false) };
        let mut cut = connection
            .prepare_cached("UPDATE alias SET is_cut = 1 WHERE alias = ? AND is_cut = 0")?;
        Ok(cut.execute([alias])? > 0)
    }

    /// Deletes claims from before `first`.
    pub(super) fn drop_before(&mut self, first: Day) -> rusqlite::Result<()> {
        let Some(connection) = self.connection(false)? else { return Ok(()) };
        let (day, first) = (first.0, first.start() as i64);
        connection.execute("DELETE FROM part WHERE day < ?", [day])?;
        connection.execute("DELETE FROM part_link WHERE day < ?", [day])?;
        connection.execute("DELETE FROM alias WHERE ts < ?", [first])?;
        connection.execute("DELETE FROM previous WHERE ts < ?", [first]).map(|_| ())
    }
}

fn path_in(dir: &Path) -> PathBuf {
    dir.join("aliases.db")
}

fn root(connection: &Connection, alias: &Key) -> rusqlite::Result<Option<(Key, String)>> {
    connection
        .prepare_cached("SELECT root, root_name FROM alias WHERE alias = ? AND is_cut = 0")?
        .query_row([alias], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

/// Changes made by claims.
#[derive(Default)]
struct Taken {
    joins: Vec<Join>,
    /// Ids that are no longer aliases.
    cuts: Vec<Key>,
    /// Names of the sessions that were merged.
    names: HashMap<Key, String>,
}

/// Applies one claim.
fn take(connection: &Connection, claim: &Claim<'_>, taken: &mut Taken) -> rusqlite::Result<()> {
    let (alias, session) = (session_key(claim.alias), session_key(claim.session));
    let known: Option<(Key, bool)> = connection
        .prepare_cached("SELECT root, is_cut FROM alias WHERE alias = ?")?
        .query_row([alias], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let of_session = root(connection, &session)?;
    let (root, root_name) = of_session.unwrap_or_else(|| (session, claim.session.to_owned()));
    let is_cut = match known {
        Some((_, true)) => return Ok(()),
        Some((known, false)) if known == root && !claim.is_demotion => return Ok(()),
        None if root == alias => return Ok(()),
        Some(_) => true,
        None => claim.is_demotion,
    };
    connection
        .prepare_cached(
            "INSERT INTO alias VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (alias) DO UPDATE SET is_cut = ?8",
        )?
        .execute(params![
            alias,
            root,
            claim.alias,
            root_name,
            claim.reason,
            claim.ts as i64,
            claim.request,
            is_cut
        ])?;
    if is_cut {
        taken.cuts.push(alias);
        return Ok(());
    }
    taken.joins.push((alias, root));
    taken.names.insert(root, root_name.clone());
    // Whatever led to the alias now leads to its target.
    connection
        .prepare_cached("UPDATE alias SET root = ?1, root_name = ?2 WHERE root = ?3")?
        .execute(params![root, root_name, alias])
        .map(|_| ())
}

/// Tells the segments which of their parts belong to other sessions.
pub(super) fn restore(segments: &Segments) -> rusqlite::Result<()> {
    let path = path_in(segments.dir());
    if !path.exists() {
        return Ok(());
    }
    let id = |row: &Row<'_>, at: usize| -> rusqlite::Result<PartId> {
        let segment = SegmentId { day: Day(row.get(at)?), number: row.get(at + 1)? };
        Ok((segment, row.get(at + 2)?))
    };
    Reader::open(&path)?.read(|connection| {
        if schema::version(connection)? < 2 {
            return Ok(());
        }
        let parts: Vec<(PartId, Key, String)> = connection
            .prepare("SELECT * FROM part")?
            .query_map([], |row| Ok((id(row, 0)?, row.get(3)?, row.get(4)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let links: Vec<(PartId, PartId)> = connection
            .prepare("SELECT * FROM part_link")?
            .query_map([], |row| Ok((id(row, 3)?, id(row, 0)?)))?
            .collect::<rusqlite::Result<_>>()?;
        segments.rehome(&parts, &links);
        Ok(())
    })
}

/// The read connection for queries.
pub(super) struct AliasReader {
    path: PathBuf,
    reader: Option<Reader>,
}

impl AliasReader {
    pub(super) fn new(dir: &Path) -> AliasReader {
        AliasReader { path: path_in(dir), reader: None }
    }

    fn read<T: Default>(
        &mut self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        if self.reader.as_ref().is_none_or(|reader| !reader.is_current()) {
            if !self.path.exists() {
                return Ok(T::default());
            }
            self.reader = Some(Reader::open(&self.path)?);
        }
        match &self.reader {
            Some(reader) => reader.read(read),
            None => Ok(T::default()),
        }
    }

    /// Resolves a session id: the session itself, or the one that it is an alias of.
    pub(super) fn root(&mut self, session: &str) -> rusqlite::Result<String> {
        let found = self.read(|connection| root_name(connection, session))?;
        Ok(found.unwrap_or_else(|| session.to_owned()))
    }

    /// Other ids under which nodes may know the session.
    pub(super) fn other_ids(&mut self, session: &str) -> rusqlite::Result<Vec<String>> {
        let root = self.root(session)?;
        let mut ids: Vec<String> = self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT name FROM alias WHERE root = ? AND is_cut = 0
                     ORDER BY ts DESC, name LIMIT ?",
                )?
                .query_map(params![session_key(&root), MAX_DENIED_IDENTIFIERS as i64], |row| {
                    row.get(0)
                })?
                .collect()
        })?;
        ids.push(root);
        ids.retain(|id| id != session);
        Ok(ids)
    }

    /// The identifiers of a session.
    pub(super) fn identity(&mut self, session: &str) -> rusqlite::Result<Identity> {
        let session = self.root(session)?;
        self.read(|connection| {
            let identifiers = connection
                .prepare_cached(
                    "SELECT name, reason, ts, request FROM alias WHERE root = ? AND is_cut = 0
                     ORDER BY ts, name LIMIT ?",
                )?
                .query_map(params![session_key(&session), MAX_IDENTIFIERS as i64], |row| {
                    Ok(Identifier {
                        session: row.get(0)?,
                        reason: row.get(1)?,
                        first_ts: row.get::<_, i64>(2)? as u64,
                        request: row.get(3)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
            let one = |sql: &str| -> rusqlite::Result<Option<String>> {
                let found = connection
                    .prepare_cached(sql)?
                    .query_row([&session], |row| row.get(0))
                    .optional()?;
                match found {
                    Some(other) => {
                        let other: String = other;
                        Ok(Some(root_name(connection, &other)?.unwrap_or(other)))
                    }
                    None => Ok(None),
                }
            };
            let previous = one("SELECT previous FROM previous WHERE session = ?")?;
            let next = one(
                "SELECT session FROM previous WHERE previous = ? ORDER BY ts, session LIMIT 1",
            )?;
            Ok(Identity { session: session.clone(), identifiers, previous, next })
        })
        .map(|found| Identity { session, ..found })
    }
}

fn root_name(connection: &Connection, session: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT root_name FROM alias WHERE alias = ? AND is_cut = 0")?
        .query_row([session_key(session)], |row| row.get(0))
        .optional()
}
