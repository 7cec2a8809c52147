//! The index of an open segment, in memory: its sessions, with their counts and requests.
//!
//! The file of an open segment has rows in the order they arrived and no indexes. All that a question needs
//! beyond a row is here, and is made again from the rows when the store is opened.

use std::collections::HashMap;

use ahash::RandomState;
use rusqlite::Connection;

use super::bloom::Bloom;
use super::codec::{Counts, Facet, Key, id_key};
use super::row::{self, Column};
use crate::session_days::Kind;

/// What is known of a session in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// Start of the oldest and of the newest request, ms since 1970.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) requests: u64,
    pub(super) attacks: u64,
    pub(super) denied: u64,
    /// Numbers of the newest request's strings.
    pub(super) key: u32,
    pub(super) source: u32,
    /// The newest user and role with the times of their requests; 0: none.
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
    /// Its requests in order: ms since the segment's day began, and row.
    pub(super) requests: Vec<(u32, u32)>,
    /// A hash of its last parameters, and the row that has them.
    pub(super) params: Option<(u64, u32)>,
}

/// What a request adds to the index. Strings are numbers, 0: none.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) id: Key,
    pub(super) session: u32,
    pub(super) ts: u64,
    pub(super) row: u32,
    pub(super) denied: bool,
    pub(super) source: u32,
    pub(super) user: u32,
    pub(super) role: u32,
    pub(super) key: u32,
    pub(super) status: u16,
    /// Other values, of the kinds [`VALUE_KINDS`].
    pub(super) values: [u32; 7],
    pub(super) attacks: Vec<u32>,
}

/// Kinds of [`Facts::values`].
const VALUE_KINDS: [Kind; 7] =
    [Kind::Application, Kind::Host, Kind::Ip, Kind::Method, Kind::Endpoint, Kind::Ua, Kind::Ja4];

/// The index.
#[derive(Debug, Default)]
pub(super) struct Live {
    pub(super) day_start: u64,
    /// Session number n is at n - 1.
    pub(super) sessions: Vec<LiveSession>,
    pub(super) by_key: HashMap<Key, u32, RandomState>,
    pub(super) strings: HashMap<Box<str>, u32, RandomState>,
    /// Which of the strings are endpoints.
    pub(super) endpoints: HashMap<u32, Box<str>, RandomState>,
    /// Ids of requests, for each [`BLOCK`] rows.
    ids: Vec<Bloom>,
    pub(super) requests: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// About how much memory it takes.
    pub(super) bytes: usize,
}

/// Bytes that a string, a session, a value of a session and a request take, about.
const STRING: usize = 64;
const SESSION: usize = 240;
const VALUE: usize = 12;
const REQUEST: usize = 14;

/// Rows that are read through for an id.
const BLOCK: u32 = 4096;

impl Live {
    /// Of a segment without requests, whose day begins at `day_start`.
    pub(super) fn new(day_start: u64) -> Live {
        Live { day_start, first: u64::MAX, ..Live::default() }
    }

