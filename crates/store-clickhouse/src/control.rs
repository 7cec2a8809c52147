//! Tokens, denylist, parameters, rules and key decisions. Rows are only inserted; the newest counts.

use std::time::{Duration, Instant};

use api_sessions_protocol::{DenyEntry, Lifted, ParameterSet, SessionRule};
use api_sessions_store::limits::MAX_LIFTED;
use serde::Deserialize;
use serde_json::json;

use super::ClickHouseStore;
use super::sql::Sql;
use crate::limits::MAX_CACHED_TOKENS;
use api_sessions_store::clock::now_ms;
use api_sessions_store::query::{HistoryQuery, Paged};
use api_sessions_store::{
    Control, Day, DenyChange, KeyDecisions, KeyWindow, Page, Role, StoreError, TokenInfo, cursor,
};

/// Lifetime of cached results: changes by other processes take effect within this time.
const FRESH: Duration = Duration::from_millis(500);

#[derive(Deserialize)]
struct TokenRow {
    id: i64,
    role: String,
    label: String,
    created: u64,
}

impl From<TokenRow> for TokenInfo {
    fn from(row: TokenRow) -> TokenInfo {
        TokenInfo {
            id: row.id,
            // An unknown role, written by a newer version, gets the fewest permissions.
            role: Role::parse(&row.role).unwrap_or(Role::Ingest),
            label: row.label,
            created: row.created,
        }
    }
}

#[derive(Deserialize)]
struct ChangeRow {
    seq: u64,
    ts: u64,
    action: String,
    author: String,
    entry: String,
}

#[derive(Deserialize)]
struct LiftedRow {
    session: String,
    lifted_at: u64,
}

#[derive(Deserialize)]
struct WindowRow {
    start: u64,
    application: String,
    text: String,
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

fn hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::Unavailable(format!("clickhouse: unexpected entry: {error}")))
}

fn write<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Unavailable(error.to_string()))
}

/// Valid tokens: those without a revocation.
const TOKENS: &str = "SELECT id, role, label, created FROM token FINAL WHERE revoked = 0 \
    AND id GLOBAL NOT IN (SELECT id FROM token WHERE revoked = 1)";

impl ClickHouseStore {
    /// A strictly increasing number: Unix time in microseconds. Changes by concurrent processes are ordered by the
    /// clocks of their machines.
    fn next(&self) -> u64 {
        let mut known = self.known.lock();
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
        known.last = now.max(known.last + 1);
        known.last
    }

    /// Discards cached results.
    fn forget(&self) {
        self.known.lock().forget();
    }

    fn change(
        &self,
        action: &str,
        author: &str,
        ts: u64,
        session: &str,
        entry: &str,
    ) -> Result<(), StoreError> {
        let row = json!({
            "seq": self.next(), "ts": ts, "action": action, "author": author, "session": session,
            "entry": entry,
        });
        self.wait(self.connection.insert("deny_change", &[row]))?;
        self.forget();
        Ok(())
    }

    /// The current document of a table that keeps all versions.
    fn newest_document<T: serde::de::DeserializeOwned + Default>(
        &self,
        table: &str,
    ) -> Result<T, StoreError> {
        let sql = format!("SELECT document AS text FROM {table} ORDER BY seq DESC LIMIT 1");
        let rows: Vec<Text> = self.wait(self.connection.rows(Sql::new(sql)))?;
        rows.first().map_or_else(|| Ok(T::default()), |row| read(&row.text))
    }

    fn add_document(
        &self,
        table: &str,
        document: String,
        by: &str,
        now: u64,
    ) -> Result<(), StoreError> {
        let row = json!({ "seq": self.next(), "ts": now, "author": by, "document": document });
        self.wait(self.connection.insert(table, &[row]))?;
        self.forget();
        Ok(())
    }

    /// The current entry of each session, or of the given ones.
    fn entries(&self, sessions: Option<&[String]>) -> Result<Vec<DenyEntry>, StoreError> {
        let mut sql =
            Sql::new("SELECT argMax(entry, seq) AS text FROM deny_change WHERE action != 'lift'");
        if let Some(sessions) = sessions {
            if sessions.is_empty() {
                return Ok(Vec::new());
            }
            sql = sql.add(" AND session IN ", []).list(sessions);
        }
        let sql = sql.add(" GROUP BY session HAVING argMax(action, seq) = 'add'", []);
        let rows: Vec<Text> = self.wait(self.connection.rows(sql))?;
        rows.iter().map(|row| read(&row.text)).collect()
    }
}

