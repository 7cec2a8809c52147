//! The identifiers of a session, and the session of a request.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::alias_state::{JOINED, KNOWN, Known};
use super::aliases::{self, Ticks};
use super::connection::Connection;
use super::sql::Sql;
use api_sessions_store::limits::{MAX_DENIED_IDENTIFIERS, MAX_IDENTIFIERS};
use api_sessions_store::{Day, Identifier, Identity, NewRequest, StoreError};

/// Resolves a session id: the session itself, or the one that it is an alias of.
pub(super) async fn root(connection: &Connection, session: &str) -> Result<String, StoreError> {
    let known = aliases::find(connection, &[session.to_owned()]).await?;
    let known = known.into_iter().find(Known::is_joined);
    Ok(known.map_or_else(|| session.to_owned(), |known| known.root))
}

/// Resolves the session ids of requests.
pub(super) struct Sessions(HashMap<String, Known>);

impl Sessions {
    pub(super) async fn load<'r>(
        connection: &Connection,
        ids: impl Iterator<Item = &'r str>,
    ) -> Result<Sessions, StoreError> {
        let mut ids: Vec<String> = ids.map(str::to_owned).collect();
        ids.sort_unstable();
        ids.dedup();
        let known = aliases::find(connection, &ids).await?;
        Ok(Sessions(known.into_iter().map(|known| (known.alias.clone(), known)).collect()))
    }

    /// The session of a request with this id that arrived at the Unix time `arrived` in milliseconds; `None` if it is
    /// the id itself.
    pub(super) fn of(&self, id: &str, arrived: u64) -> Option<&str> {
        let known = self.0.get(id).filter(|known| arrived < known.until)?;
        Some(&known.root)
    }
}

/// Aliases of a session in the given order, at most `limit`.
async fn identifiers(
    connection: &Connection,
    root: &str,
    order: &str,
    limit: usize,
) -> Result<Vec<Identifier>, StoreError> {
    let sql = Sql::new(format!("SELECT {KNOWN} FROM identifier WHERE root = "))
        .add("?", [root.into()])
        .add(
            &format!(
                " GROUP BY alias HAVING known_until = {JOINED} ORDER BY {order} LIMIT {limit}"
            ),
            [],
        );
    let known: Vec<Known> = connection.rows(sql).await?;
    let identifier = |known: Known| Identifier {
        session: known.alias,
        reason: known.reason,
        first_ts: known.ts,
        request: known.request,
    };
    Ok(known.into_iter().map(identifier).collect())
}

/// Other ids under which nodes may know the session.
pub(super) async fn other_ids(
    connection: &Connection,
    session: &str,
) -> Result<Vec<String>, StoreError> {
    let root = root(connection, session).await?;
    let newest = "known_ts DESC, known_alias";
    let known = identifiers(connection, &root, newest, MAX_DENIED_IDENTIFIERS).await?;
    let mut ids: Vec<String> = known.into_iter().map(|known| known.session).collect();
    ids.push(root);
    ids.retain(|id| id != session);
    Ok(ids)
}

#[derive(Deserialize)]
struct Other {
    other: String,
}

/// The identifiers of a session.
pub(super) async fn identity(
    connection: &Connection,
    session: &str,
) -> Result<Identity, StoreError> {
    let session = root(connection, session).await?;
    let identifiers =
        identifiers(connection, &session, "known_ts, known_alias", MAX_IDENTIFIERS).await?;
    let one = async |sql: Sql| -> Result<Option<String>, StoreError> {
        let found: Vec<Other> = connection.rows(sql).await?;
        let found = found.into_iter().next().map(|found| found.other);
        match found {
            Some(found) => root(connection, &found).await.map(Some),
            None => Ok(None),
        }
    };
    let previous = Sql::new("SELECT previous AS other FROM previous WHERE session = ")
        .add("? ORDER BY seq LIMIT 1", [(&session).into()]);
    let next = Sql::new(
        "SELECT session AS other FROM (SELECT session, argMin(previous, seq) AS first_previous, \
         argMin(ts, seq) AS first_ts FROM previous WHERE session GLOBAL IN \
         (SELECT session FROM previous WHERE previous = ",
    )
    .add("?) GROUP BY session) WHERE first_previous = ? ", [(&session).into(), (&session).into()])
    .add("ORDER BY first_ts, session LIMIT 1", []);
    let (previous, next) = tokio::try_join!(one(previous), one(next))?;
    Ok(Identity { session, identifiers, previous, next })
}

#[derive(Serialize)]
struct Previous<'r> {
    day: String,
    session: String,
    previous: &'r str,
    ts: u64,
    seq: u64,
}

/// Stores the previous session of the same client. The first row stored for a session counts.
pub(super) async fn store_previous<'r>(
    connection: &Connection,
    ticks: &mut Ticks,
    requests: impl Iterator<Item = &'r NewRequest>,
) -> Result<(), StoreError> {
    let mut rows: Vec<Previous<'_>> = Vec::new();
    for request in requests {
        let record = &request.record;
        if let Some(previous) = record.previous.as_deref() {
            let session = record.session.to_string();
            let (day, ts) = (Day::of(record.ts).to_string(), record.ts);
            rows.push(Previous { day, session, previous, ts, seq: ticks.seq() });
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = rows.iter().map(|row| row.session.clone()).collect();
    let known = aliases::find(connection, &ids).await?;
    let roots: HashMap<String, String> =
        known.into_iter().filter(Known::is_joined).map(|known| (known.alias, known.root)).collect();
    for row in &mut rows {
        if let Some(root) = roots.get(&row.session) {
            row.session.clone_from(root);
        }
    }
    connection.insert("previous", &rows).await
}
