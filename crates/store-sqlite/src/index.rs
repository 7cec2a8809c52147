//! The index that answers queries about a segment: in memory for an open one; a summary of the file for a
//! closed one.

use std::sync::Arc;

use parking_lot::RwLock;
use rusqlite::{Connection, OptionalExtension, params};

use super::bloom::Bloom;
use super::damaged::damaged;
use super::live::Live;
use super::moved::MovedHere;
use super::spans::{self, Link};
use api_sessions_store::Day;

/// The index of a segment.
#[derive(Clone)]
pub(super) enum Index {
    Open(Arc<RwLock<Live>>),
    Closed(Arc<Closed>),
}

/// A closed segment.
#[derive(Debug)]
pub(super) struct Closed {
    /// Number of requests and of sessions.
    pub(super) requests: u64,
    pub(super) sessions: u32,
    /// Start of its oldest and of its newest request, ms since 1970.
    pub(super) first: u64,
    pub(super) last: u64,
    /// Bloom filters of its sessions and batches.
    pub(super) bloom: Bloom,
}

impl Index {
    /// Loads the index of a segment of this day, and its links.
    pub(super) fn load(
        connection: &Connection,
        day: Day,
        moved: &MovedHere,
    ) -> rusqlite::Result<(Index, Vec<Link>)> {
        let index = match Closed::load(connection)? {
            Some(closed) => Index::Closed(Arc::new(closed)),
            None => {
                let mut live = Live::new(day.start());
                live.catch_up(connection, moved)?;
                Index::Open(Arc::new(RwLock::new(live)))
            }
        };
        Ok((index, spans::load(connection)?))
    }

    /// Number of sessions.
    pub(super) fn sessions(&self) -> u32 {
        match self {
            Index::Open(live) => u32::try_from(live.read().sessions.len()).unwrap_or(u32::MAX),
            Index::Closed(closed) => closed.sessions,
        }
    }

    /// Times of the oldest and of the newest request, ms since 1970.
    pub(super) fn times(&self) -> (u64, u64) {
        match self {
            Index::Open(live) => {
                let live = live.read();
                (live.first, live.last)
            }
            Index::Closed(closed) => (closed.first, closed.last),
        }
    }
}

impl Closed {
    /// Loads it; `None`: the segment is open.
    fn load(connection: &Connection) -> rusqlite::Result<Option<Closed>> {
        let mut value = connection.prepare_cached("SELECT value FROM segment WHERE name = ?")?;
        let bloom: Option<Vec<u8>> = value.query_row(["bloom"], |row| row.get(0)).optional()?;
        let Some(bloom) = bloom else { return Ok(None) };
        let mut number = |name: &str| value.query_row([name], |row| row.get::<_, i64>(0));
        Ok(Some(Closed {
            requests: number("requests")? as u64,
            sessions: u32::try_from(number("sessions")?).map_err(|_| damaged())?,
            first: number("first_ts")? as u64,
            last: number("last_ts")? as u64,
            bloom: Bloom::from_bytes(&bloom).ok_or_else(damaged)?,
        }))
    }

    /// Stores it, in the transaction that closes the segment.
    pub(super) fn store(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut insert = connection.prepare("INSERT OR REPLACE INTO segment VALUES (?, ?)")?;
        for (name, value) in [
            ("requests", self.requests as i64),
            ("sessions", i64::from(self.sessions)),
            ("first_ts", self.first as i64),
            ("last_ts", self.last as i64),
        ] {
            insert.execute(params![name, value])?;
        }
        // This row marks the segment as closed.
        insert.execute(params!["bloom", self.bloom.to_bytes()]).map(|_| ())
    }
}