impl Control for ClickHouseStore {
    fn add_token(&self, hash: &[u8; 32], role: Role, label: &str) -> Result<i64, StoreError> {
        // Microseconds, since a program may make two changes within a millisecond.
        let id = i64::try_from(self.next()).unwrap_or(i64::MAX);
        let row = json!({
            "id": id, "hash": hex(hash), "role": role.as_str(), "label": label, "created": now_ms(),
            "revoked": 0,
        });
        self.wait(self.connection.insert("token", &[row]))?;
        self.forget();
        Ok(id)
    }

    fn find_token(&self, hash: &[u8; 32]) -> Result<Option<TokenInfo>, StoreError> {
        if let Some((when, found)) = self.known.lock().tokens.get(hash)
            && when.elapsed() < FRESH
        {
            return Ok(found.clone());
        }
        let when = Instant::now();
        let sql = Sql::new(TOKENS).add(" AND hash = ?", [(&hex(hash)).into()]);
        let rows: Vec<TokenRow> = self.wait(self.connection.rows(sql))?;
        let found = rows.into_iter().next().map(TokenInfo::from);
        let mut known = self.known.lock();
        if known.tokens.len() >= MAX_CACHED_TOKENS {
            known.tokens.clear();
        }
        known.tokens.insert(*hash, (when, found.clone()));
        Ok(found)
    }

    fn tokens(&self) -> Result<Vec<TokenInfo>, StoreError> {
        let rows: Vec<TokenRow> =
            self.wait(self.connection.rows(Sql::new(format!("{TOKENS} ORDER BY id"))))?;
        Ok(rows.into_iter().map(TokenInfo::from).collect())
    }

    fn revoke_token(&self, id: i64) -> Result<bool, StoreError> {
        if !self.tokens()?.iter().any(|token| token.id == id) {
            return Ok(false);
        }
        let row = json!({
            "id": id, "hash": "", "role": "", "label": "", "created": now_ms(), "revoked": 1,
        });
        self.wait(self.connection.insert("token", &[row]))?;
        self.forget();
        Ok(true)
    }

    fn denylist(&self, now: u64) -> Result<Vec<DenyEntry>, StoreError> {
        let mut entries = self.entries(None)?;
        entries.retain(|entry| entry.until.is_none_or(|until| until > now));
        entries.sort_by(|a, b| b.since.cmp(&a.since).then_with(|| a.session.cmp(&b.session)));
        Ok(entries)
    }

    fn denied(&self, sessions: &[&str], now: u64) -> Result<Vec<DenyEntry>, StoreError> {
        let sessions: Vec<String> = sessions.iter().map(|session| (*session).to_owned()).collect();
        let mut entries = self.entries(Some(&sessions))?;
        entries.retain(|entry| entry.until.is_none_or(|until| until > now));
        Ok(entries)
    }

    fn deny(&self, entry: &DenyEntry) -> Result<(), StoreError> {
        let by = entry.by.as_deref().unwrap_or_default();
        self.change("add", by, entry.since, &entry.session, &write(entry)?)
    }

    fn undeny(&self, session: &str, by: &str, now: u64) -> Result<bool, StoreError> {
        let Some(entry) = self.entries(Some(&[session.to_owned()]))?.pop() else {
            return Ok(false);
        };
        self.change("remove", by, now, session, &write(&entry)?)?;
        Ok(true)
    }

    fn lift(&self, session: &str, by: &str, now: u64) -> Result<(), StoreError> {
        let entry = DenyEntry { session: session.to_owned(), since: now, ..DenyEntry::default() };
        self.change("lift", by, now, session, &write(&entry)?)
    }

    fn lifted(&self, since: u64) -> Result<Vec<Lifted>, StoreError> {
        let sql =
            Sql::new("SELECT session, max(ts) AS lifted_at FROM deny_change WHERE action = 'lift'")
                .add(" AND ts > ?", [since.into()])
                .add(&format!(" GROUP BY session ORDER BY lifted_at DESC LIMIT {MAX_LIFTED}"), []);
        let rows: Vec<LiftedRow> = self.wait(self.connection.rows(sql))?;
        Ok(rows.into_iter().map(|row| Lifted { session: row.session, ts: row.lifted_at }).collect())
    }

