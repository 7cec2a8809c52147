//! The thread that writes day files: takes all batches that wait, writes them in one transaction a
//! day, and answers them when that is on the disk (group commit).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::RandomState;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::Mutex;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::activity;
use super::body::Intern;
use super::days::{Days, find_part, is_damage};
use super::idempotency::Arriving;
use super::numbers::{self, Rows};
use super::part::{self, Parts};
use super::throttle::Throttle;
use crate::{Batch, Day, NewRequest, Reply, StoreError, Stored};

/// Work for the thread.
pub(super) enum Job {
    /// Store a batch.
    Append(Batch, Reply),
    /// Close and delete the days before this one.
    DropBefore(Day, Sender<Result<Vec<Day>, StoreError>>),
}

/// Requests in one transaction, about: more wait for the next.
const GROUP: usize = 20_000;

/// Longest pause to let more batches join a transaction. It is never longer than half of what the
/// last one took: a node alone hardly waits, many nodes share their flushes.
const GATHER: Duration = Duration::from_millis(50);

/// Days kept open for writing. Late records are of yesterday, hardly ever
/// older.
const OPEN_DAYS: usize = 2;

/// Bytes of the strings that a day's writer remembers the numbers of, with what the map takes for each.
const KNOWN_BYTES: usize = 16 << 20;
const ENTRY_BYTES: usize = 64;

/// Strings and their numbers in a day's file, as many as fit.
#[derive(Default)]
pub(super) struct KnownStrings {
    numbers: HashMap<String, i64, RandomState>,
    bytes: usize,
}

impl KnownStrings {
    fn insert(&mut self, text: &str, number: i64) {
        if self.bytes > KNOWN_BYTES {
            *self = Self::default();
        }
        self.bytes += text.len() + ENTRY_BYTES;
        self.numbers.insert(text.to_owned(), number);
    }
}

/// Page cache of a day that is written, KiB.
const CACHE_KIB: i64 = 24 * 1024;

/// Pages of the write-ahead log after which it is copied into the file: 32 MiB.
const CHECKPOINT_PAGES: i64 = 8192;

/// Pause after which an idle thread folds its write-ahead logs into the files.
const IDLE: Duration = Duration::from_secs(30);

/// Runs until all senders are gone; what is waiting then is still written.
pub(super) fn run(jobs: &Receiver<Job>, days: &Arc<Days>, failure: &Arc<Mutex<Option<String>>>) {
    let mut writer = Writer { days, open: BTreeMap::new(), failure, unmarked: BTreeMap::new() };
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
                    writer.unmarked.retain(|unmarked, _| *unmarked >= day);
                    let _ = reply.send(days.drop_before(day));
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

struct Writer<'a> {
    days: &'a Arc<Days>,
    open: BTreeMap<Day, DayWriter>,
    failure: &'a Arc<Mutex<Option<String>>>,
    /// Days that could not be marked.
    unmarked: BTreeMap<Day, Throttle>,
}

/// One day, open for writing.
pub(super) struct DayWriter {
    connection: Connection,
    strings: KnownStrings,
    parts: Parts,
}

/// A transaction of a day, with what is remembered of its file.
pub(super) struct DayTransaction<'a> {
    pub(super) day: Day,
    pub(super) transaction: &'a Transaction<'a>,
    strings: &'a mut KnownStrings,
    pub(super) parts: &'a mut Parts,
    /// Parts of other days that are to be told that they are not alone.
    pub(super) marks: BTreeMap<Day, Vec<i64>>,
}

impl Intern for DayTransaction<'_> {
    type Error = rusqlite::Error;

    fn intern(&mut self, text: &str) -> rusqlite::Result<i64> {
        if let Some(id) = self.strings.numbers.get(text) {
            return Ok(*id);
        }
        let found = self
            .transaction
            .prepare_cached("SELECT id FROM string WHERE text = ?")?
            .query_row([text], |row| row.get(0))
            .optional()?;
        let id = match found {
            Some(id) => id,
            None => {
                self.transaction
                    .prepare_cached("INSERT INTO string (text) VALUES (?)")?
                    .execute([text])?;
                self.transaction.last_insert_rowid()
            }
        };
        self.strings.insert(text, id);
        Ok(id)
    }
}

