//! The segments on disk, and connections that read them.
//!
//! A segment is a file with some of a day's requests, `day-2026-11-23.0001.db`. The newest of a day may be open:
//! it grows, and its index is in memory ([`Live`]). The others are closed ([`Closed`]): nothing is written to
//! them, and their indexes are in the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;

use super::codec::Key;
use super::index::{Closed, Index};
use super::live::Live;
use super::moved::{Moved, MovedHere, PartId};
use super::pool::Pool;
use super::reader::{Reader, beside};
use super::schema;
pub(super) use super::segment_id::SegmentId;
use super::spans::{self, AllSpans, Link};
use super::throttle::Throttle;
use api_sessions_store::{Day, StoreError};

/// All segments on disk.
#[derive(Clone)]
pub(super) struct Segments(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    open: RwLock<BTreeMap<SegmentId, Arc<Known>>>,
    /// Held for writing while rows written to a segment's file are added to its index, so that the two agree.
    /// Lock order: this before any index.
    spans: RwLock<AllSpans>,
    /// Incremented while `spans` is write-locked.
    moved: RwLock<Moved>,
    pool: Pool,
}

/// One segment, as one query sees it.
pub(super) struct Segment {
    pub(super) id: SegmentId,
    known: Arc<Known>,
    shared: Arc<Shared>,
    /// This query failed to read it.
    failed: AtomicBool,
}

/// State of a segment shared by all queries.
struct Known {
    path: PathBuf,
    error: Mutex<Option<SegmentError>>,
    /// When an error of this segment was last logged.
    told: Mutex<Throttle>,
    /// It was deleted.
    is_gone: AtomicBool,
    /// The index that answers queries; `None`: not loaded yet.
    index: Mutex<Option<Index>>,
}

/// Why a segment could not be read.
struct SegmentError {
    text: String,
    /// The file is damaged, as opposed to temporarily unavailable.
    is_damage: bool,
}

