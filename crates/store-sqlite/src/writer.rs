//! The writer thread: takes all queued batches, writes them in one transaction per day, and replies once that
//! is on disk (group commit).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::activity;
use super::aliases::AliasWriter;
use super::codec::Key;
use super::idempotency::Arriving;
use super::index::Index;
use super::insert::{Target, insert};
use super::live::Live;
use super::seal::{Full, Sealer};
use super::segment::{SegmentId, Segments, is_damage};
use api_sessions_store::{Batch, Day, NewRequest, Reply, StoreError, Stored};

/// Work for the thread.
pub(super) enum Job {
    /// Store a batch.
    Append(Batch, Reply),
    /// Close and delete the days before this one.
    DropBefore(Day, Sender<Result<Vec<Day>, StoreError>>),
    /// This id is no longer an alias; replies whether it was one.
    Cut(Key, Sender<Result<bool, StoreError>>),
}

/// Approximate number of requests in one transaction; more wait for the next.
const GROUP: usize = 20_000;

/// Longest delay to let more batches join a transaction. The actual delay is at most half the duration of the
/// last transaction: a single node hardly waits, many nodes share flushes.
const GATHER: Duration = Duration::from_millis(50);

/// Requests after which a segment is closed.
pub(super) const FULL_REQUESTS: u64 = 400_000;

/// Approximate size of an index in memory at which its segment is closed, bytes.
const FULL_BYTES: usize = 20 << 20;

/// Days whose newest segment stays open; of other days, the least recently written is closed first.
const OPEN_DAYS: usize = 8;

/// Approximate limit on the memory of all open indexes, bytes.
const OPEN_BYTES: usize = 26 << 20;

/// Page cache of a segment being written, KiB: small, since rows are appended.
const CACHE_KIB: i64 = 2 * 1024;

/// Pages of the write-ahead log at which it is checkpointed: 8 MiB. Storing waits for a checkpoint.
const CHECKPOINT_PAGES: i64 = 2048;

/// Idle time after which the thread checkpoints its write-ahead logs.
const IDLE: Duration = Duration::from_secs(30);

