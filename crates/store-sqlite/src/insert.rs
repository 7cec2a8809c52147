//! Inserts requests into an open segment: their strings, sessions, rows and contents.

use std::borrow::Cow;
use std::collections::HashMap;

use ahash::RandomState;
use rusqlite::{Transaction, params};

use super::aliases::AliasWriter;
use super::codec::{Key, session_key, unhex};
use super::content;
use super::live::Live;
use super::row::{self, Intern};
use super::segment::{SegmentId, Segments};
use super::spans::{self, Link};
use api_sessions_store::NewRequest;

/// The segment that requests are inserted into.
pub(super) struct Target<'t> {
    pub(super) segments: &'t Segments,
    pub(super) id: SegmentId,
    pub(super) live: &'t Live,
    pub(super) transaction: &'t Transaction<'t>,
}

/// Numbers of sessions in one segment.
pub(super) type NumbersByKey = HashMap<Key, u32, RandomState>;

/// Inserts requests; those of an alias belong to its target session. Returns the numbers of those sessions,
/// and the links of new ones.
pub(super) fn insert(
    target: &Target<'_>,
    requests: &[NewRequest],
    aliases: &mut AliasWriter,
) -> rusqlite::Result<(NumbersByKey, Vec<Link>)> {
    let Target { segments, id, live, transaction } = *target;
    let mut strings = NewStrings {
        live,
        transaction,
        new: HashMap::default(),
        session: 0,
        row: 0,
        params: HashMap::default(),
    };
    let (mut new_sessions, mut led) = (NumbersByKey::default(), NumbersByKey::default());
    let mut count = live.sessions.len();
    let mut into_request = transaction.prepare_cached(row::INSERT.as_str())?;
    for (n, request) in requests.iter().enumerate() {
        let record = &request.record;
        let key = session_key(&record.session);
        let known = |key: &Key, new_sessions: &NumbersByKey| {
            live.by_key.get(key).or_else(|| new_sessions.get(key)).copied()
        };
        let mut session = led.get(&key).copied().or_else(|| known(&key, &new_sessions));
        let (alias, mut key, mut name) = (key, key, Cow::Borrowed(&*record.session));
        if session.is_none()
            && let Some((root, of_root)) = aliases.root(&alias)?
        {
            session = known(&root, &new_sessions);
            (key, name) = (root, Cow::Owned(of_root));
        }
        let session = match session {
            Some(session) => session,
            None => {
                count += 1;
                let session = number(count)?;
                let name = unhex(&name).is_none().then_some(&*name);
                transaction
                    .prepare_cached("INSERT INTO session (id, session, name) VALUES (?, ?, ?)")?
                    .execute(params![session, key, name])?;
                new_sessions.insert(key, session);
                session
            }
        };
        if key != alias {
            led.insert(alias, session);
        }
        let row = number(live.requests as usize + n + 1)?;
        (strings.session, strings.row) = (session, row);
        row::insert(&mut into_request, row, session, request, &mut strings)?;
        if let Some(full) = &record.request {
            transaction
                .prepare_cached("INSERT INTO content VALUES (?, ?)")?
                .execute(params![row, content::pack(full)])?;
        }
        for attack in &record.attacks {
            strings.intern(attack)?;
        }
    }
    let links = find_links(segments, id, &new_sessions);
    spans::store(transaction, &links)?;
    Ok((led, links))
}

/// Links from new sessions of a segment to their parts in others. A segment that cannot be read is skipped:
/// that is no reason to refuse records.
fn find_links(segments: &Segments, id: SegmentId, sessions: &NumbersByKey) -> Vec<Link> {
    let mut links = Vec::new();
    if sessions.is_empty() {
        return links;
    }
    for segment in segments.list().iter().filter(|segment| segment.id != id) {
        let found = segment.find_all(sessions.keys());
        links.extend(found.into_iter().filter_map(|(key, other)| {
            Some(Link { session: *sessions.get(&key)?, segment: segment.id, other })
        }));
    }
    links
}

/// New strings of a transaction, in addition to those of the segment's index.
struct NewStrings<'a> {
    live: &'a Live,
    transaction: &'a Transaction<'a>,
    new: HashMap<Box<str>, u32, RandomState>,
    /// Session and row of the request being stored.
    session: u32,
    row: u32,
    /// Last parameters of sessions, see [`LiveSession::params`].
    params: HashMap<u32, (u64, u32), RandomState>,
}

/// Parameters longer than this, in bytes, are always stored again.
const SHORT_PARAMS: usize = 6;

impl Intern for NewStrings<'_> {
    fn intern(&mut self, text: &str) -> rusqlite::Result<u32> {
        if let Some(id) = self.live.strings.get(text).or_else(|| self.new.get(text)) {
            return Ok(*id);
        }
        let id = number(self.live.strings.len() + self.new.len() + 1)?;
        self.transaction
            .prepare_cached("INSERT INTO string (id, text) VALUES (?, ?)")?
            .execute(params![id, text])?;
        self.new.insert(text.into(), id);
        Ok(id)
    }

    fn same_params(&mut self, packed: &[u8]) -> Option<u32> {
        if packed.len() <= SHORT_PARAMS {
            return None;
        }
        let hash = self.live.hash(packed);
        let of_live = || self.live.session(self.session)?.params;
        match self.params.get(&self.session).copied().or_else(of_live) {
            Some((known, row)) if known == hash => Some(row),
            _ => {
                self.params.insert(self.session, (hash, self.row));
                None
            }
        }
    }
}

/// Converts the number of a string, a session or a row.
fn number(n: usize) -> rusqlite::Result<u32> {
    u32::try_from(n).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, n as i64))
}
