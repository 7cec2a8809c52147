//! The session table: counters of sessions, in a zone shared by all workers.
//!
//! The table is set-associative. A set is half a page: a head (lock, order of use, one hash byte per session) and
//! fifteen entries of 128 bytes. A megabyte holds 7,680 sessions, an operation touches cache lines of a single page,
//! and sessions of different sets share no lock.
//!
//! - **Exact**: every update happens under the lock of its set ([`crate::robust_lock`]), whichever worker makes it.
//! - **Bounded**: a full set is never an error. The new session replaces an idle one, else a provisional one (one
//!   request, not confirmed by the application), else the least recently used. A client that already holds its share of
//!   the set replaces one of its own sessions ([`set`]).
//! - **Crash-proof**: a lock names its owner, and a dead owner is recognised ([`crate::process`]). Its death damages at
//!   most one session. No worker waits longer than [`crate::SET_LOCK_WAIT`].
//! - **Unpredictable**: the set of a session depends on a random key in the zone.

mod byte_lanes;
mod entry;
mod handle;
pub(crate) mod layout;
mod lru_order;
mod request;
mod set;
mod snapshot;
mod stats;

use std::sync::atomic::Ordering;

use api_sessions_protocol::SessionId;
use siphasher::sip::SipHasher13;

use crate::hash;
use crate::limits::SET_READ_ATTEMPTS;
use crate::region::{self, AttachError, Attached, Region};
use layout::{Set, TableMemory, WAYS, WorkerSlot};
use set::{Client, SlotRef};

pub use handle::TableHandle;
pub use layout::MIN_BYTES;
pub use request::{RequestEnd, RequestStart};
pub use snapshot::{SessionCounters, Snapshot};
pub use stats::{OpenCounts, TableStats};

/// Distance between the two preferred ways of a session; coprime with the number of ways.
const SECOND_WAY: u64 = 7;

/// The session table. Copies refer to the same zone.
#[derive(Clone, Copy)]
pub struct SessionTable {
    memory: TableMemory,
    hash_key: [u64; 2],
}

impl SessionTable {
    /// Creates a table in a zeroed region of at least [`MIN_BYTES`], or uses the existing one. Sets `inactive_ms` as
    /// [`SessionTable::set_inactive_ms`] does. Touches the header only.
    ///
    /// Called in the master, while it reads the configuration; workers inherit the handle.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(region: Region, inactive_ms: u64) -> Result<(Self, Attached), AttachError> {
        let (memory, attached) = TableMemory::attach(region, inactive_ms)?;
        let hash_key = region::load(&memory.header().hash_key);
        Ok((Self { memory, hash_key }, attached))
    }

    /// Sets the idle time, milliseconds, after which a session starts over; takes effect in all processes at once.
    pub fn set_inactive_ms(&self, inactive_ms: u64) {
        self.memory.header().inactive_ms.store(inactive_ms, Ordering::Relaxed);
    }

    /// The handle of a worker. Call it after fork(2), with the `ngx_process_slot` and process id. Repairs the set that
    /// the slot's previous process may have left locked.
    pub fn join(&self, slot: u16, pid: u32) -> TableHandle {
        TableHandle::join(*self, slot, pid)
    }

    /// 32 random bytes, created with the zone: the secret of session ids, unless one is configured.
    pub fn zone_secret(&self) -> [u8; 32] {
        let mut secret = [0; 32];
        let words = region::load(&self.memory.header().secret);
        for (bytes, word) in secret.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_ne_bytes();
        }
        secret
    }

    /// Metrics of all workers.
    pub fn stats(&self) -> TableStats {
        let counters = self.memory.workers().iter().map(|worker| &worker.counters);
        let mut stats = TableStats::sum(self.memory.capacity(), counters);
        stats.unread_syntax = self.memory.header().unread_syntax.load(Ordering::Relaxed);
        for worker in self.memory.workers() {
            let open = worker.open.load(Ordering::Relaxed);
            // A killed worker leaves its last counts behind.
            if open != 0 && worker.process.is_alive() {
                stats.add_open(OpenCounts::from_word(open));
            }
        }
        stats
    }

    /// Reads a session without a lock. `None`: there is none, it is idle, or its set changed during every attempt.
    pub fn get(&self, id: SessionId, now_ms: u64) -> Option<Snapshot> {
        let slot = self.slot(&id);
        let set = self.set(slot.set)?;
        let inactive_ms = self.inactive_ms();
        set.head.lock.read(SET_READ_ATTEMPTS, || set.peek(&slot, now_ms, inactive_ms))?
    }

    /// Hash of an application or user under the key of the zone; 0 only for the empty text.
    pub fn text_hash(&self, text: &[u8]) -> u64 {
        if text.is_empty() { 0 } else { self.hash(text).max(1) }
    }

    #[inline]
    fn hash(&self, bytes: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.hash_key[0], self.hash_key[1]).hash(bytes)
    }

    #[inline]
    pub(crate) fn slot(&self, id: &SessionId) -> SlotRef {
        let id = hash::id_words(id);
        let hash = hash::hash(id, self.hash_key);
        // The high half selects the set, for any number of sets. Tag and way use separate bits of the low half.
        let set = ((hash >> 32) * u64::from(self.memory.sets())) >> 32;
        let ways = WAYS as u64;
        let way = ((hash >> 16 & 0xffff) * ways) >> 16;
        let far = way + SECOND_WAY;
        let second_way = if far < ways { far } else { far - ways };
        SlotRef {
            set: set as u32,
            tag: hash as u8,
            way: way as u8,
            second_way: second_way as u8,
            id,
        }
    }

    #[inline]
    fn client(&self, ip: &[u8; 16]) -> Client {
        let network = entry::network(ip);
        let key = self.hash_key;
        Client { network, byte: hash::fold(network ^ key[0], key[1] | 1) as u8 }
    }

    #[inline]
    fn inactive_ms(&self) -> u64 {
        self.memory.header().inactive_ms.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn set(&self, number: u32) -> Option<&Set> {
        self.memory.set(number)
    }

    #[inline]
    fn worker(&self, slot: u16) -> &WorkerSlot {
        self.memory.worker(slot)
    }

    #[cfg(test)]
    pub(crate) fn sets(&self) -> u32 {
        self.memory.sets()
    }
}