    fn deny_history(&self, query: &HistoryQuery) -> Result<Page<DenyChange>, StoreError> {
        let columns = "seq, ts, action, author, entry";
        let mut sql = Sql::new(format!("SELECT {columns} FROM deny_change FINAL WHERE 1"));
        if let Some(session) = &query.session {
            sql = sql.add(" AND session = ?", [session.into()]);
        }
        if let Some(position) = query.verify_cursor("clickhouse")? {
            let before: u64 = match position.as_slice() {
                [seq] => seq.parse().map_err(|_| cursor::invalid())?,
                _ => return Err(cursor::invalid()),
            };
            sql = sql.add(" AND seq < ?", [before.into()]);
        }
        // One more than the page size, to detect another page.
        let sql = sql.add(&format!(" ORDER BY seq DESC LIMIT {}", query.limit + 1), []);
        let mut rows: Vec<ChangeRow> = self.wait(self.connection.rows(sql))?;
        let more = rows.len() > query.limit;
        rows.truncate(query.limit);
        let last = rows.last().filter(|_| more);
        let next = last.map(|row| query.sign_cursor("clickhouse", &[&row.seq.to_string()]));
        let change = |row: ChangeRow| {
            let entry = read(&row.entry)?;
            Ok(DenyChange { ts: row.ts, action: row.action, by: row.author, entry })
        };
        let items: Result<Vec<_>, StoreError> = rows.into_iter().map(change).collect();
        Ok(Page { items: items?, next, incomplete: Vec::new() })
    }

    fn parameters(&self) -> Result<ParameterSet, StoreError> {
        self.newest_document("parameters")
    }

    fn set_parameters(&self, set: &ParameterSet, by: &str, now: u64) -> Result<(), StoreError> {
        self.add_document("parameters", write(set)?, by, now)
    }

    fn rules(&self) -> Result<Vec<SessionRule>, StoreError> {
        self.newest_document("rules")
    }

    fn set_rules(&self, rules: &[SessionRule], by: &str, now: u64) -> Result<(), StoreError> {
        self.add_document("rules", write(&rules)?, by, now)
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
        self.add_document("key_decisions", write(decisions)?, by, now)
    }

    fn add_key_window(&self, window: &KeyWindow) -> Result<(), StoreError> {
        let KeyWindow { start, application, document } = window;
        let row = json!({
            "day": Day::of(*start).to_string(), "start": start, "application": application,
            "seq": self.next(), "document": document,
        });
        self.wait(self.connection.insert("key_window", &[row]))
    }

    fn key_windows(
        &self,
        application: Option<&str>,
        from: u64,
        to: u64,
        most: usize,
    ) -> Result<Vec<KeyWindow>, StoreError> {
        // Two processes may have stored the same window.
        let mut sql = Sql::new(
            "SELECT start, application, argMax(document, seq) AS text FROM key_window WHERE",
        )
        .add(" start >= ?", [from.into()])
        .add(" AND start <= ?", [to.into()]);
        if let Some(application) = application {
            sql = sql.add(" AND application = ?", [application.into()]);
        }
        let end = format!(
            " GROUP BY start, application ORDER BY start DESC, application DESC LIMIT {most}"
        );
        let rows: Vec<WindowRow> = self.wait(self.connection.rows(sql.add(&end, [])))?;
        let window = |row: WindowRow| KeyWindow {
            start: row.start,
            application: row.application,
            document: row.text,
        };
        Ok(rows.into_iter().rev().map(window).collect())
    }

    fn version(&self) -> Result<String, StoreError> {
        if let Some((when, version)) = &self.known.lock().version
            && when.elapsed() < FRESH
        {
            return Ok(version.clone());
        }
        let when = Instant::now();
        let newest = |table| Sql::new(format!("SELECT toString(max(seq)) AS text FROM {table}"));
        let (denials, parameters, rules, key_decisions) = self.wait(async {
            tokio::try_join!(
                self.connection.rows::<Text>(newest("deny_change")),
                self.connection.rows::<Text>(newest("parameters")),
                self.connection.rows::<Text>(newest("rules")),
                self.connection.rows::<Text>(newest("key_decisions")),
            )
        })?;
        let parts = [denials, parameters, rules, key_decisions].into_iter().flatten();
        let parts: Vec<String> = parts.map(|row| row.text).collect();
        let version = parts.join("-");
        self.known.lock().version = Some((when, version.clone()));
        Ok(version)
    }
}
