//! Aliases: other ids of sessions. Table `alias` stores the session that each finally leads to, and until when;
//! `identifier` has the same rows, sorted by session.
//!
//! Rows are only inserted. The newest row of an alias has its session, the oldest the request that issued it. Requests
//! that arrived before the smallest `until` belong to that session.

use serde::{Deserialize, Serialize};

use super::alias_state::{Change, KNOWN, Known};
use super::connection::Connection;
use super::sql::Sql;
use api_sessions_store::aliases::Claim;
use api_sessions_store::{Day, StoreError};

/// Maximum bytes of ids in a statement: servers parse at most 256 KiB of a query (`max_query_size`).
const LIST_BYTES: usize = 128 * 1024;

/// Maximum attempts to store claims while other processes store claims concurrently.
const ATTEMPTS: usize = 5;

/// A row of `alias` and `identifier`.
#[derive(Debug, Serialize)]
struct Row {
    day: String,
    alias: String,
    root: String,
    reason: String,
    ts: u64,
    request: String,
    claimant: String,
    seq: u64,
    until: u64,
}

impl Row {
    fn new(known: &Known, seq: u64) -> Row {
        Row {
            day: Day::of(known.ts).to_string(),
            alias: known.alias.clone(),
            root: known.root.clone(),
            reason: known.reason.clone(),
            ts: known.ts,
            request: known.request.clone(),
            claimant: known.claimant.clone(),
            seq,
            until: known.until,
        }
    }
}

/// Strictly increasing numbers from the clock.
#[derive(Debug, Default)]
pub(super) struct Ticks {
    ms: u64,
    seq: u64,
}

impl Ticks {
    /// Unix time in milliseconds, strictly increasing, so that it separates requests that arrive before an alias is
    /// split from those after.
    pub(super) fn arrival(&mut self) -> u64 {
        self.ms = api_sessions_store::clock::now_ms().max(self.ms + 1);
        self.ms
    }

    /// Unix time in microseconds, strictly increasing.
    pub(super) fn seq(&mut self) -> u64 {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
        self.seq = now.max(self.seq + 1);
        self.seq
    }
}

/// Stores the alias claims of requests that arrived at the Unix time `arrived` in milliseconds.
pub(super) async fn store(
    connection: &Connection,
    ticks: &mut Ticks,
    mut claims: Vec<Claim<'_>>,
    arrived: u64,
) -> Result<(), StoreError> {
    for attempt in 0..ATTEMPTS {
        if claims.is_empty() {
            return Ok(());
        }
        let mut change = Change::new(load(connection, &claims).await?);
        if attempt > 0 {
            change.redirect();
        }
        for claim in &claims {
            change.take(claim, arrived);
        }
        add(connection, ticks, &change.changed, &change.moved).await?;
        // Another process may have stored claims concurrently, so changed claims are checked again: the last process to
        // check sees both.
        claims.retain(|claim| change.changed.iter().any(|known| known.alias == claim.alias));
    }
    Ok(())
}

/// Ends an alias: requests that arrive from now on keep their own id. Returns whether it was an alias.
pub(super) async fn split(
    connection: &Connection,
    ticks: &mut Ticks,
    alias: &str,
) -> Result<bool, StoreError> {
    let known = find(connection, &[alias.to_owned()]).await?;
    let Some(known) = known.into_iter().find(Known::is_joined) else { return Ok(false) };
    let until = ticks.arrival();
    add(connection, ticks, &[Known { until, ..known }], &[]).await?;
    Ok(true)
}

/// Inserts rows. The authoritative table, `alias`, comes last.
async fn add(
    connection: &Connection,
    ticks: &mut Ticks,
    changed: &[Known],
    moved: &[Known],
) -> Result<(), StoreError> {
    if changed.is_empty() {
        return Ok(());
    }
    let moved: Vec<Row> = moved.iter().map(|known| Row::new(known, ticks.seq())).collect();
    let rows: Vec<Row> = changed.iter().map(|known| Row::new(known, ticks.seq())).collect();
    let identifiers: Vec<&Row> = moved.iter().chain(&rows).collect();
    connection.insert("identifier", &identifiers).await?;
    // Processes that claim an alias concurrently must see each other's claims.
    connection.insert_visibly("alias", &rows).await
}

/// State of the ids in the claims, of the aliases that lead to claimed ids, and of the sessions that any of them lead
/// to.
async fn load(connection: &Connection, claims: &[Claim<'_>]) -> Result<Vec<Known>, StoreError> {
    let mut ids: Vec<String> =
        claims.iter().flat_map(|claim| [claim.alias, claim.session]).map(str::to_owned).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut aliases: Vec<String> = claims.iter().map(|claim| claim.alias.to_owned()).collect();
    aliases.sort_unstable();
    aliases.dedup();
    let mut members = members(connection, &aliases).await?;
    members.retain(|member| ids.binary_search(member).is_err());
    members.sort_unstable();
    let mut known = find(connection, &ids).await?;
    known.extend(find(connection, &members).await?);
    let mut roots: Vec<String> = known.iter().map(|known| known.root.clone()).collect();
    roots.retain(|root| ids.binary_search(root).is_err() && members.binary_search(root).is_err());
    roots.sort_unstable();
    roots.dedup();
    known.extend(find(connection, &roots).await?);
    Ok(known)
}

/// State of the ids that are or were aliases.
pub(super) async fn find(
    connection: &Connection,
    ids: &[String],
) -> Result<Vec<Known>, StoreError> {
    let mut all = Vec::new();
    for ids in lists(ids) {
        let sql = Sql::new(format!("SELECT {KNOWN} FROM alias WHERE alias IN "))
            .list(ids)
            .add(" GROUP BY alias", []);
        all.extend(connection.rows::<Known>(sql).await?);
    }
    Ok(all)
}

/// Ids that lead or led to one of these sessions.
async fn members(connection: &Connection, roots: &[String]) -> Result<Vec<String>, StoreError> {
    #[derive(Deserialize)]
    struct Member {
        member: String,
    }
    let mut all = Vec::new();
    for roots in lists(roots) {
        let sql =
            Sql::new("SELECT DISTINCT alias AS member FROM identifier WHERE root IN ").list(roots);
        let found: Vec<Member> = connection.rows(sql).await?;
        all.extend(found.into_iter().map(|found| found.member));
    }
    Ok(all)
}

/// Splits ids into lists that fit into a statement.
fn lists(ids: &[String]) -> Vec<&[String]> {
    let mut bytes = 0;
    ids.chunk_by(|id, _| {
        bytes += id.len() + 4;
        let has_room = bytes < LIST_BYTES;
        bytes = if has_room { bytes } else { 0 };
        has_room
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_hold_all_ids_and_fit() {
        let ids: Vec<String> = (0..9000).map(|n| format!("{n:032x}")).collect();
        let lists = lists(&ids);
        assert_eq!(lists.concat(), ids);
        assert!(lists.len() > 2);
        assert!(lists.iter().all(|list| (list.len() - 1) * 36 < LIST_BYTES));
        assert!(super::lists(&[]).is_empty());
    }
}