    /// Reads the rows of a segment.
    pub(super) fn load(connection: &Connection, day_start: u64) -> rusqlite::Result<Live> {
        let mut live = Live::new(day_start);
        let mut statement = connection.prepare("SELECT id, text FROM string ORDER BY id")?;
        let mut rows = statement.query([])?;
        let mut texts = Vec::new();
        while let Some(row) = rows.next()? {
            let text: Box<str> = row.get_ref(1)?.as_str()?.into();
            live.add_string(row.get(0)?, text.clone());
            texts.push(text);
        }
        let mut statement = connection.prepare("SELECT id, session FROM session ORDER BY id")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            live.add_session(row.get(0)?, row.get(1)?);
        }
        let mut statement = connection.prepare(
            "SELECT row, session, ts, denied, source, user, role, key, status, app, host, ip,
                    method, endpoint, ua, ja4, attacks, id FROM request ORDER BY row",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let word = |at| row.get::<_, Option<u32>>(at).map(Option::unwrap_or_default);
            let attacks = row::words(row, 16)?;
            let endpoint = word(13)?;
            if let Some(text) = (endpoint as usize).checked_sub(1).and_then(|at| texts.get(at)) {
                live.add_endpoint(endpoint, text);
            }
            live.add(&Facts {
                id: id_key(row.get_ref(17)?),
                row: row.get(0)?,
                session: row.get(1)?,
                ts: row.get::<_, i64>(2)? as u64,
                denied: row.get(3)?,
                source: word(4)?,
                user: word(5)?,
                role: word(6)?,
                key: word(7)?,
                status: row.get(8)?,
                values: [word(9)?, word(10)?, word(11)?, word(12)?, endpoint, word(14)?, word(15)?],
                attacks: attacks
                    .iter()
                    .filter_map(|text| live.strings.get(&**text).copied())
                    .collect(),
            });
        }
        Ok(live)
    }

    /// A new string, whose number is the next.
    pub(super) fn add_string(&mut self, id: u32, text: Box<str>) {
        self.bytes += STRING + text.len();
        self.strings.insert(text, id);
    }

    /// A new session, whose number is the next.
    pub(super) fn add_session(&mut self, id: u32, key: Key) {
        self.bytes += SESSION;
        self.sessions.push(LiveSession { key, ..LiveSession::default() });
        self.by_key.insert(key, id);
    }

    /// Notes that a string is an endpoint.
    pub(super) fn add_endpoint(&mut self, id: u32, text: &str) {
        if !self.endpoints.contains_key(&id) {
            self.bytes += STRING + text.len();
            self.endpoints.insert(id, text.into());
        }
    }

    /// The session with this number.
    pub(super) fn session(&self, id: u32) -> Option<&LiveSession> {
        self.sessions.get((id as usize).checked_sub(1)?)
    }

    /// Where a request with this id may be: the first and the last row of each place.
    pub(super) fn rows_of_id(&self, id: &Key) -> Vec<(u32, u32)> {
        let blocks = (0u32..).zip(&self.ids).filter(|(_, ids)| ids.may_have(id));
        blocks.map(|(n, _)| (n * BLOCK, n * BLOCK + BLOCK - 1)).collect()
    }

    /// Counts a request in its session.
    pub(super) fn add(&mut self, facts: &Facts) {
        let at = (facts.session as usize).wrapping_sub(1);
        let Some(session) = self.sessions.get_mut(at) else { return };
        let block = (facts.row / BLOCK) as usize;
        if self.ids.len() <= block {
            self.ids.resize_with(block + 1, || Bloom::with_capacity(BLOCK as usize));
        }
        if let Some(ids) = self.ids.get_mut(block) {
            ids.insert(&facts.id);
        }
        self.requests += 1;
        self.first = self.first.min(facts.ts);
        self.last = self.last.max(facts.ts);
        let numbers = &mut session.numbers;
        numbers.requests += 1;
        numbers.attacks += u64::from(!facts.attacks.is_empty());
        numbers.denied += u64::from(facts.denied);
        numbers.first = numbers.first.min(facts.ts);
        if facts.ts >= numbers.last {
            numbers.last = facts.ts;
            (numbers.key, numbers.source) = (facts.key, facts.source);
        }
        if facts.user != 0 && facts.ts >= numbers.user_ts {
            (numbers.user, numbers.user_ts) = (facts.user, facts.ts);
        }
        if facts.role != 0 && facts.ts >= numbers.role_ts {
            (numbers.role, numbers.role_ts) = (facts.role, facts.ts);
        }
        let time = u32::try_from(facts.ts.saturating_sub(self.day_start)).unwrap_or(u32::MAX);
        let request = (time, facts.row);
        match session.requests.last() {
            Some(last) if *last > request => {
                let at = session.requests.partition_point(|other| *other < request);
                session.requests.insert(at, request);
            }
            _ => session.requests.push(request),
        }
        let known = session.counts.len();
        let mut count =
            |value: Facet| match session.counts.binary_search_by_key(&value, |count| count.0) {
                Ok(at) => {
                    if let Some(count) = session.counts.get_mut(at) {
                        count.1 += 1;
                    }
                }
                Err(at) => session.counts.insert(at, (value, 1)),
            };
        for (kind, string) in VALUE_KINDS.into_iter().zip(facts.values) {
            if string != 0 {
                count(Facet::new(kind, string));
            }
        }
        for (kind, string) in
            [(Kind::User, facts.user), (Kind::Role, facts.role), (Kind::Key, facts.key)]
        {
            if string != 0 {
                count(Facet::new(kind, string));
            }
        }
        count(Facet::new(Kind::Status, u32::from(facts.status)));
        for attack in &facts.attacks {
            count(Facet::new(Kind::Attack, *attack));
        }
        self.bytes += REQUEST + VALUE * (session.counts.len() - known);
    }
}

impl Facts {
    /// Of a request that was just stored.
    pub(super) fn new(session: u32, ts: u64, row: u32, words: &row::Words) -> Facts {
        Facts {
            session,
            ts,
            row,
            source: words.get(Column::source),
            user: words.get(Column::user),
            role: words.get(Column::role),
            key: words.get(Column::key),
            values: [
                words.get(Column::app),
                words.get(Column::host),
                words.get(Column::ip),
                words.get(Column::method),
                words.endpoint,
                words.get(Column::ua),
                words.get(Column::ja4),
            ],
            ..Facts::default()
        }
    }
}
