//! Closing a segment: a separate thread writes its index from memory to the file.
//!
//! Until that is done, the index in memory answers queries. If it fails or the process ends, the segment is
//! still open.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::bloom::Bloom;
use super::codec::{Facet, batch_key, pack_counts, pack_ids, pack_places};
use super::endpoints;
use super::index::Closed;
use super::live::{Live, LiveSession};
use super::read_parts;
use super::segment::Segment;
use super::segment_id::SegmentId;
use api_sessions_store::Day;
use api_sessions_store::session_days::Kind;

/// A segment to be closed; it gets no more writes.
pub(super) struct Full {
    pub(super) segment: Segment,
    pub(super) connection: Connection,
    pub(super) live: Arc<RwLock<Live>>,
}

/// The thread that closes segments.
pub(super) struct Sealer {
    work: Option<Sender<Full>>,
    /// Segments queued or being closed.
    pending: Arc<Mutex<BTreeSet<SegmentId>>>,
    thread: Option<JoinHandle<()>>,
}

/// Page cache while a segment is closed, KiB.
const CACHE_KIB: i64 = 8 * 1024;

/// Pages of the write-ahead log at which it is checkpointed: 4 MiB.
const CHECKPOINT_PAGES: i64 = 1024;

/// Sessions per row of `session_list`.
const LISTED: usize = 1024;

/// Indexes of a closed segment.
const INDEXES: [&str; 4] = [
    "CREATE UNIQUE INDEX IF NOT EXISTS string_text ON string (text)",
    "CREATE INDEX IF NOT EXISTS session_session ON session (session)",
    "CREATE INDEX IF NOT EXISTS request_rules ON request (ts) WHERE rules IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS request_id ON request (substr(id, 1, 5))",
];

