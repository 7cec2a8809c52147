//! `aliases.db`: other ids of sessions.
//!
//! Every alias is there with the session that it leads to in the end, so that one look-up tells. Where two sessions
//! claim an alias, it is nobody's from then on.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension, params};

use super::codec::{Key, session_key};
use super::reader::Reader;
use super::schema;
use api_sessions_store::aliases::{
    Claim, Identifier, Identity, MAX_DENIED_IDENTIFIERS, MAX_IDENTIFIERS, claims,
};
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
"];

/// An alias, and the session that it leads to from now on.
pub(super) type Join = (Key, Key);

/// The file, as the writer has it; opened when it is needed first.
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

    /// Stores what requests say about aliases; gives what changed.
    pub(super) fn store<'r>(
        &mut self,
        requests: impl Iterator<Item = &'r NewRequest> + Clone,
    ) -> rusqlite::Result<Vec<Join>> {
        let says = |request: &&NewRequest| {
            !request.record.links.is_empty() || request.record.previous.is_some()
        };
        if requests.clone().find(says).is_none() {
            return Ok(Vec::new());
        }
        let Some(connection) = self.connection(true)? else { return Ok(Vec::new()) };
        let transaction = connection.transaction()?;
        let mut joins = Vec::new();
        for request in requests.filter(says) {
            let record = &request.record;
            for claim in claims(record) {
                take(&transaction, &claim, &mut joins)?;
            }
            if let Some(previous) = &record.previous {
                transaction
                    .prepare_cached("INSERT OR IGNORE INTO previous VALUES (?, ?, ?)")?
                    .execute(params![record.session, previous, record.ts as i64])?;
            }
        }
        transaction.commit()?;
        Ok(joins)
    }

    /// The session that an alias leads to, and its name.
    pub(super) fn root(&mut self, alias: &Key) -> rusqlite::Result<Option<(Key, String)>> {
        match self.connection(false)? {
            Some(connection) => root(connection, alias),
            None => Ok(None),
        }
    }

    /// An alias is none any more. Whether it was one.
    pub(super) fn cut(&mut self, alias: &Key) -> rusqlite::Result<bool> {
        let Some(connection) = self.connection(false)? else { return Ok(false) };
        let mut cut = connection
            .prepare_cached("UPDATE alias SET is_cut = 1 WHERE alias = ? AND is_cut = 0")?;
        Ok(cut.execute([alias])? > 0)
    }

    /// Deletes what was claimed before `first`.
    pub(super) fn drop_before(&mut self, first: Day) -> rusqlite::Result<()> {
        let Some(connection) = self.connection(false)? else { return Ok(()) };
        let first = first.start() as i64;
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

/// Takes one claim.
fn take(connection: &Connection, claim: &Claim<'_>, joins: &mut Vec<Join>) -> rusqlite::Result<()> {
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
        return Ok(());
    }
    joins.push((alias, root));
    // What led to the alias leads on.
    let mut members =
        connection.prepare_cached("SELECT alias FROM alias WHERE root = ? AND is_cut = 0")?;
    let members: Vec<Key> =
        members.query_map([alias], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    joins.extend(members.iter().map(|member| (*member, root)));
    connection
        .prepare_cached("UPDATE alias SET root = ?1, root_name = ?2 WHERE root = ?3")?
        .execute(params![root, root_name, alias])
        .map(|_| ())
}

/// The file, as questions have it.
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

    /// The session that this one is, or is an alias of.
    pub(super) fn root(&mut self, session: &str) -> rusqlite::Result<String> {
        let found = self.read(|connection| root_name(connection, session))?;
        Ok(found.unwrap_or_else(|| session.to_owned()))
    }

    /// The ids under which nodes may know the session, other than the one given.
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

    /// What a session is known by.
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
