//! Memory that all workers share: session table, denylist, record queue.
//!
//! # The session table
//!
//! Sets of fifteen fixed records. A set is half a page: one line (lock, order of use, a byte of hash
//! for each session) and the entries of 128 bytes. That makes 7,680 sessions a megabyte, the
//! lines of one page an operation, and no lock that sessions of different sets share.
//!
//! - **Exact**: every update happens under the lock of its set ([`lock`]), whoever makes it.
//! - **Bounded**: full is never an error. In a full set the new session takes the place of one that
//!   is idle, else of a provisional one (one request, not confirmed by the application), else of the
//!   least recently used; of a client that has more than its share of the set, its own ([`set`]).
//! - **Crash-proof**: a lock tells its holder, a dead holder is recognised ([`owner`]), and what it
//!   left half done is at most one session. Nobody waits for longer than [`LOCK_WAIT`].
//! - **Not foreseeable**: the place of a session depends on a random key in the zone.
//!
//! # Rules of this folder, the engine's only one with `unsafe`
//!
//! Nothing in the memory is a pointer, and nothing is trusted to be in range. What two processes may
//! touch is an atomic. Critical sections allocate, log, panic and call back never, and no thread
//! holds two locks. `tests/table_loom.rs` runs every interleaving of the lock, `table/tests/killing.rs`
//! kills workers by the hundred.

mod atomics;
mod bytes;
pub mod denylist;
mod entry;
mod handle;
mod hash;
mod layout;
mod lock;
mod order;
mod owner;
mod record_queue;
mod region;
mod set;
mod shared_config;
mod snapshot;
mod stats;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

use std::ptr::NonNull;
use std::sync::atomic::Ordering;

use siphasher::sip::SipHasher13;

use api_sessions_protocol::SessionId;

pub use denylist::{DenyError, Denylist, DenylistStats, DenylistWriter, EntryOrigin, Synced};
pub use handle::{LOCK_WAIT, TableHandle};
pub use owner::MAX_SLOTS;
pub use record_queue::{
    Consumer, Counters, Producer, PushError, QueueHandle, QueueStats, RecordQueue,
};
pub use region::{Attached, MIN_BYTES, TableError};
pub use shared_config::{PublishError, SharedConfig};
pub use snapshot::{ROLE_BYTES, RequestEnd, RequestStart, SessionCounters, Snapshot, TEXT_BYTES};
pub use stats::TableStats;

use layout::{Owner, Set};
use region::Region;
use set::{Client, Place};

/// How far a session's second way is from its first: any number without a common divisor with the ways.
const FAR: u64 = 7;

/// Times a reader tries to find a set at rest.
const READ_TRIES: u32 = 1000;

/// The session table: a handle to a zone that all workers share.
#[derive(Clone, Copy)]
pub struct SessionTable {
    region: Region,
    hash_key: [u64; 2],
}

impl SessionTable {
    /// Makes a table of zeroed memory, or takes over the one that is there. `inactive_ms` is the
    /// idle time after which a session begins anew; it may differ from that of the last time.
    /// Memory beyond the header is not touched.
    ///
    /// For the master, while it reads the configuration: workers inherit the handle.
    ///
    /// # Errors
    /// Where the memory cannot be a table, or is one of another length or version.
    ///
    /// # Safety
    /// `base` to `base + len` is memory that is all zero or was initialised by this function, is
    /// mapped for as long as any handle lives, in all processes that use it at the same address (they
    /// are forked), and is used by nothing else. No two processes attach to zeroed memory at once.
    pub unsafe fn attach(
        base: NonNull<u8>,
        len: usize,
        inactive_ms: u64,
    ) -> Result<(Self, Attached), TableError> {
        // SAFETY: the same contract.
        let (region, attached) = unsafe { Region::attach(base, len, inactive_ms)? };
        let key = |word: usize| region.header().hash_key[word].load(Ordering::Relaxed);
        let hash_key = [key(0), key(1)];
        Ok((Self { region, hash_key }, attached))
    }

    /// A worker begins: after fork, with its `ngx_process_slot` and process id. Repairs what the
    /// slot's last process left locked.
    pub fn join(&self, slot: u16, pid: u32) -> TableHandle {
        TableHandle::join(*self, slot, pid)
    }

    /// 32 random bytes, made with the zone: the secret of ids where none is configured.
    pub fn zone_secret(&self) -> &[u8; 32] {
        &self.region.header().secret
    }

    /// Counters over all workers.
    pub fn stats(&self) -> TableStats {
        let counters = self.region.owners().iter().map(|owner| &owner.counters);
        TableStats::sum(self.region.capacity(), counters)
    }

    /// Reads a session without a lock. `None`: there is none, or its set never came to rest.
    pub fn get(&self, id: SessionId, now_ms: u64) -> Option<Snapshot> {
        let place = self.place(&id);
        let set = self.set(place.set)?;
        let inactive_ms = self.inactive_ms();
        set.head.lock.read(READ_TRIES, || set.peek(&place, now_ms, inactive_ms))?
    }

    /// The hash by which the table knows an application or a user, under the zone's key: never 0
    /// except for the empty text.
    pub fn text_hash(&self, text: &[u8]) -> u64 {
        if text.is_empty() { 0 } else { self.hash(text).max(1) }
    }

    #[inline]
    fn hash(&self, bytes: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.hash_key[0], self.hash_key[1]).hash(bytes)
    }

    #[inline]
    fn place(&self, id: &SessionId) -> Place {
        let id = entry::id_words(id);
        let hash = hash::hash(id, self.hash_key);
        // The high half picks the set, whatever their number; tag and way are of the low half, each
        // of bits of its own.
        let set = ((hash >> 32) * u64::from(self.region.sets())) >> 32;
        let ways = layout::WAYS as u64;
        let way = ((hash >> 16 & 0xffff) * ways) >> 16;
        let second = if way + FAR < ways { way + FAR } else { way + FAR - ways };
        Place { set: set as u32, tag: hash as u8, way: way as u8, second: second as u8, id }
    }

    #[inline]
    fn client(&self, ip: &[u8; 16]) -> Client {
        let network = entry::network(ip);
        let key = self.hash_key;
        let product = u128::from(network ^ key[0]) * u128::from(key[1] | 1);
        Client { network, byte: ((product >> 64) as u64 ^ product as u64) as u8 }
    }

    #[inline]
    fn inactive_ms(&self) -> u64 {
        self.region.header().inactive_ms.load(Ordering::Relaxed)
    }

    #[inline]
    fn set(&self, number: u32) -> Option<&Set> {
        self.region.set(number)
    }

    #[inline]
    fn owner(&self, slot: u16) -> &Owner {
        self.region.owner(slot)
    }
}
