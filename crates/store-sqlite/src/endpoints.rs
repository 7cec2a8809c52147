//! Endpoints and their counts. A closed segment stores the counts of all its requests in a table; for open
//! segments, and for part of a segment, the requests are counted.

use ahash::{AHashMap, AHashSet};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use super::codec::{Key, session_key};
use super::damaged::damaged;
use super::detail;
use super::index::Index;
use super::moved::MovedHere;
use super::row::Resolve;
use super::segment::Segment;
use super::strings::Strings;
use api_sessions_store::endpoints::{EndpointQuery, EndpointStats};
use api_sessions_store::limits::MAX_ENDPOINT_STATS;

/// The endpoint table of a closed segment.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS endpoint_count (id INTEGER PRIMARY KEY, counts BLOB NOT NULL)";

/// Identifies a session or a user here: half of its [`Key`].
type Short = [u8; 8];

/// An endpoint of a segment, with its sessions and users.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Tally {
    stats: EndpointStats,
    /// Sessions without a 2xx response, by the ids that requests arrived with.
    others: Vec<Short>,
    /// Sessions with a 2xx response.
    successful: Vec<Short>,
    users: Vec<Short>,
}

/// Keys that differ in only one half stay different: some producers number their sessions.
fn short(key: Key) -> Short {
    let key = u128::from_be_bytes(key);
    let (high, low) = ((key >> 64) as u64, key as u64);
    (high.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ low).to_le_bytes()
}

/// Endpoints that match, most requests first.
pub(super) fn find(segments: &[Segment], query: &EndpointQuery) -> Vec<EndpointStats> {
    let mut all: AHashMap<(String, String, String), Tally> = AHashMap::new();
    for segment in segments {
        for tally in of_segment(segment, query).unwrap_or_default() {
            let EndpointStats { application, method, endpoint, .. } = &tally.stats;
            if query.application.as_ref().is_some_and(|wanted| wanted != application) {
                continue;
            }
            let name = (application.clone(), method.clone(), endpoint.clone());
            match all.get_mut(&name) {
                None => drop(all.insert(name, tally)),
                Some(known) => known.add(tally),
            }
        }
    }
    let mut found: Vec<EndpointStats> = all.into_values().map(Tally::finished).collect();
    found.sort_by(|a, b| a.order().cmp(&b.order()));
    found.truncate(MAX_ENDPOINT_STATS);
    found
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.stats.add(&other.stats);
        self.others.extend(other.others);
        self.successful.extend(other.successful);
        self.users.extend(other.users);
    }

    fn finished(mut self) -> EndpointStats {
        let distinct = |all: &mut Vec<Short>| {
            all.sort_unstable();
            all.dedup();
            all.len() as u64
        };
        let successful = distinct(&mut self.successful);
        self.others.extend(&self.successful);
        EndpointStats {
            sessions: distinct(&mut self.others),
            successful_sessions: successful.min(2),
            users: distinct(&mut self.users),
            ..self.stats
        }
    }
}

/// The endpoints of a segment; `None`: it cannot be read.
fn of_segment(segment: &Segment, query: &EndpointQuery) -> Option<Vec<Tally>> {
    let (from, to) = (query.from.unwrap_or(0), query.to.unwrap_or(u64::MAX));
    let index = segment.index()?;
    let (first, last) = index.times();
    let is_whole = from <= first && last <= to;
    if from > last || to < first {
        return Some(Vec::new());
    }
    let is_closed = matches!(index, Index::Closed(_));
    drop(index);
    let moved = segment.moved();
    segment.read(|connection| {
        let stored = if is_closed && is_whole { load(connection)? } else { None };
        let found = stored.map_or_else(|| count(connection, from, to), Ok)?;
        joined(connection, found, &moved)
    })
}

/// The endpoints, with aliases replaced by their sessions.
fn joined(
    connection: &Connection,
    mut found: Vec<Tally>,
    moved: &MovedHere,
) -> rusqlite::Result<Vec<Tally>> {
    let mut roots: AHashMap<Short, Short> = AHashMap::new();
    for (part, root) in moved.all() {
        roots.insert(short(detail::key(connection, part)?), short(root));
    }
    if !roots.is_empty() {
        for one in &mut found {
            for session in one.others.iter_mut().chain(&mut one.successful) {
                *session = roots.get(session).copied().unwrap_or(*session);
            }
        }
    }
    Ok(found)
}

/// The stored table of a closed segment; `None`: it was closed by a version without the table.
fn load(connection: &Connection) -> rusqlite::Result<Option<Vec<Tally>>> {
    let is_there = connection
        .prepare_cached("SELECT 1 FROM sqlite_master WHERE name = 'endpoint_count'")?
        .query_row([], |_| Ok(()))
        .optional()?;
    if is_there.is_none() {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached("SELECT counts FROM endpoint_count")?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let packed = row.get_ref(0)?.as_blob()?;
        all.push(postcard::from_bytes(packed).map_err(|_| damaged())?);
    }
    Ok(Some(all))
}

