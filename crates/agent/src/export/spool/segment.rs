//! One file of batches.
//!
//! ```text
//! magic: 8 | offset of the first unsent batch: 8 | batches …
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Spooled, frame};

const MAGIC: [u8; 8] = *b"apispoo1";
/// Bytes before the first batch.
pub(super) const HEADER: u64 = 16;

/// Appends to a locked segment.
pub(super) struct Writer {
    file: File,
    path: PathBuf,
    len: u64,
    unsynced: bool,
}

impl Writer {
    /// # Errors
    /// File system errors.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        let mut writer = Self { file, path: path.to_owned(), len: HEADER, unsynced: true };
        let result = writer.file.try_lock().map_err(io::Error::from).and_then(|()| {
            writer.file.write_all(&MAGIC)?;
            writer.file.write_all(&HEADER.to_le_bytes())
        });
        result.map(|()| writer).inspect_err(|_| {
            // Disk full, even for the header. Nothing is lost with the file.
            let _ = std::fs::remove_file(path);
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Passes a batch to the kernel and returns the length before it. After an error, nothing of the batch remains if
    /// the file system permits, and the segment must not be written to again.
    ///
    /// # Errors
    /// File system errors.
    pub(super) fn append(&mut self, name: &str, lines: &[u8]) -> io::Result<u64> {
        let mut bytes = Vec::with_capacity(frame::size(name, lines) as usize);
        frame::write(name, lines, &mut bytes);
        let before = self.len;
        self.file.write_all(&bytes).inspect_err(|_| self.cut(before))?;
        self.len += bytes.len() as u64;
        self.unsynced = true;
        Ok(before)
    }

    /// Waits until everything is on disk. After an error, everything after `before` is removed, as with
    /// [`Writer::append`].
    ///
    /// # Errors
    /// File system errors.
    pub(super) fn sync(&mut self, before: u64) -> io::Result<()> {
        self.sync_all().inspect_err(|_| self.cut(before))
    }

    /// Waits until everything is on disk.
    ///
    /// # Errors
    /// File system errors.
    pub(super) fn sync_all(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.unsynced = false;
        Ok(())
    }

    /// Whether some data may not be on disk yet.
    pub(super) fn is_unsynced(&self) -> bool {
        self.unsynced
    }

    /// Whether some data may not be on disk yet. If so, the caller takes over syncing it.
    pub(super) fn take_unsynced(&mut self) -> bool {
        std::mem::replace(&mut self.unsynced, false)
    }

    fn cut(&self, len: u64) {
        let _ = self.file.set_len(len);
        if len == HEADER {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The next item of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Batch(Spooled),
    /// Damaged bytes up to the next batch, with `records` line ends in them.
    Damaged {
        records: u64,
    },
    End,
}

/// Reads a locked segment, batch by batch.
pub(super) struct Reader {
    file: File,
    path: PathBuf,
    /// The whole segment, as of its opening: nobody else writes to it.
    bytes: Vec<u8>,
    at: usize,
    /// Length of the batch at `at`, once it has been read.
    current: usize,
}

impl Reader {
    /// `None`: another process works on it, or it is gone.
    ///
    /// # Errors
    /// File system errors.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            result => result?,
        }
        // The previous holder may just have removed the file.
        if !path.exists() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let at = sent(&bytes);
        Ok(Some(Self { file, path: path.to_owned(), bytes, at, current: 0 }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The batch after the last one marked as done.
    pub(super) fn next(&mut self) -> io::Result<Next> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(Next::End);
        }
        if let Some((batch, len)) = frame::read(rest) {
            self.current = len;
            return Ok(Next::Batch(batch));
        }
        let len = unreadable(rest);
        let records = lines(&rest[..len]);
        self.current = len;
        self.done()?;
        Ok(Next::Damaged { records })
    }

    /// Marks the current batch as done. The next reader of the segment continues after it; a crash before this only
    /// repeats the batch under the same name.
    pub(super) fn done(&mut self) -> io::Result<()> {
        self.at += std::mem::take(&mut self.current);
        self.file.write_all_at(&(self.at as u64).to_le_bytes(), MAGIC.len() as u64)
    }

    /// Number of records that were not sent.
    pub(super) fn count(&self) -> u64 {
        let (mut at, mut records) = (self.at, 0);
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let (lines, len) = match frame::read(rest) {
                Some((batch, len)) => (lines(&batch.lines), len),
                None => (0, unreadable(rest)),
            };
            records += lines;
            at += len;
        }
        records
    }
}

fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Bytes up to the next batch, at least one.
fn unreadable(rest: &[u8]) -> usize {
    memchr::memmem::find(&rest[1..], &frame::MARK).map_or(rest.len(), |at| at + 1)
}

/// Offset of the first unsent batch: the one in the header, if plausible.
fn sent(bytes: &[u8]) -> usize {
    let stated = bytes
        .strip_prefix(&MAGIC)
        .and_then(|rest| rest.first_chunk::<8>())
        .and_then(|at| usize::try_from(u64::from_le_bytes(*at)).ok());
    match stated {
        Some(at) if at >= HEADER as usize && at <= bytes.len() => at,
        // The header is implausible: search for batches from the start.
        _ => (HEADER as usize).min(bytes.len()),
    }
}
