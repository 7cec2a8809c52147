//! Links: which session an issued value belongs to, and what is known about a client address.
//!
//! A set-associative table of 32-byte entries, in a zone shared by all workers. Keys are 64-bit hashes under the zone's
//! key, so neither names nor values are in memory. A full set is never an error. It evicts an expired entry, else one
//! that was replaced by a newer value, else one that no client has sent back (so a flood of responses to clients
//! without cookies evicts nothing in use), else the least recently used. The lock of a set survives its owner
//! ([`crate::robust_lock`]).

mod entry;
mod handle;
mod layout;
mod stats;

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::limits::SET_READ_ATTEMPTS;
use crate::region::{self, AttachError, Attached, Region};
use layout::{LinkSet, LinksMemory};

pub use entry::{Link, LinkFlags};
pub use handle::LinkHandle;
pub use layout::MIN_LINK_BYTES;
pub use stats::LinkStats;

/// Key of an entry: a keyed hash, never 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LinkKey(u64);

impl LinkKey {
    /// The hash.
    pub fn hash(self) -> u64 {
        self.0
    }
}

/// The links. Copies refer to the same zone.
#[derive(Clone, Copy)]
pub struct Links {
    memory: LinksMemory,
    hash_key: [u64; 2],
}

impl Links {
    /// Creates a table in a zeroed region of at least [`MIN_LINK_BYTES`], or uses the existing one. In a new table, an
    /// entry unused for more than `inactive_s` seconds counts as absent; an existing one keeps its setting. Touches the
    /// header only.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(region: Region, inactive_s: u32) -> Result<(Self, Attached), AttachError> {
        let (memory, attached) = LinksMemory::attach(region, inactive_s)?;
        let hash_key = region::load(&memory.header().hash_key);
        Ok((Self { memory, hash_key }, attached))
    }

    /// The handle of a worker. Call it after fork(2), with the `ngx_process_slot` and process id.
    pub fn join(&self, slot: u16, pid: u32) -> LinkHandle {
        LinkHandle::join(*self, slot, pid)
    }

    /// Sets the seconds after which an unused entry counts as absent, for all processes at once.
    pub fn set_inactive_s(&self, inactive_s: u32) {
        self.memory.set_inactive_s(inactive_s);
    }

    /// Key of `value` under `kind`; the same value has unrelated keys under different kinds.
    #[inline]
    pub fn key(&self, kind: &[u8], value: &[u8]) -> LinkKey {
        let mut hasher = SipHasher13::new_with_keys(self.hash_key[0], self.hash_key[1]);
        hasher.write(kind);
        hasher.write(&[0]);
        hasher.write(value);
        LinkKey(hasher.finish().max(1))
    }

    /// Whether no entry was ever written, so that no lookup is needed.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    /// Whether there may be an entry for a value that another node issued ([`Links::mark_remote`]).
    #[inline]
    pub fn has_remote(&self) -> bool {
        self.memory.has_remote()
    }

    /// Records that there is an entry for a value that another node issued, or will be soon.
    pub fn mark_remote(&self) {
        self.memory.mark_remote();
    }

    /// Reads an entry without a lock, at `now_s` (seconds since 1970). `None`: there is none, it is expired, or its set
    /// changed during every attempt.
    #[inline]
    pub fn get(&self, key: LinkKey, now_s: u32) -> Option<Link> {
        if self.is_empty() {
            return None;
        }
        let set = self.set(key)?;
        let link =
            set.lock.read(SET_READ_ATTEMPTS, || set.find(key.0).map(|way| set.link(way)))??;
        (!link.is_expired(now_s, self.memory.inactive_s())).then_some(link)
    }

    /// Metrics of all workers.
    pub fn stats(&self) -> LinkStats {
        self.memory.stats()
    }

    #[inline]
    fn set(&self, key: LinkKey) -> Option<&LinkSet> {
        self.memory.set(self.number(key))
    }

    #[inline]
    fn number(&self, key: LinkKey) -> u32 {
        (((key.0 >> 32) * u64::from(self.memory.sets())) >> 32) as u32
    }
}
