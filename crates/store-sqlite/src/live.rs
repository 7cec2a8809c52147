//! The in-memory index of an open segment: its sessions, with their counts and requests.
//!
//! The file of an open segment has rows in order of arrival and no indexes. Everything else a query needs is
//! here, and is rebuilt from the rows when the store is opened.

use std::collections::HashMap;

use ahash::RandomState;
use rusqlite::{Connection, Row};

use super::bloom::Bloom;
use super::codec::{Counts, Facet, Key, id_key};
use super::damaged::damaged;
use super::moved::MovedHere;
use super::row::{self, Resolve};
use super::strings::Strings;
use api_sessions_store::session_days::Kind;

/// Summary of a session in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Start of the oldest and of the newest request, ms since 1970.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) requests: u64,
    pub(super) attacks: u64,
    pub(super) denied: u64,
    /// String numbers of the newest request.
    pub(super) key: u32,
    pub(super) source: u32,
    /// The newest user and role, with the times of their requests; 0: none.
    pub(super) user: u32,
    pub(super) user_ts: u64,
    pub(super) role: u32,
    pub(super) role_ts: u64,
}

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers {
            first: u64::MAX,
            last: 0,
            requests: 0,
            attacks: 0,
            denied: 0,
            key: 0,
            source: 0,
            user: 0,
            user_ts: 0,
            role: 0,
            role_ts: 0,
        }
    }
}

/// A session of an open segment.
#[derive(Debug, Default)]
pub(super) struct LiveSession {
    pub(super) key: Key,
    pub(super) numbers: Numbers,
    pub(super) counts: Counts,
    /// Its requests in order: ms since the day began, and row.
    pub(super) requests: Vec<(u32, u32)>,
    /// A hash of its last parameters, and the row that stores them.
    pub(super) params: Option<(u64, u32)>,
}

/// Columns of [`REQUESTS`] that are string numbers, and the kind of each.
const VALUES: [(usize, Kind); 14] = [
    (6, Kind::User),
    (7, Kind::Role),
    (8, Kind::Key),
    (12, Kind::Application),
    (13, Kind::Host),
    (14, Kind::Ip),
    (15, Kind::Method),
    (16, Kind::Endpoint),
    (17, Kind::Ua),
    (18, Kind::Ja4),
    (19, Kind::Country),
    (20, Kind::Asn),
    (21, Kind::Organisation),
    (22, Kind::Ja4Stable),
];

/// Requests after a row, as the index reads them.
const REQUESTS: &str = "
SELECT row, id, session, ts, denied, source, user, role, key, status, params, attacks,
       app, host, ip, method, endpoint, ua, ja4, country, asn, organisation, ja4_stable
FROM request WHERE row > ? ORDER BY row";

/// The index.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) day_start: u64,
    /// Session number n is at index n - 1.
    pub(super) sessions: Vec<LiveSession>,
    pub(super) by_key: HashMap<Key, u32, RandomState>,
    pub(super) strings: HashMap<Box<str>, u32, RandomState>,
    /// The strings that are endpoints.
    pub(super) endpoints: HashMap<u32, Box<str>, RandomState>,
    /// Ids of requests, by blocks of [`BLOCK`] rows.
    ids: Vec<Bloom>,
    pub(super) requests: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Approximate memory it takes, bytes.
    pub(super) bytes: usize,
}

/// Approximate bytes of a string, a session, a value of a session and a request.
const STRING: usize = 64;
const SESSION: usize = 240;
const VALUE: usize = 12;
const REQUEST: usize = 14;

/// Rows that are scanned for an id.
const BLOCK: u32 = 4096;

impl Live {
    /// An index without requests, for the day that begins at `day_start`.
    pub(super) fn new(day_start: u64) -> Live {
        Live { day_start, first: u64::MAX, ..Live::default() }
    }