/// Runs until all senders are gone and the queue is empty.
pub(super) fn run(
    jobs: &Receiver<Job>,
    segments: &Segments,
    full_requests: u64,
    failure: &Arc<Mutex<Option<String>>>,
) {
    let mut writer = Writer::new(segments, full_requests, failure);
    let mut idle = false;
    let mut last_write = Duration::ZERO;
    loop {
        let first = match jobs.recv_timeout(IDLE) {
            Ok(job) => job,
            Err(RecvTimeoutError::Timeout) => {
                if !std::mem::replace(&mut idle, true) {
                    writer.checkpoint();
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => break,
        };
        idle = false;
        let mut group = Vec::new();
        let mut size = 0;
        let mut next = Some(first);
        let start = Instant::now();
        let gather = GATHER.min(last_write / 2);
        while let Some(job) = next.take() {
            match job {
                Job::Append(batch, reply) => {
                    size += batch.requests.len();
                    group.push((batch, reply));
                }
                Job::DropBefore(day, reply) => {
                    writer.append(std::mem::take(&mut group));
                    size = 0;
                    writer.open.retain(|open, _| *open >= day);
                    let _ = reply.send(segments.drop_before(day));
                    if let Err(error) = writer.aliases.drop_before(day) {
                        tracing::warn!(%error, "old aliases stay");
                    }
                }
                Job::Cut(alias, reply) => {
                    writer.append(std::mem::take(&mut group));
                    size = 0;
                    let _ = reply.send(writer.cut(&alias));
                }
            }
            if size < GROUP {
                let left = gather.saturating_sub(start.elapsed());
                next = jobs.recv_timeout(left).ok();
            }
        }
        let start = Instant::now();
        writer.append(group);
        last_write = start.elapsed();
    }
    writer.checkpoint();
}

/// The newest segment of a day, open for writing.
struct OpenSegment {
    id: SegmentId,
    connection: Connection,
    live: Arc<RwLock<Live>>,
    /// Number of the last transaction that wrote to it.
    used: u64,
}

struct Writer<'a> {
    segments: &'a Segments,
    full_requests: u64,
    open: BTreeMap<Day, OpenSegment>,
    failure: &'a Arc<Mutex<Option<String>>>,
    sealer: Sealer,
    transactions: u64,
    aliases: AliasWriter,
}

/// The portion of a batch that belongs to one day.
struct Portion {
    key: Option<String>,
    /// Index of the batch in the group.
    batch: usize,
    /// All days of the whole batch.
    days: usize,
    cut: Option<u32>,
    requests: Vec<NewRequest>,
}

impl Writer<'_> {
    fn new<'a>(
        segments: &'a Segments,
        full_requests: u64,
        failure: &'a Arc<Mutex<Option<String>>>,
    ) -> Writer<'a> {
        let (open, sealer) = (BTreeMap::new(), Sealer::new());
        let aliases = AliasWriter::new(segments.dir());
        Writer { segments, full_requests, open, failure, sealer, transactions: 0, aliases }
    }

    /// The open segment that records of a day are written to.
    fn path_of(&self, day: Day) -> PathBuf {
        let id = self.segments.newest(day).map_or(SegmentId { day, number: 1 }, |newest| newest.id);
        self.segments.path(id)
    }

    fn append(&mut self, group: Vec<(Batch, Reply)>) {
        if group.is_empty() {
            return;
        }
        let all = group.iter().flat_map(|(batch, _)| &batch.requests);
        match self.aliases.store(self.segments, all) {
            Ok(cuts) => cuts.iter().for_each(|alias| self.forget(alias)),
            Err(error) => {
                let text = format!("cannot write aliases.db: {error}");
                *self.failure.lock() = Some(text.clone());
                for (_, reply) in group {
                    reply(Err(StoreError::Unavailable(text.clone())));
                }
                return;
            }
        }
        let mut portions: BTreeMap<Day, Vec<Portion>> = BTreeMap::new();
        let mut replies = Vec::with_capacity(group.len());
        for (n, (batch, reply)) in group.into_iter().enumerate() {
            replies.push((reply, Ok(Stored::default())));
            let mut by_day: BTreeMap<Day, Vec<NewRequest>> = BTreeMap::new();
            for request in batch.requests {
                by_day.entry(Day::of(request.record.ts)).or_default().push(request);
            }
            let days = by_day.len();
            for (day, requests) in by_day {
                let (key, cut) = (batch.key.clone(), batch.cut);
                let portion = Portion { key, batch: n, days, cut, requests };
                portions.entry(day).or_default().push(portion);
            }
        }
        let mut failure = None;
        for (day, portions) in portions {
            let batches: Vec<usize> = portions.iter().map(|portion| portion.batch).collect();
            match self.write_day(day, portions) {
                Ok(outcome) => {
                    for (batch, stored) in outcome {
                        if let Some((_, Ok(sum))) = replies.get_mut(batch) {
                            sum.stored += stored.stored;
                            sum.duplicates += stored.duplicates;
                        }
                    }
                }
                Err(error) => {
                    let text = format!("cannot write {}: {error}", self.path_of(day).display());
                    for batch in batches {
                        if let Some((_, result)) = replies.get_mut(batch) {
                            *result = Err(match is_damage(&error) {
                                true => StoreError::Damaged(text.clone()),
                                false => StoreError::Unavailable(text.clone()),
                            });
                        }
                    }
                    failure = Some(text);
                }
            }
        }
        *self.failure.lock() = failure;
        for (reply, result) in replies {
            reply(result);
        }
    }

    fn write_day(
        &mut self,
        day: Day,
        portions: Vec<Portion>,
    ) -> rusqlite::Result<Vec<(usize, Stored)>> {
        // Removed from the map until the transaction has succeeded.
        let mut file = self.take_open(day)?;
        if self.transactions == 0 {
            self.adopt();
        }
        self.transactions += 1;
        file.used = self.transactions;
        let transaction =
            Transaction::new_unchecked(&file.connection, TransactionBehavior::Immediate)?;
        let mut outcome = Vec::with_capacity(portions.len());
        let mut requests = Vec::new();
        for mut portion in portions {
            let n = portion.requests.len() as u64;
            if let Some(key) = &portion.key {
                Arriving { key, segment: file.id, days: portion.days, cut: portion.cut }.keep_new(
                    &transaction,
                    self.segments,
                    &mut portion.requests,
                )?;
            }
            let stored = portion.requests.len() as u64;
            outcome.push((portion.batch, Stored { stored, duplicates: n - stored }));
            requests.extend(portion.requests);
        }
        activity::store(&transaction, &requests)?;
        let segments = self.segments;
        let (aliases, links) = {
            let live = file.live.read();
            let target = Target { segments, id: file.id, live: &live, transaction: &transaction };
            insert(&target, &requests, &mut self.aliases)?
        };
        transaction.commit()?;
        let segment = self.segments.add(file.id, Arc::clone(&file.live));
        self.segments.catch_up(file.id, &file.live, &file.connection, Some(links))?;
        file.live.write().by_key.extend(aliases);
        let is_full = {
            let live = file.live.read();
            live.requests >= self.full_requests || live.bytes >= FULL_BYTES
        };
        match is_full {
            true => {
                self.sealer.seal(Full { segment, connection: file.connection, live: file.live })
            }
            false => drop(self.open.insert(day, file)),
        }
        self.close_some();
        Ok(outcome)
    }

    /// Takes the open segment of a day; it is put back into `open` after the write.
    fn take_open(&mut self, day: Day) -> rusqlite::Result<OpenSegment> {
        if let Some(file) = self.open.remove(&day) {
            return Ok(file);
        }
        let mut id = SegmentId { day, number: 1 };
        let mut live = Arc::new(RwLock::new(Live::new(day.start())));
        if let Some(newest) = self.segments.newest(day) {
            // Checked first: a segment that is not being closed now and is open afterwards stays open.
            let in_work = self.sealer.has(newest.id);
            match newest.index() {
                Some(Index::Open(known)) if !in_work => (id, live) = (newest.id, known),
                Some(_) => id = SegmentId { day, number: newest.id.number + 1 },
                None => id = newest.id,
            }
        }
        let connection = self.segments.open_to_write(id)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", 0)?;
        // It was unreadable before, or an error occurred after everything was on disk.
        self.segments.catch_up(id, &live, &connection, None)?;
        Ok(OpenSegment { id, connection, live, used: 0 })
    }

    /// Removes an alias: requests with the id are in a session of their own from now on.
    fn cut(&mut self, alias: &Key) -> Result<bool, StoreError> {
        let was_one = self.aliases.cut(alias).map_err(|error| {
            StoreError::Unavailable(format!("cannot write aliases.db: {error}"))
        })?;
        self.forget(alias);
        Ok(was_one)
    }

    /// Separates an id from its session: requests with it are in a session of their own from now on.
    fn forget(&self, alias: &Key) {
        for segment in self.segments.list() {
            if let Some(Index::Open(live)) = segment.index() {
                live.write().forget_alias(alias, &segment.moved());
            }
        }
    }

    /// Closes segments whose closing was interrupted when the last process ended.
    fn adopt(&mut self) {
        for segment in self.segments.list() {
            let is_newest =
                self.segments.newest(segment.id.day).is_some_and(|newest| newest.id == segment.id);
            if let Some(Index::Open(live)) = segment.index().filter(|_| !is_newest) {
                match self.segments.open_to_write(segment.id) {
                    Ok(connection) => self.sealer.seal(Full { segment, connection, live }),
                    Err(error) => {
                        tracing::warn!(segment = %segment.id, %error, "not closed; it stays open")
                    }
                }
            }
        }
    }

    /// Closes the least recently written segments while too many are open.
    fn close_some(&mut self) {
        loop {
            let bytes: usize = self.open.values().map(|file| file.live.read().bytes).sum();
            if self.open.len() <= 1 || self.open.len() <= OPEN_DAYS && bytes <= OPEN_BYTES {
                return;
            }
            let oldest = self.open.iter().min_by_key(|(_, file)| file.used).map(|(day, _)| *day);
            let Some(file) = oldest.and_then(|day| self.open.remove(&day)) else { return };
            let segment = self.segments.add(file.id, Arc::clone(&file.live));
            self.sealer.seal(Full { segment, connection: file.connection, live: file.live });
        }
    }

    fn checkpoint(&self) {
        for (day, file) in &self.open {
            let done = file.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            if let Err(error) = done {
                tracing::warn!(%day, %error, "write-ahead log not folded in");
            }
        }
    }
}
