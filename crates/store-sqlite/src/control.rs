//! Tokens, denylist, parameters, rules and keys in `control.db`.

use api_sessions_protocol::{DenyEntry, Lifted, ParameterSet, SessionRule};
use api_sessions_store::limits::MAX_LIFTED;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::SqliteStore;
use api_sessions_store::control::{Control, DenyChange, Role, TokenInfo};
use api_sessions_store::query::{HistoryQuery, Paged};
use api_sessions_store::{Day, KeyDecisions, KeyWindow, Page, StoreError, cursor};

fn error(error: rusqlite::Error) -> StoreError {
    StoreError::Unavailable(format!("control.db: {error}"))
}

fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Invalid(error.to_string()))
}

fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

fn token(row: &Row<'_>) -> rusqlite::Result<TokenInfo> {
    let role: String = row.get(1)?;
    Ok(TokenInfo {
        id: row.get(0)?,
        // An unknown role, written by a newer version, gets the fewest permissions.
        role: Role::parse(&role).unwrap_or(Role::Ingest),
        label: row.get(2)?,
        created: row.get::<_, i64>(3)? as u64,
    })
}

fn changed(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE change SET n = n + 1", []).map(|_| ())
}

fn record_change(
    connection: &Connection,
    action: &str,
    by: &str,
    now: u64,
    session: &str,
    entry: &str,
) -> rusqlite::Result<()> {
    connection
        .execute(
            "INSERT INTO deny_history (ts, action, by, session, entry) VALUES (?, ?, ?, ?, ?)",
            params![now as i64, action, by, session, entry],
        )
        .map(|_| ())
}

impl SqliteStore {
    fn read_control<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.control.lock().read(read).map_err(error)
    }

    fn change_control<T>(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.control.lock().change(change).map_err(error)
    }

    /// Deletes key measurements from before a day.
    pub(super) fn drop_key_windows(&self, first: Day) -> Result<(), StoreError> {
        let start = first.start() as i64;
        self.change_control(|connection| {
            connection.execute("DELETE FROM key_window WHERE start < ?", [start]).map(|_| ())
        })
    }

    /// The current document of a table that keeps all versions.
    fn newest_document<T: serde::de::DeserializeOwned + Default>(
        &self,
        table: &str,
    ) -> Result<T, StoreError> {
        let sql = format!("SELECT document FROM {table} ORDER BY id DESC LIMIT 1");
        self.read_control(|connection| {
            connection
                .prepare_cached(&sql)?
                .query_row([], |row| from_json(row.get_ref(0)?.as_str()?))
                .optional()
                .map(Option::unwrap_or_default)
        })
    }

    fn add_document(
        &self,
        table: &str,
        document: &str,
        by: &str,
        now: u64,
    ) -> Result<(), StoreError> {
        let sql = format!("INSERT INTO {table} (ts, by, document) VALUES (?, ?, ?)");
        self.change_control(|connection| {
            connection.execute(&sql, params![now as i64, by, document])?;
            changed(connection)
        })
    }
}

impl Control for SqliteStore {
    fn add_token(&self, hash: &[u8; 32], role: Role, label: &str) -> Result<i64, StoreError> {
        self.change_control(|connection| {
            connection.execute(
                "INSERT INTO token (hash, role, label, created) VALUES (?, ?, ?, ?)",
                params![hash, role.as_str(), label, api_sessions_store::clock::now_ms() as i64],
            )?;
            Ok(connection.last_insert_rowid())
        })
    }

    fn find_token(&self, hash: &[u8; 32]) -> Result<Option<TokenInfo>, StoreError> {
        self.read_control(|connection| {
            connection
                .prepare_cached("SELECT id, role, label, created FROM token WHERE hash = ?")?
                .query_row([hash], token)
                .optional()
        })
    }

    fn tokens(&self) -> Result<Vec<TokenInfo>, StoreError> {
        self.read_control(|connection| {
            connection
                .prepare("SELECT id, role, label, created FROM token ORDER BY id")?
                .query_map([], token)?
                .collect()
        })
    }

    fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        self.change_control(|connection| {
            Ok(connection.execute("DELETE FROM token WHERE id = ?", [id])? > 0)
        })
    }

    fn denylist(&self, now: u64) -> Result<Vec<DenyEntry>, StoreError> {
        self.read_control(|connection| {
            connection
                .prepare_cached(
                    "SELECT entry FROM deny WHERE until IS NULL OR until > ?
                     ORDER BY since DESC, session",
                )?
                .query_map([now as i64], |row| from_json(row.get_ref(0)?.as_str()?))?
                .collect()
        })
    }

    fn denied(&self, sessions: &[&str], now: u64) -> Result<Vec<DenyEntry>, StoreError> {
        self.read_control(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT entry FROM deny WHERE session = ? AND (until IS NULL OR until > ?)",
            )?;
            let mut entries = Vec::new();
            for session in sessions {
                entries.extend(
                    statement
                        .query_row(params![session, now as i64], |row| {
                            from_json(row.get_ref(0)?.as_str()?)
                        })
                        .optional()?,
                );
            }
            Ok(entries)
        })
    }

    fn deny(&self, entry: &DenyEntry) -> Result<(), StoreError> {
        let text = json(entry)?;
        self.change_control(|connection| {
            // Expired entries are history.
            connection.execute("DELETE FROM deny WHERE until <= ?", [entry.since as i64])?;
            connection.execute(
                "INSERT OR REPLACE INTO deny VALUES (?, ?, ?, ?)",
                params![
                    entry.session,
                    entry.since as i64,
                    entry.until.map(|until| until.min(i64::MAX as u64) as i64),
                    text
                ],
            )?;
            let by = entry.by.as_deref().unwrap_or_default();
            record_change(connection, "add", by, entry.since, &entry.session, &text)?;
            changed(connection)
        })
    }

    fn undeny(&self, session: &str, by: &str, now: u64) -> Result<bool, StoreError> {
        self.change_control(|connection| {
            let entry: Option<String> = connection
                .query_row("DELETE FROM deny WHERE session = ? RETURNING entry", [session], |row| {
                    row.get(0)
                })
                .optional()?;
            let Some(entry) = entry else { return Ok(false) };
            record_change(connection, "remove", by, now, session, &entry)?;
            changed(connection)?;
            Ok(true)
        })
    }

    fn lift(&self, session: &str, by: &str, now: u64) -> Result<(), StoreError> {
        let entry = DenyEntry { session: session.to_owned(), since: now, ..DenyEntry::default() };
        let text = json(&entry)?;
        self.change_control(|connection| {
            record_change(connection, "lift", by, now, session, &text)?;
            changed(connection)
        })
    }

    fn lifted(&self, since: u64) -> Result<Vec<Lifted>, StoreError> {
        self.read_control(|connection| {
            connection
                .prepare_cached(
                    "SELECT session, max(ts) AS ts FROM deny_history WHERE action = 'lift' AND ts > ?
                     GROUP BY session ORDER BY ts DESC LIMIT ?",
                )?
                .query_map(params![since as i64, MAX_LIFTED as i64], |row| {
                    Ok(Lifted { session: row.get(0)?, ts: row.get::<_, i64>(1)? as u64 })
                })?
                .collect()
        })
    }

    fn deny_history(&self, query: &HistoryQuery) -> Result<Page<DenyChange>, StoreError> {
        let before: i64 = match query.verify_cursor("sqlite")?.as_deref() {
            None => i64::MAX,
            Some([id]) => id.parse().map_err(|_| cursor::invalid())?,
            Some(_) => return Err(cursor::invalid()),
        };
        // One more than the page size, to know whether there is another page.
        let most = query.limit as i64 + 1;
        let mut found: Vec<(i64, DenyChange)> = self.read_control(|connection| {
            connection
                .prepare_cached(
                    "SELECT ts, action, by, entry, id FROM deny_history
                     WHERE (?1 IS NULL OR session = ?1) AND id < ?2 ORDER BY id DESC LIMIT ?3",
                )?
                .query_map(params![query.session, before, most], |row| {
                    let change = DenyChange {
                        ts: row.get::<_, i64>(0)? as u64,
                        action: row.get(1)?,
                        by: row.get(2)?,
                        entry: from_json(row.get_ref(3)?.as_str()?)?,
                    };
                    Ok((row.get(4)?, change))
                })?
                .collect()
        })?;
        let more = found.len() > query.limit;
        found.truncate(query.limit);
        let last = found.last().filter(|_| more);
        let next = last.map(|(id, _)| query.sign_cursor("sqlite", &[&id.to_string()]));
        let items = found.into_iter().map(|(_, change)| change).collect();
        Ok(Page { items, next, incomplete: Vec::new() })
    }

    fn parameters(&self) -> Result<ParameterSet, StoreError> {
        self.newest_document("parameters")
    }

    fn set_parameters(&self, set: &ParameterSet, by: &str, now: u64) -> Result<(), StoreError> {
        self.add_document("parameters", &json(set)?, by, now)
    }

    fn rules(&self) -> Result<Vec<SessionRule>, StoreError> {
        self.newest_document("rules")
    }

    fn set_rules(&self, rules: &[SessionRule], by: &str, now: u64) -> Result<(), StoreError> {
        self.add_document("rules", &json(&rules)?, by, now)
    }

    fn key_decisions(&self) -> Result<KeyDecisions, StoreError> {
        self.newest_document("key_decisions")
    }

    fn set_key_decisions(
        &self,
        decisions: &KeyDecisions,
        by: &str,
        now: u64,
    ) -> Result<(), StoreError> {
        self.add_document("key_decisions", &json(decisions)?, by, now)
    }

    fn add_key_window(&self, window: &KeyWindow) -> Result<(), StoreError> {
        let KeyWindow { start, application, document } = window;
        self.change_control(|connection| {
            connection
                .prepare_cached("INSERT OR REPLACE INTO key_window VALUES (?, ?, ?)")?
                .execute(params![*start as i64, application, document])
                .map(|_| ())
        })
    }

    fn key_windows(
        &self,
        application: Option<&str>,
        from: u64,
        to: u64,
        most: usize,
    ) -> Result<Vec<KeyWindow>, StoreError> {
        let time = |ms: u64| i64::try_from(ms).unwrap_or(i64::MAX);
        let mut windows: Vec<KeyWindow> = self.read_control(|connection| {
            connection
                .prepare_cached(
                    "SELECT start, application, document FROM key_window
                     WHERE start BETWEEN ?1 AND ?2 AND (?3 IS NULL OR application = ?3)
                     ORDER BY start DESC, application DESC LIMIT ?4",
                )?
                .query_map(params![time(from), time(to), application, most as i64], |row| {
                    Ok(KeyWindow {
                        start: row.get::<_, i64>(0)? as u64,
                        application: row.get(1)?,
                        document: row.get(2)?,
                    })
                })?
                .collect()
        })?;
        windows.reverse();
        Ok(windows)
    }

    fn version(&self) -> Result<String, StoreError> {
        self.read_control(|connection| {
            connection
                .prepare_cached("SELECT life || '-' || n FROM change")?
                .query_row([], |row| row.get(0))
        })
    }
}