impl Segments {
    /// Finds the segments in `dir`.
    ///
    /// # Errors
    /// The directory cannot be read, or contains files of another format.
    pub(super) fn find(dir: &Path) -> Result<Segments, StoreError> {
        let unreadable = |error: std::io::Error| {
            StoreError::Unavailable(format!("cannot read {}: {error}", dir.display()))
        };
        let mut open = BTreeMap::new();
        for entry in std::fs::read_dir(dir).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.and_then(|name| name.strip_prefix("day-")?.strip_suffix(".db"))
            else {
                continue;
            };
            if let Some(id) = SegmentId::parse(name) {
                open.insert(id, Arc::new(Known::new(path)));
            } else if Day::parse(name).is_some() {
                return Err(StoreError::Invalid(format!(
                    "{} is of a format before 0.1.0, which is not read: move it away, or choose another data directory",
                    path.display()
                )));
            }
        }
        Ok(Segments(Arc::new(Shared {
            dir: dir.to_owned(),
            open: RwLock::new(open),
            spans: RwLock::default(),
            moved: RwLock::default(),
            pool: Pool::default(),
        })))
    }

    /// Path of a segment's file, which need not exist.
    pub(super) fn path(&self, id: SegmentId) -> PathBuf {
        self.0.dir.join(format!("day-{id}.db"))
    }

    /// The directory of the segments.
    pub(super) fn dir(&self) -> &Path {
        &self.0.dir
    }

    /// The newest segment of a day.
    pub(super) fn newest(&self, day: Day) -> Option<Segment> {
        let open = self.0.open.read();
        let of_day = SegmentId { day, number: 0 }..=SegmentId { day, number: u32::MAX };
        open.range(of_day).next_back().map(|(id, known)| self.segment(*id, known))
    }

    /// Opens the file of a segment for writing; creates it if it does not exist.
    pub(super) fn open_to_write(&self, id: SegmentId) -> rusqlite::Result<Connection> {
        // SQLite shares a file's read-only state among all connections of a process: close the cached ones
        // first.
        self.0.pool.close(id);
        schema::open_segment(&self.path(id))
    }

    /// Registers a new segment with this index.
    pub(super) fn add(&self, id: SegmentId, live: Arc<RwLock<Live>>) -> Segment {
        let mut open = self.0.open.write();
        let known = open.entry(id).or_insert_with(|| Arc::new(Known::new(self.path(id))));
        let segment = self.segment(id, known);
        drop(open);
        *segment.known.index.lock() = Some(Index::Open(live));
        segment
    }

    fn segment(&self, id: SegmentId, known: &Arc<Known>) -> Segment {
        let (known, shared) = (Arc::clone(known), Arc::clone(&self.0));
        Segment { id, known, shared, failed: AtomicBool::new(false) }
    }

    /// All segments, oldest first, for one query; loads none.
    pub(super) fn list(&self) -> Vec<Segment> {
        self.0.open.read().iter().map(|(id, known)| self.segment(*id, known)).collect()
    }

    /// All segments, oldest first, for one query; loads those not loaded yet.
    pub(super) fn all(&self) -> Vec<Segment> {
        let all = self.list();
        for segment in &all {
            segment.index();
        }
        all
    }

    /// Adds rows written to the file of an open segment to its index. `links`: links of the new sessions;
    /// `None`: read from the file.
    pub(super) fn catch_up(
        &self,
        id: SegmentId,
        live: &RwLock<Live>,
        connection: &Connection,
        links: Option<Vec<Link>>,
    ) -> rusqlite::Result<()> {
        let mut spans = self.0.spans.write();
        let moved = self.0.moved.read().of(id);
        let mut live = live.write();
        let known = live.requests;
        live.catch_up(connection, &moved)?;
        match links {
            Some(links) => spans.add(id, &links),
            None if live.requests != known => spans.add(id, &spans::load(connection)?),
            None => {}
        }
        Ok(())
    }

    /// Reassigns parts to other sessions, with the names of those sessions, and links the parts of each
    /// session.
    pub(super) fn rehome(&self, parts: &[(PartId, Key, String)], links: &[(PartId, PartId)]) {
        let mut spans = self.0.spans.write();
        let mut moved = self.0.moved.write();
        let live = |segment: SegmentId| {
            let known = self.0.open.read().get(&segment).map(Arc::clone);
            match known.and_then(|known| known.index.lock().clone()) {
                Some(Index::Open(live)) => Some(live),
                Some(Index::Closed(_)) | None => None,
            }
        };
        for (part, root, name) in parts {
            let before = moved.of(part.0).root(part.1);
            moved.insert(*part, *root, name);
            if let Some(live) = live(part.0) {
                live.write().unassign(part.1, before);
            }
        }
        // Remove all parts before adding any: a session may lose its own part and get another.
        for (part, root, _) in parts {
            if let Some(live) = live(part.0) {
                live.write().assign(*root, part.1);
            }
        }
        for (newer, older) in links {
            spans.join(*newer, *older);
        }
    }

    /// Deletes the segments of days before `first`; returns those days.
    pub(super) fn drop_before(&self, first: Day) -> Result<Vec<Day>, StoreError> {
        let old: Vec<_> = self.list().into_iter().filter(|old| old.id.day < first).collect();
        for segment in &old {
            self.0.open.write().remove(&segment.id);
            self.0.spans.write().remove(segment.id);
            self.0.moved.write().remove(segment.id);
            segment.known.is_gone.store(true, Relaxed);
            self.0.pool.close(segment.id);
            for suffix in ["-wal", "-shm", ""] {
                let path = beside(&segment.known.path, suffix);
                match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        // The next retention run finds it again and retries.
                        let known = Arc::new(Known::new(self.path(segment.id)));
                        self.0.open.write().insert(segment.id, known);
                        return Err(StoreError::Unavailable(format!(
                            "cannot delete {}: {error}",
                            path.display()
                        )));
                    }
                    _ => {}
                }
            }
        }
        let mut days: Vec<Day> = old.iter().map(|segment| segment.id.day).collect();
        days.dedup();
        Ok(days)
    }
}

/// Whether an error means a damaged file, as opposed to one that is temporarily unavailable.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Days for which the answer to a query may be incomplete.
pub(super) fn incomplete(segments: &[Segment]) -> Vec<String> {
    let missing = segments.iter().filter(|segment| segment.why_incomplete().is_some());
    let mut days: Vec<String> = missing.map(|segment| segment.id.day.to_string()).collect();
    days.dedup();
    days
}

