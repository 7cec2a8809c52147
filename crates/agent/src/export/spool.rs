//! Records on disk, for as long as the cloud is unreachable.
//!
//! A directory of segments, shared by all workers: each exporter appends batches to a segment of its own, and any
//! process with time to spare sends the oldest segment that nobody works on. Whoever holds a segment's lock
//! (`flock(2)`) works on it. The kernel releases the locks of dead processes, so whatever a killed worker, another
//! generation or another run of NGINX left behind is taken over.
//!
//! - A batch keeps the name of its first attempt: if the cloud stored that one after all, it is stored only once.
//! - A batch is on disk (`fdatasync(2)`) before it leaves the queue. If the queue is about to overflow, the batch
//!   leaves it as soon as the kernel has the data. Unlike the queue, that survives the end of all processes, and it
//!   reaches the disk within about a second ([`Syncer`]).
//! - Beyond `max_bytes`, the oldest segments make room for new batches.
//! - Damage costs only the damaged batch: each has a checksum, and a mark by which the next one is found.

mod frame;
mod segment;
mod syncer;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use segment::{Next, Reader, Writer};
use syncer::Syncer;

/// Suffix of a segment's name. The name starts with the time of creation, so that names sort by age.
const SUFFIX: &str = ".spool";
/// Whether a file of this name in a spool's directory is in use by this module: segments, the lock, and the copy and
/// the journal of the denylist, but not a damaged copy that was put aside.
pub fn is_spool_file(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name == LOCK.as_bytes()
        || name.ends_with(SUFFIX.as_bytes())
        || (name.starts_with(b"denylist.") && name != b"denylist.damaged.json")
}

/// Held while a batch is written, so that workers do not exceed the size together.
const LOCK: &str = "lock";
/// Approximate number of segments in a full spool; dropping one loses this share of it.
const SEGMENTS: u64 = 16;
/// Smallest and largest segment, bytes. A larger batch takes a segment of its own.
const SEGMENT_BYTES: (u64, u64) = (64 << 10, 16 << 20);

/// Where the spool is, and how large it may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpoolSettings {
    /// A directory that workers can write to. If it is missing, it is created if permissions allow.
    pub path: PathBuf,
    /// Longest total of all segments, bytes.
    pub max_bytes: u64,
}

/// When a batch has to be on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    /// By the time [`Spool::put`] returns.
    Now,
    /// After the next [`Spool::sync`].
    Soon,
}

/// One exporter's view of the spool.
pub(super) struct Spool {
    settings: SpoolSettings,
    writer: Option<Writer>,
    syncer: Syncer,
    reader: Option<Reader>,
    serial: u32,
}

/// Losses: dropped to make room, or damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Lost {
    /// Segments that made room, or that were damaged.
    pub(super) segments: u64,
    /// Records in them that were not yet sent; in damaged ones, the number of line ends left.
    pub(super) records: u64,
}

/// A batch to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Spooled {
    pub(super) name: String,
    pub(super) lines: Vec<u8>,
}

impl Spool {
    pub(super) fn new(settings: SpoolSettings) -> Self {
        Self { settings, writer: None, syncer: Syncer::default(), reader: None, serial: 0 }
    }