impl Sealer {
    pub(super) fn new() -> Sealer {
        // At most one waits, since its index is in memory. The writer waits for the thread when the next one
        // is full.
        let (work, queue) = crossbeam_channel::bounded::<Full>(1);
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

    /// Whether a segment is queued or being closed.
    pub(super) fn has(&self, id: SegmentId) -> bool {
        self.pending.lock().contains(&id)
    }

    /// Queues a segment to be closed. Blocks while one is being closed and another is queued.
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
    /// Waits until all queued segments are closed.
    fn drop(&mut self) {
        self.work = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Writes the index in several transactions, so that each flush is short and concurrent writers are not held
/// up. Work left unfinished by an earlier process is written again.
fn close(Full { segment, connection, live }: Full) -> rusqlite::Result<()> {
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    let of_file = live.read();
    let in_transaction = |write: &dyn Fn(&Connection, &Live) -> rusqlite::Result<()>| {
        let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
        write(&transaction, &of_file)?;
        transaction.commit()
    };
    in_transaction(&write_sessions)?;
    in_transaction(&write_counts)?;
    in_transaction(&write_values)?;
    in_transaction(&|connection, _| endpoints::store(connection))?;
    for index in INDEXES {
        connection.execute_batch(index)?;
    }
    let closed = describe(&connection, &of_file)?;
    in_transaction(&|connection, _| closed.store(connection))?;
    drop(of_file);
    segment.set_closed(closed);
    drop(live);
    // What cannot be checkpointed now is checkpointed when the file is next opened.
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Writes `session` and `session_list`.
fn write_sessions(connection: &Connection, live: &Live) -> rusqlite::Result<()> {
    let mut update = connection.prepare(
        "UPDATE session SET first_ts = ?, last_ts = ?, requests = ?, attacks = ?, denied = ?,
             key = ?, source = ?, user = ?, user_ts = ?, role = ?, role_ts = ? WHERE id = ?",
    )?;
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
    }
    let mut into_list = connection.prepare("INSERT OR REPLACE INTO session_list VALUES (?, ?)")?;
    let day = Day::of(live.day_start);
    for (n, sessions) in (0u32..).zip(live.sessions.chunks(LISTED)) {
        let pack = |session: &LiveSession| read_parts::pack(session.key, &session.numbers, day);
        let packed: Vec<u8> = sessions.iter().flat_map(pack).collect();
        into_list.execute(params![n, packed])?;
    }
    Ok(())
}

/// Writes `session_count`.
fn write_counts(connection: &Connection, live: &Live) -> rusqlite::Result<()> {
    let mut into_count =
        connection.prepare("INSERT OR REPLACE INTO session_count VALUES (?, ?, ?)")?;
    for (id, session) in (1u32..).zip(&live.sessions) {
        let (counts, places) = (pack_counts(&session.counts), pack_places(&session.requests));
        into_count.execute(params![id, counts, places])?;
    }
    Ok(())
}

/// Writes `session_value`.
fn write_values(connection: &Connection, live: &Live) -> rusqlite::Result<()> {
    let searched =
        |kind: u8| Kind::ALL.iter().any(|(known, _)| *known as u8 == kind && known.is_searched());
    let mut values: Vec<u64> = Vec::with_capacity(live.sessions.len() * 8);
    for (id, session) in (1u32..).zip(&live.sessions) {
        let of_session = session.counts.iter().map(|(value, _)| *value);
        let of_session = of_session.filter(|value| searched(value.kind()));
        values.extend(of_session.map(|value| u64::from(value.to_bits()) << 32 | u64::from(id)));
    }
    values.sort_unstable();
    let mut into_value =
        connection.prepare("INSERT OR REPLACE INTO session_value VALUES (?, ?, ?)")?;
    for same in values.chunk_by(|a, b| a >> 32 == b >> 32) {
        let Some(first) = same.first() else { continue };
        let value = Facet::from_bits((first >> 32) as u32);
        let ids = pack_ids(same.iter().map(|packed| *packed as u32));
        into_value.execute(params![value.kind(), value.string(), ids])?;
    }
    Ok(())
}

/// Summarises the closed segment.
fn describe(connection: &Connection, live: &Live) -> rusqlite::Result<Closed> {
    let batches: u32 = connection.query_row("SELECT count(*) FROM batch", [], |row| row.get(0))?;
    let mut bloom = Bloom::with_capacity(live.sessions.len() + batches as usize);
    live.sessions.iter().for_each(|session| bloom.insert(&session.key));
    let mut statement = connection.prepare("SELECT key FROM batch")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        bloom.insert(&batch_key(row.get_ref(0)?.as_str()?));
    }
    let sessions = u32::try_from(live.sessions.len()).unwrap_or(u32::MAX);
    Ok(Closed { requests: live.requests, sessions, first: live.first, last: live.last, bloom })
}

#[cfg(test)]
mod tests {
    use api_sessions_protocol::Record;

    use super::super::index::Index;
    use super::super::segment::Segments;
    use super::super::{Records, SqliteStore};
    use super::*;
    use api_sessions_store::{Batch, Filter, NewRequest, SessionQuery};

    fn append(store: &SqliteStore, ids: std::ops::Range<u32>) {
        let request = |n: u32| NewRequest {
            record: Record {
                id: format!("{n:032x}").into(),
                ts: 20_000 * api_sessions_store::DAY_MS + u64::from(n),
                session: format!("{:032x}", n % 7).into(),
                host: Some(format!("host{}", n % 5).into()),
                ..Record::default()
            },
            endpoint: "/".into(),
            line: n,
        };
        let batch = Batch { requests: ids.map(request).collect(), ..Batch::default() };
        let (reply, answer) = crossbeam_channel::bounded(1);
        store.append(batch, Box::new(move |result| drop(reply.send(result))));
        answer.recv().unwrap().unwrap();
    }

    #[test]
    fn a_segment_that_was_half_closed_when_the_process_ended_is_closed_later() {
        let dir = tempfile::tempdir().unwrap();
        let open = |full| SqliteStore::open_with_limits(dir.path(), full, 0, 100).unwrap();
        append(&open(1_000), 0..6);
        let segments = Segments::find(dir.path()).unwrap();
        let segment = segments.list().remove(0);
        let Some(Index::Open(live)) = segment.index() else { panic!("it is closed") };
        let connection = segments.open_to_write(segment.id).unwrap();
        for write in [write_sessions, write_counts, write_values] {
            write(&connection, &live.read()).unwrap();
        }
        connection.execute_batch(INDEXES[0]).unwrap();
        connection.execute_batch(INDEXES[1]).unwrap();
        drop(connection);
        // It is still open and gets more requests, of its sessions and of others.
        let store = open(50);
        append(&store, 6..60);
        drop(store);
        let segment = Segments::find(dir.path()).unwrap().list().remove(0);
        assert!(matches!(segment.index(), Some(Index::Closed(_))));
        let store = open(50);
        let count = |filter: Filter| {
            let query = SessionQuery { filter, limit: 100, ..SessionQuery::default() };
            let found = store.sessions(&query).unwrap().sessions;
            (found.len(), found.iter().map(|session| session.requests).sum::<u64>())
        };
        assert_eq!(count(Filter::default()), (7, 60));
        let host = Some("host3".to_owned());
        assert_eq!(count(Filter { host, ..Filter::default() }), (7, 60));
    }
}