/// For an empty result: the item may be in a segment that cannot be read.
pub(super) fn absent<T>(segments: &[Segment]) -> Result<Option<T>, StoreError> {
    let text =
        |why: &StoreError| format!("not found, but a file cannot be read, where it may be: {why}");
    match segments.iter().find_map(Segment::why_incomplete) {
        None => Ok(None),
        Some(why @ StoreError::Damaged(_)) => Err(StoreError::Damaged(text(&why))),
        Some(why) => Err(StoreError::Unavailable(text(&why))),
    }
}

impl Known {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            error: Mutex::default(),
            told: Mutex::default(),
            is_gone: AtomicBool::new(false),
            index: Mutex::default(),
        }
    }
}

impl Segment {
    /// The segment's index, loaded from the file if necessary; `None`: unreadable or empty.
    pub(super) fn index(&self) -> Option<Index> {
        let known = self.known.index.lock().clone();
        if known.is_some() {
            return known;
        }
        let mut spans = self.shared.spans.write();
        let mut index = self.known.index.lock();
        if index.is_none() {
            let moved = self.moved();
            let (found, links) =
                self.read(|connection| Index::load(connection, self.id.day, &moved))?;
            *index = Some(found);
            spans.add(self.id, &links);
        }
        index.clone()
    }

    /// Which sessions have parts in several segments.
    pub(super) fn all_spans(&self) -> parking_lot::RwLockReadGuard<'_, AllSpans> {
        self.shared.spans.read()
    }

    /// The index, if it is loaded.
    pub(super) fn loaded_index(&self) -> Option<Index> {
        self.known.index.lock().clone()
    }

    /// Whether this query failed to read it, or it has been deleted since the query began.
    pub(super) fn is_lost(&self) -> bool {
        self.failed.load(Relaxed) || self.known.is_gone.load(Relaxed)
    }

    /// Whether the day has a newer segment.
    pub(super) fn is_newest(&self) -> bool {
        self.shared.open.read().keys().next_back().is_none_or(|newest| *newest <= self.id)
    }

    /// Marks it as closed.
    pub(super) fn set_closed(&self, closed: Closed) {
        *self.known.index.lock() = Some(Index::Closed(Arc::new(closed)));
    }

    /// The numbers of a session's parts here.
    pub(super) fn find(&self, key: &Key) -> Vec<u32> {
        self.find_all(std::iter::once(key)).into_iter().map(|(_, id)| id).collect()
    }

    /// Its parts that belong to other sessions than the file says.
    pub(super) fn moved(&self) -> Arc<MovedHere> {
        self.shared.moved.read().of(self.id)
    }

    /// Id of the session that owns a part.
    pub(super) fn name(&self, connection: &Connection, part: u32) -> rusqlite::Result<String> {
        if let Some(root) = self.moved().root(part) {
            return Ok(self.name_of_root(&root));
        }
        connection
            .prepare_cached("SELECT ifnull(name, lower(hex(session))) FROM session WHERE id = ?")?
            .query_row([part], |row| row.get(0))
    }

    /// The name of a session that parts were moved to.
    pub(super) fn name_of_root(&self, root: &Key) -> String {
        self.shared.moved.read().name(root)
    }

    /// Reads with a dedicated connection in one transaction, so that a page is consistent. An error is
    /// remembered and logged; the caller continues with the other segments.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<T> {
        self.peek(|connection| {
            connection.prepare_cached("BEGIN")?.execute([])?;
            let value = read(connection)?;
            // Not ROLLBACK: it would force every cached statement to be prepared again.
            connection.prepare_cached("COMMIT")?.execute([])?;
            Ok(value)
        })
    }

    /// Like [`Segment::read`], for a single statement, without a transaction.
    pub(super) fn peek<T>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Option<T> {
        let known = &self.known;
        let idle = self.shared.pool.take(self.id);
        if idle.is_none() && self.is_empty() {
            known.error.lock().take_if(|error| !error.is_damage);
            return None;
        }
        let result = match idle {
            Some(reader) => Ok(reader),
            None => Reader::open(&known.path).and_then(|reader| {
                reader.read(|connection| schema::check(connection, &*schema::SEGMENT))?;
                Ok(reader)
            }),
        }
        .and_then(|reader| Ok((reader.read(read)?, reader)));
        match result {
            Ok((value, reader)) => {
                // Damage is permanent, even if other pages can be read.
                known.error.lock().take_if(|error| !error.is_damage);
                self.shared.pool.put(self.id, reader);
                // Checked last: a deletion sets the flag before it closes connections.
                if known.is_gone.load(Relaxed) {
                    self.shared.pool.close(self.id);
                }
                Some(value)
            }
            // The segment was deleted during the read.
            Err(_) if known.is_gone.load(Relaxed) => None,
            // Dropping the connection ends its transaction.
            Err(error) => {
                self.failed.store(true, Relaxed);
                let text = error.to_string();
                if let Some(left_out) = known.told.lock().tell(Instant::now()) {
                    tracing::error!(segment = %self.id, error = %text, left_out, "a segment cannot be read");
                }
                let is_damage = is_damage(&error);
                let mut known = known.error.lock();
                // Damage is permanent; of other errors the latest is kept.
                if is_damage || known.as_ref().is_none_or(|known| !known.is_damage) {
                    *known = Some(SegmentError { text, is_damage });
                }
                None
            }
        }
    }

    /// Error of the last attempt to read it.
    pub(super) fn error(&self) -> Option<String> {
        self.known.error.lock().as_ref().map(|error| error.text.clone())
    }

    /// Why an answer may be incomplete: this query failed to read the segment, or it is known to be damaged.
    fn why_incomplete(&self) -> Option<StoreError> {
        let error = self.known.error.lock();
        if error.as_ref().is_some_and(|error| error.is_damage) {
            let text = error.as_ref().map(|error| error.text.as_str()).unwrap_or_default();
            return Some(StoreError::Damaged(format!("{}: {text}", self.id)));
        }
        let text = error.as_ref().map_or("it could not be read", |error| error.text.as_str());
        let failed = self.failed.load(Relaxed);
        failed.then(|| StoreError::Unavailable(format!("{}: {text}", self.id)))
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        ["", "-wal"]
            .iter()
            .filter_map(|suffix| {
                Some(std::fs::metadata(beside(&self.known.path, suffix)).ok()?.len())
            })
            .sum()
    }

    /// Its file was created, but the disk was full before anything was stored.
    fn is_empty(&self) -> bool {
        self.known.path.exists() && self.bytes() == 0
    }

    /// Numbers of this segment's parts of these sessions.
    pub(super) fn find_all<'k>(&self, keys: impl Iterator<Item = &'k Key>) -> Vec<(Key, u32)> {
        let Some(index) = self.index() else { return Vec::new() };
        let moved = self.moved();
        let mut found = Vec::new();
        let mut own = Vec::new();
        for key in keys {
            found.extend(moved.parts(key).iter().map(|part| (*key, *part)));
            match &index {
                Index::Open(_) => own.push(key),
                Index::Closed(closed) if closed.bloom.may_have(key) => own.push(key),
                Index::Closed(_) => {}
            }
        }
        let is_own = |(_, part): &(Key, u32)| moved.root(*part).is_none();
        match index {
            Index::Open(live) => {
                let live = live.read();
                let part = |key: &Key| {
                    let part = *live.by_key.get(key)?;
                    // Under another key it is an alias that leads to its session.
                    live.session(part).filter(|known| known.key == *key).map(|_| (*key, part))
                };
                found.extend(own.into_iter().filter_map(part).filter(is_own));
            }
            Index::Closed(_) if own.is_empty() => {}
            Index::Closed(_) => {
                let of_file = self.read(|connection| {
                    let mut found = Vec::new();
                    for key in own {
                        let parts = find_session(connection, key)?;
                        found.extend(parts.into_iter().map(|part| (*key, part)));
                    }
                    Ok(found)
                });
                found.extend(of_file.unwrap_or_default().into_iter().filter(is_own));
            }
        }
        found
    }
}

/// Numbers of a session in a closed segment; several if parts were moved to it before the others arrived.
fn find_session(connection: &Connection, key: &Key) -> rusqlite::Result<Vec<u32>> {
    connection
        .prepare_cached("SELECT id FROM session WHERE session = ?")?
        .query_map([key], |row| row.get(0))?
        .collect()
}

#[cfg(test)]
mod tests;