    /// Writes a batch and returns what was dropped to make room for it.
    ///
    /// # Errors
    /// File system errors; nothing of the batch remains then. For a batch larger than the whole spool,
    /// [`io::ErrorKind::FileTooLarge`].
    pub(super) fn put(&mut self, name: &str, lines: &[u8], durable: Durable) -> io::Result<Lost> {
        let needed = frame::size(name, lines) + segment::HEADER;
        if needed > self.settings.max_bytes {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let lock = self.open_lock()?;
        lock.lock()?;
        let lost = self.make_room(needed)?;
        let full = self.segment_bytes();
        if self.writer.as_ref().is_some_and(|writer| writer.len() + needed > full) {
            self.close_segment();
        }
        let mut writer = match self.writer.take() {
            Some(writer) => writer,
            None => self.new_segment()?,
        };
        // After a failed write the end of the segment is unknown, so nothing is appended to it any more.
        let before = writer.append(name, lines)?;
        // The lock only protects the total size.
        drop(lock);
        if durable == Durable::Now {
            writer.sync(before)?;
        }
        self.writer = Some(writer);
        Ok(lost)
    }

    /// Passes what was put with [`Durable::Soon`] to a thread that writes it to disk.
    ///
    /// # Errors
    /// An error of an earlier flush.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if let Some(writer) = &mut self.writer {
            self.syncer.take(writer);
        }
        self.syncer.failure().map_or(Ok(()), Err)
    }

    /// Waits until everything is on disk.
    ///
    /// # Errors
    /// File system errors.
    pub(super) fn sync_now(&mut self) -> io::Result<()> {
        match &mut self.writer {
            Some(writer) if writer.is_unsynced() => writer.sync_all(),
            _ => Ok(()),
        }
    }

    fn close_segment(&mut self) {
        if let Some(mut writer) = self.writer.take() {
            self.syncer.take(&mut writer);
        }
    }

    /// The oldest batch that nobody else works on; the same one until [`Spool::done`].
    ///
    /// # Errors
    /// File system errors.
    pub(super) fn next(&mut self, lost: &mut Lost) -> io::Result<Option<Spooled>> {
        loop {
            if self.reader.is_none() {
                self.reader = self.oldest()?;
            }
            let Some(reader) = &mut self.reader else { return Ok(None) };
            match reader.next()? {
                Next::Batch(batch) => return Ok(Some(batch)),
                Next::Damaged { records } => {
                    lost.segments += 1;
                    lost.records += records;
                }
                Next::End => {
                    fs::remove_file(reader.path())?;
                    self.reader = None;
                }
            }
        }
    }

    /// Marks the batch that [`Spool::next`] returned as done.
    pub(super) fn done(&mut self) -> io::Result<()> {
        self.reader.as_mut().map_or(Ok(()), Reader::done)
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        segments(&self.settings.path).map_or(0, |all| all.iter().map(|(_, bytes)| bytes).sum())
    }

    fn segment_bytes(&self) -> u64 {
        (self.settings.max_bytes / SEGMENTS).clamp(SEGMENT_BYTES.0, SEGMENT_BYTES.1)
    }

    fn open_lock(&self) -> io::Result<File> {
        let open = || {
            let mut options = OpenOptions::new();
            options.create(true).truncate(false).write(true).mode(0o600);
            options.open(self.settings.path.join(LOCK))
        };
        match open() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(&self.settings.path)?;
                open()
            }
            result => result,
        }
    }

    fn new_segment(&mut self) -> io::Result<Writer> {
        let micros = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        self.serial = self.serial.wrapping_add(1);
        // Unique: no two live processes share an id, and each process numbers its segments.
        let name = format!("{micros:018}-{}-{}{SUFFIX}", std::process::id(), self.serial);
        Writer::create(&self.settings.path.join(name))
    }

    /// Removes the oldest segments until there is room.
    fn make_room(&mut self, needed: u64) -> io::Result<Lost> {
        let mut lost = Lost::default();
        let all = segments(&self.settings.path)?;
        let mut used: u64 = all.iter().map(|(_, bytes)| bytes).sum();
        for (name, bytes) in all {
            if used + needed <= self.settings.max_bytes {
                break;
            }
            let path = self.settings.path.join(name);
            // This exporter's own segment is dropped like any other.
            self.writer.take_if(|writer| writer.path() == path);
            self.reader.take_if(|reader| reader.path() == path);
            let Ok(Some(oldest)) = Reader::open(&path) else { continue };
            lost.records += oldest.count();
            lost.segments += 1;
            fs::remove_file(&path)?;
            used = used.saturating_sub(bytes);
        }
        if used + needed > self.settings.max_bytes {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(lost)
    }

    /// The oldest segment that nobody holds; this exporter's own segment comes last.
    fn oldest(&mut self) -> io::Result<Option<Reader>> {
        let all = match segments(&self.settings.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            all => all?,
        };
        // A segment that cannot be opened (because it belongs to another user, say) does not hold back newer ones.
        let mut failure = None;
        for (name, _) in &all {
            match Reader::open(&self.settings.path.join(name)) {
                Ok(Some(reader)) => return Ok(Some(reader)),
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        if let Some(mut writer) = self.writer.take() {
            self.syncer.take(&mut writer);
            let path = writer.path().to_owned();
            drop(writer);
            if let Some(reader) = Reader::open(&path)? {
                return Ok(Some(reader));
            }
        }
        failure.map_or(Ok(None), Err)
    }
}

/// Names and sizes of all segments, oldest first.
fn segments(directory: &Path) -> io::Result<Vec<(OsString, u64)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.to_string_lossy().ends_with(SUFFIX) {
            continue;
        }
        // It may have been sent and removed in the meantime.
        if let Ok(metadata) = entry.metadata() {
            all.push((name, metadata.len()));
        }
    }
    all.sort();
    Ok(all)
}

#[cfg(test)]
mod tests;
