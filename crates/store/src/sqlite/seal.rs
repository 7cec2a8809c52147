//! Closing a segment: its index goes from memory into the file, in one transaction, on a thread of its own.
//!
//! Until that is done, the index in memory answers. If it fails or the process ends, the segment is still open.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::bloom::Bloom;
use super::codec::{Facet, batch_key, pack_counts, pack_ids};
use super::index::Closed;
use super::live::Live;
use super::part;
use super::segment::{Segment, SegmentId};
use crate::Day;
use crate::session_days::Kind;

/// A segment to be closed, which is not written to any more.
pub(super) struct Full {
    pub(super) segment: Segment,
    pub(super) connection: Connection,
    pub(super) live: Arc<RwLock<Live>>,
}

/// The thread that closes segments.
pub(super) struct Sealer {
    work: Option<Sender<Full>>,
    /// Segments that wait for it or are in work.
    pending: Arc<Mutex<BTreeSet<SegmentId>>>,
    thread: Option<JoinHandle<()>>,
}

/// Page cache while a segment is closed, KiB.
const CACHE_KIB: i64 = 8 * 1024;

/// Sessions in a row of `session_list`.
const LISTED: usize = 1024;

/// Indexes of a closed segment.
const INDEXES: &str = "
CREATE UNIQUE INDEX string_text ON string (text);
CREATE UNIQUE INDEX session_session ON session (session);
CREATE INDEX request_session ON request (session, ts);
CREATE INDEX request_id ON request (substr(id, 1, 5));
";

impl Sealer {
    pub(super) fn new() -> Sealer {
        // One waits at most: its index is in memory. Whoever fills the next one waits for the thread.
        let (work, queue) = crossbeam_channel::bounded::<Full>(0);
        let pending = Arc::new(Mutex::new(BTreeSet::new()));
        let thread = std::thread::Builder::new().name("sealer".into()).spawn({
            let pending = Arc::clone(&pending);
            move || {
                for full in queue {
                    let id = full.segment.id;
                    if let Err(error) = close(full) {
                        tracing::warn!(segment = %id, %error, "not closed; it stays open");
                    }
                    pending.lock().remove(&id);
                }
            }
        });
        if let Err(error) = &thread {
            tracing::error!(%error, "no thread: segments stay open");
        }
        Sealer { work: Some(work), pending, thread: thread.ok() }
    }

    /// Whether a segment is about to be closed.
    pub(super) fn has(&self, id: SegmentId) -> bool {
        self.pending.lock().contains(&id)
    }

    /// Closes a segment. Waits while another one is closed.
    pub(super) fn seal(&self, full: Full) {
        let id = full.segment.id;
        self.pending.lock().insert(id);
        let is_sent = self.work.as_ref().is_some_and(|work| work.send(full).is_ok());
        if !is_sent {
            self.pending.lock().remove(&id);
        }
    }
}

impl Drop for Sealer {
    /// Waits until all is closed.
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn close(Full { segment, connection, live }: Full) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
    let closed = write(&transaction, &live.read())?;
    transaction.commit()?;
    segment.set_closed(closed);
    drop(live);
    // What does not get into the file now does so when the file is opened next.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn write(transaction: &Transaction<'_>, live: &Live) -> rusqlite::Result<Closed> {
    let mut update = transaction.prepare(
        "UPDATE session SET first_ts = ?, last_ts = ?, requests = ?, attacks = ?, denied = ?,
             key = ?, source = ?, user = ?, user_ts = ?, role = ?, role_ts = ? WHERE id = ?",
    )?;
    let mut into_count = transaction.prepare("INSERT INTO session_count VALUES (?, ?)")?;
    let mut values: Vec<u64> = Vec::with_capacity(live.sessions.len() * 8);
    for (id, session) in (1u32..).zip(&live.sessions) {
        let n = &session.numbers;
        update.execute(params![
            n.first as i64,
            n.last as i64,
            n.requests as i64,
            n.attacks as i64,
            n.denied as i64,
            n.key,
            n.source,
            n.user,
            n.user_ts as i64,
            n.role,
            n.role_ts as i64,
            id
        ])?;
        into_count.execute(params![id, pack_counts(&session.counts)])?;
        let searched = |kind: u8| {
            Kind::ALL.iter().any(|(known, _)| *known as u8 == kind && known.is_searched())
        };
        values.extend(
            session
                .counts
                .iter()
                .filter(|(value, _)| searched(value.kind()))
                .map(|(value, _)| u64::from(value.to_bits()) << 32 | u64::from(id)),
        );
    }
    let mut into_list = transaction.prepare("INSERT INTO session_list (sessions) VALUES (?)")?;
    for sessions in live.sessions.chunks(LISTED) {
        let packed: Vec<u8> = sessions
            .iter()
            .flat_map(|session| part::pack(session.key, &session.numbers, Day::of(live.day_start)))
            .collect();
        into_list.execute([packed])?;
    }
    values.sort_unstable();
    let mut into_value = transaction.prepare("INSERT INTO session_value VALUES (?, ?, ?)")?;
    for same in values.chunk_by(|a, b| a >> 32 == b >> 32) {
        let Some(value) = same.first().map(|first| Facet::from_bits((first >> 32) as u32)) else {
            continue;
        };
        let ids = pack_ids(same.iter().map(|packed| *packed as u32));
        into_value.execute(params![value.kind(), value.string(), ids])?;
    }
    transaction.execute_batch(INDEXES)?;
    let batches: u32 = transaction.query_row("SELECT count(*) FROM batch", [], |row| row.get(0))?;
    let mut bloom = Bloom::with_capacity(live.sessions.len() + batches as usize);
    live.sessions.iter().for_each(|session| bloom.insert(&session.key));
    let mut statement = transaction.prepare("SELECT key FROM batch")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        bloom.insert(&batch_key(row.get_ref(0)?.as_str()?));
    }
    let mut into_segment = transaction.prepare("INSERT INTO segment VALUES (?, ?)")?;
    for (name, value) in [
        ("first_ts", live.first as i64),
        ("last_ts", live.last as i64),
        ("requests", live.requests as i64),
        ("sessions", live.sessions.len() as i64),
    ] {
        into_segment.execute(params![name, value])?;
    }
    // With this the segment is closed.
    into_segment.execute(params!["bloom", bloom.to_bytes()])?;
    let sessions = u32::try_from(live.sessions.len()).unwrap_or(u32::MAX);
    Ok(Closed { sessions, first: live.first, last: live.last, bloom })
}