    /// Adds the rows appended to the file since the last call.
    pub(super) fn catch_up(
        &mut self,
        connection: &Connection,
        moved: &MovedHere,
    ) -> rusqlite::Result<()> {
        let mut statement =
            connection.prepare_cached("SELECT text, id FROM string WHERE id > ? ORDER BY id")?;
        let mut rows = statement.query([self.strings.len() as i64])?;
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_str()?;
            self.bytes += STRING + text.len();
            self.strings.insert(text.into(), row.get(1)?);
        }
        let mut statement = connection
            .prepare_cached("SELECT session, id FROM session WHERE id > ? ORDER BY id")?;
        let mut rows = statement.query([self.sessions.len() as i64])?;
        while let Some(row) = rows.next()? {
            let key = row.get(0)?;
            self.bytes += SESSION;
            self.sessions.push(LiveSession { key, ..LiveSession::default() });
            let number = row.get(1)?;
            match moved.root(number) {
                None => drop(self.by_key.insert(key, number)),
                Some(root) => drop(self.by_key.entry(root).or_insert(number)),
            }
        }
        let mut statement = connection.prepare_cached(REQUESTS)?;
        let mut rows = statement.query([self.requests as i64])?;
        while let Some(row) = rows.next()? {
            self.add(row, connection)?;
        }
        Ok(())
    }

    /// A hash of parameters, for [`LiveSession::params`].
    pub(super) fn hash(&self, params: &[u8]) -> u64 {
        self.strings.hasher().hash_one(params)
    }

    /// The session with this number.
    pub(super) fn session(&self, id: u32) -> Option<&LiveSession> {
        self.sessions.get((id as usize).checked_sub(1)?)
    }

    /// Where a request with this id may be: ranges of rows, first and last.
    pub(super) fn rows_of_id(&self, id: &Key) -> Vec<(u32, u32)> {
        let blocks = (0u32..).zip(&self.ids).filter(|(_, ids)| ids.may_have(id));
        blocks.map(|(n, _)| (n * BLOCK, n * BLOCK + BLOCK - 1)).collect()
    }

    /// Removes a key as an alias of a session.
    pub(super) fn forget_alias(&mut self, alias: &Key, moved: &MovedHere) {
        let Some(part) = self.by_key.get(alias).copied() else { return };
        let own = self.session(part).map(|session| session.key);
        if moved.root(part).or(own) != Some(*alias) {
            match moved.parts(alias).first() {
                Some(part) => self.by_key.insert(*alias, *part),
                None => self.by_key.remove(alias),
            };
        }
    }

    /// Assigns a part to another session; `before`: the previous one. No key leads to the part until
    /// [`Live::lead`] sets it.
    pub(super) fn unassign(&mut self, part: u32, before: Option<Key>) {
        let own = self.session(part).map(|session| session.key);
        for key in own.into_iter().chain(before) {
            if self.by_key.get(&key) == Some(&part) {
                self.by_key.remove(&key);
            }
        }
    }

    /// Lets requests of a session go to this part, unless the session already has one here.
    pub(super) fn assign(&mut self, root: Key, part: u32) {
        self.by_key.entry(root).or_insert(part);
    }

    /// Counts a request in its session.
    fn add(&mut self, row: &Row<'_>, connection: &Connection) -> rusqlite::Result<()> {
        let word = |at| row.get::<_, Option<u32>>(at).map(Option::unwrap_or_default);
        let n: u32 = row.get(0)?;
        let ts = row.get::<_, i64>(3)? as u64;
        let mut values = Vec::with_capacity(16);
        for (at, kind) in VALUES {
            let string = word(at)?;
            if kind == Kind::Endpoint && !self.endpoints.contains_key(&string) {
                let text = Strings::new(connection).resolve(string)?;
                self.bytes += STRING + text.len();
                self.endpoints.insert(string, text.into());
            }
            if string != 0 {
                values.push(Facet::new(kind, string));
            }
        }
        values.push(Facet::new(Kind::Status, row.get(9)?));
        let attacks = row::words(row, 11)?;
        let attack =
            |text: &String| self.strings.get(&**text).map(|id| Facet::new(Kind::Attack, *id));
        values.extend(attacks.iter().filter_map(attack));
        let params = row.get_ref(10)?.as_blob().ok().map(|params| (self.hash(params), n));

        let block = (n / BLOCK) as usize;
        if self.ids.len() <= block {
            self.ids.resize_with(block + 1, || Bloom::with_capacity(BLOCK as usize));
        }
        if let Some(ids) = self.ids.get_mut(block) {
            ids.insert(&id_key(row.get_ref(1)?));
        }
        self.requests = u64::from(n);
        self.first = self.first.min(ts);
        self.last = self.last.max(ts);
        let at = (row.get::<_, u32>(2)? as usize).wrapping_sub(1);
        let Some(session) = self.sessions.get_mut(at) else { return Err(damaged()) };
        session.params = params.or(session.params);
        let numbers = &mut session.numbers;
        numbers.requests += 1;
        numbers.attacks += u64::from(!attacks.is_empty());
        numbers.denied += u64::from(row.get::<_, bool>(4)?);
        numbers.first = numbers.first.min(ts);
        if ts >= numbers.last {
            numbers.last = ts;
            (numbers.key, numbers.source) = (word(8)?, word(5)?);
        }
        let (user, role) = (word(6)?, word(7)?);
        if user != 0 && ts >= numbers.user_ts {
            (numbers.user, numbers.user_ts) = (user, ts);
        }
        if role != 0 && ts >= numbers.role_ts {
            (numbers.role, numbers.role_ts) = (role, ts);
        }
        let time = u32::try_from(ts.saturating_sub(self.day_start)).unwrap_or(u32::MAX);
        let request = (time, n);
        let at = session.requests.partition_point(|other| *other < request);
        insert(&mut session.requests, at, request);
        self.bytes += REQUEST;
        for value in values {
            match session.counts.binary_search_by_key(&value, |count| count.0) {
                Ok(at) => {
                    if let Some(count) = session.counts.get_mut(at) {
                        count.1 += 1;
                    }
                }
                Err(at) => {
                    insert(&mut session.counts, at, (value, 1));
                    self.bytes += VALUE;
                }
            }
        }
        Ok(())
    }
}

/// Inserts with little spare capacity: there are many small lists.
fn insert<T>(list: &mut Vec<T>, at: usize, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(2 + list.len() / 4);
    }
    list.insert(at, item);
}
