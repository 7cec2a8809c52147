//! Sessions to be denied, in a region of their own that no flood of sessions can push out.
//!
//! A hash table of chained cells of 48 bytes and a heap of short texts: 116,000 entries in 8 MB.
//!
//! - **Lookups take no lock and wait for nobody.** A cell is written before one store links it and is
//!   not touched again until one store has unlinked it; its generation, which is part of every link,
//!   tells a reader who comes late that the cell is another's by now, and it starts again. Each new
//!   start needs a writer that unlinked and reused the very cell that the reader stood on; after
//!   [`LOOKUP_TRIES`] the session counts as not denied.
//! - **Updates are atomic for readers**: an entry is there as it was or as it is, never in between and
//!   never missing while it is replaced.
//! - **One writer at a time**, under the same kind of lock as a set of sessions. A writer notes the
//!   cells it works on; whoever finds it dead frees those that are not linked.
//! - **Cloud and node are apart**: a sync replaces all entries of the cloud, one by one, and none of
//!   the node's own. A session that both deny has two entries.

mod bits;
mod layout;
mod lookup;
mod text;
mod write;

use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use api_sessions_protocol::DenyEntry;
use siphasher::sip::SipHasher13;

use super::region::{Attached, TableError};
use api_sessions_protocol::SessionId;
use layout::Region;

pub use write::{DenyError, DenylistWriter, Synced};

/// Times a lookup starts again.
pub const LOOKUP_TRIES: u32 = 16;
/// Bytes of a `by` that are kept.
pub const BY_BYTES: usize = 64;

/// Whose an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryOrigin {
    /// Added on this node (`api_sessions_control`).
    Local,
    /// Taken from the cloud.
    Cloud,
}

/// The denylist's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DenylistStats {
    /// Entries there is room for.
    pub capacity: u64,
    /// Entries, those included whose time is over and that nobody has purged.
    pub entries: u64,
    /// Bytes for texts.
    pub text_capacity: u64,
    /// Bytes of it in use.
    pub text_in_use: u64,
    /// Writers that died with the list locked.
    pub recovered: u64,
}

/// Where an entry may be: what its hash says.
#[derive(Debug, Clone, Copy)]
struct Place {
    bucket: usize,
    id: [u64; 2],
    /// One of 16 bits.
    sign: u16,
}

/// The denylist: a handle to a region that all workers share.
#[derive(Clone, Copy)]
pub struct Denylist {
    region: Region,
    hash_key: [u64; 2],
}

impl Denylist {
    /// Makes a denylist of zeroed memory, or takes over the one that is there. As with
    /// [`super::SessionTable::attach`], memory beyond the header is not touched.
    ///
    /// # Errors
    /// Where the memory cannot be a denylist, or is one of another length or version.
    ///
    /// # Safety
    /// As for [`super::SessionTable::attach`].
    pub unsafe fn attach(base: NonNull<u8>, len: usize) -> Result<(Self, Attached), TableError> {
        // SAFETY: the same contract.
        let (region, attached) = unsafe { Region::attach(base, len)? };
        let key = |word: usize| region.header().hash_key[word].load(Ordering::Relaxed);
        let hash_key = [key(0), key(1)];
        Ok((Self { region, hash_key }, attached))
    }

    /// A hand to write with: for each worker after fork, with its `ngx_process_slot` and process id.
    /// Lookups need none.
    pub fn join(&self, slot: u16, pid: u32) -> DenylistWriter {
        DenylistWriter::join(*self, slot, pid)
    }

    /// Whether `session` is denied at `now_ms` (milliseconds since 1970) in `application` (empty:
    /// none, for which only entries without applications count).
    pub fn lookup(&self, session: &SessionId, application: &[u8], now_ms: u64) -> bool {
        if self.region.header().entries.load(Ordering::Acquire) == 0 {
            return false;
        }
        let place = self.place(super::entry::id_words(session));
        let denied = || lookup::walk(self, &place, application, now_ms);
        (0..LOOKUP_TRIES).find_map(|_| denied()).unwrap_or(false)
    }

    /// Hands out each entry that is in force at `now_ms`, in no order. An entry that is replaced
    /// meanwhile may come twice. Takes no lock; `take` may do what it likes.
    pub fn list(&self, now_ms: u64, take: &mut dyn FnMut(DenyEntry, EntryOrigin)) {
        for cell in 0..self.region.cells().len() {
            let entry = lookup::read_entry(self, cell as u32);
            if let Some(entry) = entry.filter(|entry| entry.is_in_force(now_ms)) {
                let origin = entry.origin();
                take(entry.into_wire(), origin);
            }
        }
    }

    /// Changes with each change of the list; 0 as long as there was none.
    pub fn changes(&self) -> u32 {
        self.region.header().changes.load(Ordering::Acquire)
    }

    /// Counters.
    pub fn stats(&self) -> DenylistStats {
        DenylistStats {
            capacity: self.region.cells().len() as u64,
            entries: u64::from(self.region.header().entries.load(Ordering::Relaxed)),
            text_capacity: self.region.text_units() as u64 * layout::UNIT_BYTES as u64,
            text_in_use: bits::count(self.region.text_bits()) * layout::UNIT_BYTES as u64,
            recovered: u64::from(self.region.header().recovered.load(Ordering::Relaxed)),
        }
    }

    #[inline]
    fn place(&self, id: [u64; 2]) -> Place {
        let hash = super::hash::hash(id, self.hash_key);
        let buckets = self.region.heads().len() as u64;
        let bucket = (((hash >> 32) * buckets) >> 32) as usize;
        Place { bucket, id, sign: 1 << (hash & 15) }
    }

    fn application_hash(&self, name: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.hash_key[1], self.hash_key[0]).hash(name)
    }
}

#[cfg(test)]
impl Denylist {
    /// Cells in chains, and the units of their texts, after each was found in the right chain.
    pub(super) fn linked(&self) -> (u64, u64) {
        let (mut cells, mut units) = (0, 0);
        for (bucket, head) in self.region.heads().iter().enumerate() {
            let mut link = lookup::Link::load(head);
            while let Some(number) = link.cell() {
                let cell = self.region.cell(number).unwrap();
                let fields = lookup::Fields::load(cell);
                assert_eq!(cell.generation.load(Ordering::Relaxed) & 0xff_ffff, link.generation());
                let place = self.place(fields.id);
                assert_eq!(place.bucket, bucket);
                assert_ne!(lookup::Link::load(head).signs() & place.sign, 0);
                cells += 1;
                units += fields.text_bytes().div_ceil(layout::UNIT_BYTES) as u64;
                link = lookup::Link::load(&cell.next);
            }
        }
        (cells, units)
    }

    pub(super) fn taken_cells(&self) -> u64 {
        bits::count(self.region.cell_bits())
    }
}
