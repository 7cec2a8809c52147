//! Denied sessions, in a region of their own, which a flood of sessions cannot fill.
//!
//! A hash table with chained cells of 48 bytes, and a heap for short texts: 116,000 entries in 8 MB.
//!
//! - **Lookups are lock-free.** A cell is fully written before a single store links it, and changes again only after a
//!   single store has unlinked it. Every link contains the cell's generation, so a reader that follows a stale link
//!   notices that the cell was reused and starts over. That happens only if a writer unlinks and reuses the very cell
//!   under the reader; after [`DENY_LOOKUP_ATTEMPTS`] the session counts as not denied.
//! - **Updates are atomic for readers**: they see the old entry or the new one, never a mixture, and never none while
//!   an entry is replaced.
//! - **One writer at a time**, under a [`crate::robust_lock`]. A writer notes the cells it works on; after its death,
//!   the next writer frees those that are not linked.
//! - **Cloud and node are separate**: a document from the cloud replaces all entries of the cloud, one by one, and none
//!   of the node's own. A session that both deny has two entries.

mod bitmap;
mod cell;
mod layout;
mod lookup;
mod stats;
mod text;
mod writer;

use std::sync::atomic::Ordering;

use api_sessions_protocol::{DenyEntry, SessionId};
use siphasher::sip::SipHasher13;

use crate::hash;
use crate::limits::DENY_LOOKUP_ATTEMPTS;
use crate::region::{self, AttachError, Attached, Region};
use layout::{DenylistMemory, RESTORE_BEGUN, RESTORE_DONE, UNIT_BYTES};

pub use stats::DenylistStats;
pub use writer::{DenyError, DenylistWriter, ReplaceSummary};

/// Who added an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryOrigin {
    /// This node (`api_sessions_control`).
    Local,
    /// The cloud.
    Cloud,
}

/// A session id, with its bucket and fingerprint.
#[derive(Debug, Clone, Copy)]
struct BucketRef {
    bucket: usize,
    id: [u64; 2],
    /// One of 16 bits set.
    fingerprint: u16,
}

/// The denylist. Copies refer to the same region.
#[derive(Clone, Copy)]
pub struct Denylist {
    memory: DenylistMemory,
    hash_key: [u64; 2],
}

impl Denylist {
    /// Creates a denylist in a zeroed region, or uses the existing one. Touches the header only.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(region: Region) -> Result<(Self, Attached), AttachError> {
        let (memory, attached) = DenylistMemory::attach(region)?;
        let hash_key = region::load(&memory.header().hash_key);
        Ok((Self { memory, hash_key }, attached))
    }

    /// The write access of a process. Call it after fork(2), with the `ngx_process_slot` and process id. Lookups do not
    /// need it.
    pub fn join(&self, slot: u16, pid: u32) -> DenylistWriter {
        DenylistWriter::join(*self, slot, pid)
    }

    /// Whether there are no entries, so that no lookup is needed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.memory.header().entries.load(Ordering::Acquire) == 0
    }

    /// Whether `session` is denied at `now_ms` (milliseconds since 1970) in `application`. Without an application
    /// (empty), only entries that name no applications count.
    pub fn lookup(&self, session: &SessionId, application: &[u8], now_ms: u64) -> bool {
        if self.is_empty() {
            return false;
        }
        let bucket = self.bucket(hash::id_words(session));
        let attempt = || lookup::follow_chain(self, &bucket, application, now_ms);
        (0..DENY_LOOKUP_ATTEMPTS).find_map(|_| attempt()).unwrap_or(false)
    }

    /// When this node itself denied `session` (milliseconds since 1970), even if that entry has expired.
    pub fn denied_since(&self, session: &SessionId) -> Option<u64> {
        let bucket = self.bucket(hash::id_words(session));
        let attempt = || lookup::local_since(self, &bucket);
        (0..DENY_LOOKUP_ATTEMPTS).find_map(|_| attempt()).flatten()
    }

    /// Passes each entry in force at `now_ms` (milliseconds since 1970) to `visit`, in no particular order. An entry
    /// that is replaced during the call may be passed twice. Takes no lock, so `visit` may do anything.
    pub fn list(&self, now_ms: u64, visit: &mut dyn FnMut(DenyEntry, EntryOrigin)) {
        for cell in 0..self.memory.cells().len() {
            let entry = lookup::read_entry(self, cell as u32);
            if let Some(entry) = entry.filter(|entry| entry.is_in_force(now_ms)) {
                let origin = entry.origin();
                visit(entry.into_deny_entry(), origin);
            }
        }
    }

    /// Counter of changes to the list; 0: it was never changed.
    pub fn changes(&self) -> u32 {
        self.memory.header().changes.load(Ordering::Acquire)
    }

    /// Mark of the last document from the cloud whose application has begun; consecutive documents have different marks.
    pub fn documents(&self) -> u32 {
        self.memory.header().mark.load(Ordering::Acquire)
    }

    /// Whether entries of a saved copy have yet to be restored: the list was never changed, or a process was killed
    /// while it restored them.
    pub fn is_to_be_restored(&self) -> bool {
        match self.memory.header().restored.load(Ordering::Acquire) {
            RESTORE_DONE => false,
            RESTORE_BEGUN => true,
            _ => self.changes() == 0,
        }
    }

    /// Metrics.
    pub fn stats(&self) -> DenylistStats {
        let header = self.memory.header();
        let text_units = bitmap::count(self.memory.text_bits());
        DenylistStats {
            capacity: self.memory.cells().len() as u64,
            entries: u64::from(header.entries.load(Ordering::Relaxed)),
            text_capacity: self.memory.text_units() as u64 * UNIT_BYTES as u64,
            text_in_use: text_units * UNIT_BYTES as u64,
            recovered: u64::from(header.recovered.load(Ordering::Relaxed)),
        }
    }

    #[inline]
    fn bucket(&self, id: [u64; 2]) -> BucketRef {
        let hash = hash::hash(id, self.hash_key);
        let buckets = self.memory.heads().len() as u64;
        let bucket = (((hash >> 32) * buckets) >> 32) as usize;
        BucketRef { bucket, id, fingerprint: 1 << (hash & 15) }
    }

    fn application_hash(&self, name: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.hash_key[1], self.hash_key[0]).hash(name)
    }
}

#[cfg(test)]
impl Denylist {
    /// Number of cells in chains and of the units of their texts. Asserts that each cell is in the right chain.
    pub(super) fn linked(&self) -> (u64, u64) {
        let (mut cells, mut units) = (0, 0);
        for (bucket, head) in self.memory.heads().iter().enumerate() {
            let mut link = cell::Link::load(head);
            while let Some(number) = link.cell() {
                let cell = self.memory.cell(number).unwrap();
                let fields = cell::Fields::load(cell);
                assert_eq!(cell.generation.load(Ordering::Relaxed) & 0xff_ffff, link.generation());
                let found = self.bucket(fields.id);
                assert_eq!(found.bucket, bucket);
                assert_ne!(cell::Link::load(head).fingerprints() & found.fingerprint, 0);
                cells += 1;
                units += fields.text_bytes().div_ceil(UNIT_BYTES) as u64;
                link = cell::Link::load(&cell.next);
            }
        }
        (cells, units)
    }

    pub(super) fn taken_cells(&self) -> u64 {
        bitmap::count(self.memory.cell_bits())
    }
}