/// What of a batch goes into one day.
struct Portion {
    key: Option<String>,
    /// Place of the batch in the group.
    batch: usize,
    /// Days the whole batch has.
    days: usize,
    cut: Option<u32>,
    requests: Vec<NewRequest>,
}

impl Writer<'_> {
    fn append(&mut self, group: Vec<(Batch, Reply)>) {
        if group.is_empty() {
            return;
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
                    let text = format!("cannot write {}: {error}", self.days.path(day).display());
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
        let days = Arc::clone(self.days);
        // Out of the map until all is well: after an error its caches may know what was rolled back.
        let mut file = self.take_day(day)?;
        let transaction =
            Transaction::new_unchecked(&file.connection, TransactionBehavior::Immediate)?;
        let mut outcome = Vec::with_capacity(portions.len());
        let mut requests = Vec::new();
        for mut portion in portions {
            let n = portion.requests.len() as u64;
            match &portion.key {
                Some(key) if known_elsewhere(&days, day, key) => portion.requests.clear(),
                Some(key) => Arriving { key, days: portion.days, cut: portion.cut }
                    .keep_new(&transaction, &mut portion.requests)?,
                None => {}
            }
            let stored = portion.requests.len() as u64;
            outcome.push((portion.batch, Stored { stored, duplicates: n - stored }));
            requests.extend(portion.requests);
        }
        let mut writing = DayTransaction {
            day,
            transaction: &transaction,
            strings: &mut file.strings,
            parts: &mut file.parts,
            marks: BTreeMap::new(),
        };
        activity::store(&transaction, &requests)?;
        part::store(&mut writing, &days, &requests)?;
        let marks = writing.marks;
        self.mark(&marks);
        transaction.commit()?;
        self.days.add(day);
        self.open.insert(day, file);
        Ok(outcome)
    }

    /// A day to be written, which is put back into `open` after that.
    fn take_day(&mut self, day: Day) -> rusqlite::Result<DayWriter> {
        if let Some(file) = self.open.remove(&day) {
            return Ok(file);
        }
        while self.open.len() >= OPEN_DAYS {
            self.open.pop_first();
        }
        let connection = self.days.open_to_write(day)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        connection.pragma_update(None, "journal_size_limit", 0)?;
        Ok(DayWriter { connection, strings: KnownStrings::default(), parts: Parts::default() })
    }

    /// Tells parts of other days that they are not alone. Done before the new part is durable: a mark
    /// too many costs a look-up, one too few counts a session twice. A day that cannot be written to is no
    /// reason to refuse the records of another.
    fn mark(&mut self, marks: &BTreeMap<Day, Vec<i64>>) {
        for (day, parts) in marks {
            if let Err(error) = mark_day(self.days, *day, parts)
                && let Some(left_out) = self.unmarked.entry(*day).or_default().tell(Instant::now())
            {
                tracing::error!(
                    %day, %error, left_out,
                    "a day cannot be written to: its sessions that went on are counted as others"
                );
            }
            if let Some(open) = self.open.get_mut(day) {
                parts.iter().for_each(|part| open.parts.rows.forget(*part));
            }
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

fn mark_day(days: &Days, day: Day, parts: &[i64]) -> rusqlite::Result<()> {
    let connection = days.open_to_write(day)?;
    let transaction = Transaction::new_unchecked(&connection, TransactionBehavior::Immediate)?;
    let mut rows = Rows::default();
    for part in parts {
        rows.part(&transaction, *part)?.several_days = true;
    }
    rows.save(&transaction)?;
    transaction.commit()
}

/// Whether all days of a batch of this key are among the days other than `day`: then it came
/// before, whatever is in it now. A batch that a crash cut between two days is not complete, and
/// its missing day is still taken.
fn known_elsewhere(days: &Days, day: Day, key: &str) -> bool {
    let (mut found, mut of) = (0, i64::MAX);
    for file in days.all() {
        if file.day == day {
            continue;
        }
        let here = file.peek(|connection| {
            connection
                .prepare_cached("SELECT days FROM batch WHERE key = ?")?
                .query_row([key], |row| row.get::<_, i64>(0))
                .optional()
        });
        if let Some(Some(days)) = here {
            found += 1;
            of = of.min(days);
        }
    }
    found >= of
}

/// For each of the sessions, whether it has parts on other days. Those that do not know yet that they are not
/// alone are to be marked.
pub(super) fn other_days(
    days: &Days,
    day: Day,
    sessions: &[&str],
    marks: &mut BTreeMap<Day, Vec<i64>>,
) -> Vec<bool> {
    let mut any = vec![false; sessions.len()];
    if sessions.is_empty() {
        return any;
    }
    for file in days.all() {
        if file.day == day {
            continue;
        }
        // Of all sessions at once: taking and leaving the file's lock costs more than looking.
        let found = file.read(|connection| {
            let mut parts = Vec::new();
            for (n, session) in sessions.iter().enumerate() {
                parts.extend(find_part(connection, session)?.map(|part| (part, n)));
            }
            parts.sort_unstable();
            let mut unmarked = Vec::new();
            for of_row in parts.chunk_by(|a, b| numbers::place(a.0).0 == numbers::place(b.0).0) {
                let Some((first, _)) = of_row.first() else { continue };
                let row = numbers::load(connection, numbers::place(*first).0)?;
                let alone = |part: i64| {
                    row.get(numbers::place(part).1).is_none_or(|numbers| !numbers.several_days)
                };
                unmarked.extend(of_row.iter().map(|(part, _)| *part).filter(|part| alone(*part)));
            }
            Ok((parts, unmarked))
        });
        let Some((parts, unmarked)) = found else { continue };
        for (_, n) in parts {
            if let Some(any) = any.get_mut(n) {
                *any = true;
            }
        }
        if !unmarked.is_empty() {
            marks.entry(file.day).or_default().extend(unmarked);
        }
    }
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the log goes.
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_day_that_cannot_be_marked_is_told_once_for_many_transactions() {
        let dir = tempfile::tempdir().unwrap();
        let day = Day::parse("2026-11-23").unwrap();
        let other = Day(day.0 + 1);
        let days = Arc::new(Days::find(dir.path()).unwrap());
        for day in [day, other] {
            std::fs::write(days.path(day), "no database".repeat(1000)).unwrap();
        }
        let failure = Arc::default();
        let (open, unmarked) = (BTreeMap::new(), BTreeMap::new());
        let mut writer = Writer { days: &days, open, failure: &failure, unmarked };
        let lines = Lines::default();
        let log = lines.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || log.clone()).finish();
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..50 {
                writer.mark(&BTreeMap::from([(day, vec![1])]));
            }
            writer.mark(&BTreeMap::from([(other, vec![1])]));
        });
        let log = String::from_utf8(lines.0.lock().clone()).unwrap();
        assert_eq!(log.matches("cannot be written to").count(), 2, "{log}");
    }

    #[test]
    fn strings_in_memory_are_bounded_by_their_bytes() {
        let mut known = KnownStrings::default();
        let long = "x".repeat(10_000);
        for n in 0..3 * KNOWN_BYTES as i64 / 10_000 {
            known.insert(&format!("{long}{n}"), n);
            let held: usize = known.numbers.keys().map(String::len).sum();
            assert!(held <= KNOWN_BYTES + long.len() + 10, "{held}");
        }
        // What comes often is there again at once, with its number.
        known.insert("often", 7);
        assert_eq!(known.numbers.get("often"), Some(&7));
    }

    #[test]
    fn short_strings_are_bounded_by_what_the_map_takes_for_each() {
        let mut known = KnownStrings::default();
        let most = KNOWN_BYTES / ENTRY_BYTES + 1;
        for n in 0..most as i64 + 1000 {
            known.insert(&n.to_string(), n);
        }
        assert!(known.numbers.len() < most, "{}", known.numbers.len());
    }
}