/// Writes the table of a segment that is being closed.
pub(super) fn store(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLE)?;
    connection.execute_batch("DELETE FROM endpoint_count")?;
    let mut all = count(connection, 0, u64::MAX)?;
    all.sort_by(|a, b| a.stats.order().cmp(&b.stats.order()));
    let mut insert = connection.prepare("INSERT INTO endpoint_count (counts) VALUES (?)")?;
    for tally in all.iter().take(MAX_ENDPOINT_STATS) {
        // Infallible: writes to memory.
        insert.execute([postcard::to_allocvec(tally).unwrap_or_default()])?;
    }
    Ok(())
}

/// Counts of one endpoint, by the segment's own numbers.
#[derive(Default)]
struct Counting {
    stats: EndpointStats,
    sessions: AHashSet<u32>,
    successful: AHashSet<u32>,
    users: AHashSet<u32>,
    sources: AHashMap<u32, u64>,
}

/// Counts the requests of a period.
fn count(connection: &Connection, from: u64, to: u64) -> rusqlite::Result<Vec<Tally>> {
    let mut statement = connection.prepare_cached(
        "SELECT app, method, endpoint, ts, session, user, status, source, time_ms, response_bytes,
             attacks IS NOT NULL, denied FROM request WHERE ts BETWEEN ? AND ?",
    )?;
    let number = |ts: u64| i64::try_from(ts).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![number(from), number(to)])?;
    let mut all: AHashMap<(u32, u32, u32), Counting> = AHashMap::new();
    while let Some(row) = rows.next()? {
        let string = |at: usize| row.get::<_, Option<u32>>(at).map(Option::unwrap_or_default);
        let counted = |at: usize| row.get::<_, i64>(at).map(|number| number as u64);
        let name = (string(0)?, string(1)?, string(2)?);
        let counting = all.entry(name).or_insert_with(|| Counting {
            stats: EndpointStats { first_ts: u64::MAX, ..EndpointStats::default() },
            ..Counting::default()
        });
        let (ts, session, user) = (counted(3)?, row.get(4)?, string(5)?);
        let (status, stats) = (row.get::<_, u16>(6)?, &mut counting.stats);
        stats.first_ts = stats.first_ts.min(ts);
        stats.last_ts = stats.last_ts.max(ts);
        stats.requests += 1;
        stats.attacks += counted(10)?;
        stats.denied += counted(11)?;
        *stats.statuses.entry(status).or_default() += 1;
        stats.time_ms.count(counted(8)?);
        stats.response_bytes.count(counted(9)?);
        *counting.sources.entry(string(7)?).or_default() += 1;
        counting.sessions.insert(session);
        if status / 100 == 2 {
            counting.successful.insert(session);
        }
        if user != 0 {
            counting.users.insert(user);
        }
    }
    drop(rows);
    let mut names = Names { strings: Strings::new(connection), sessions: sessions(connection)? };
    all.into_iter().map(|(name, counting)| names.tally(name, counting)).collect()
}

/// A segment's sessions by their number.
fn sessions(connection: &Connection) -> rusqlite::Result<AHashMap<u32, Short>> {
    let mut statement = connection.prepare_cached("SELECT id, session FROM session")?;
    let mut rows = statement.query([])?;
    let mut all = AHashMap::new();
    while let Some(row) = rows.next()? {
        let key = row.get_ref(1)?.as_blob()?;
        all.insert(row.get(0)?, short(key.try_into().map_err(|_| damaged())?));
    }
    Ok(all)
}

/// Resolves the segment's numbers.
struct Names<'a> {
    strings: Strings<'a>,
    sessions: AHashMap<u32, Short>,
}

impl Names<'_> {
    fn text(&mut self, id: u32) -> rusqlite::Result<String> {
        if id == 0 { Ok(String::new()) } else { self.strings.resolve(id) }
    }

    fn tally(
        &mut self,
        (application, method, endpoint): (u32, u32, u32),
        counting: Counting,
    ) -> rusqlite::Result<Tally> {
        let mut sources = std::collections::BTreeMap::new();
        for (source, count) in counting.sources {
            sources.insert(self.text(source)?, count);
        }
        let mut users = Vec::with_capacity(counting.users.len());
        for user in counting.users {
            users.push(short(session_key(&self.text(user)?)));
        }
        let known = |all: AHashSet<u32>| -> rusqlite::Result<Vec<Short>> {
            all.iter().map(|id| self.sessions.get(id).copied().ok_or_else(damaged)).collect()
        };
        let others = &counting.sessions - &counting.successful;
        let (others, successful) = (known(others)?, known(counting.successful)?);
        Ok(Tally {
            stats: EndpointStats {
                application: self.text(application)?,
                method: self.text(method)?,
                endpoint: self.text(endpoint)?,
                sources,
                ..counting.stats
            },
            others,
            successful,
            users,
        })
    }
}
