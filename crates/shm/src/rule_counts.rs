//! Rule counts: what a rule over sessions has counted for a subject.
//!
//! A set-associative table of 64-byte entries in a zone shared by all workers: a 64-bit hash under the zone's key, and
//! 56 bytes whose meaning `api-sessions-rules` defines. A full set is never an error: it evicts the least recently used
//! entry and counts the eviction. The lock of a set survives its owner ([`crate::robust_lock`]). An entry that a
//! process was writing when it died is lost, and counted as well.

mod handle;
mod layout;
mod stats;

use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::limits::SET_READ_ATTEMPTS;
use crate::region::{self, AttachError, Attached, Region};
use layout::{CountSet, CountsMemory};

pub use handle::RuleCountsHandle;
pub use layout::MIN_RULE_COUNTS_BYTES;
pub use stats::RuleCountsStats;

/// Content of an entry; a new entry is all zeros.
pub type CountWords = [u64; 7];

/// The counts. Copies refer to the same zone.
#[derive(Clone, Copy)]
pub struct RuleCounts {
    memory: CountsMemory,
    hash_key: [u64; 2],
}

impl RuleCounts {
    /// Creates a table in a zeroed region of at least [`MIN_RULE_COUNTS_BYTES`], or uses the existing one. Touches the
    /// header only.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(region: Region) -> Result<(Self, Attached), AttachError> {
        let (memory, attached) = CountsMemory::attach(region)?;
        let hash_key = region::load(&memory.header().hash_key);
        Ok((Self { memory, hash_key }, attached))
    }

    /// The handle of a worker. Call it after fork(2), with the `ngx_process_slot` and process id.
    pub fn join(&self, slot: u16, pid: u32) -> RuleCountsHandle {
        RuleCountsHandle::join(*self, slot, pid)
    }

    /// Hash of `bytes` under `seed` and the zone's key.
    #[inline]
    pub fn hash(&self, seed: u64, bytes: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_keys(self.hash_key[0], self.hash_key[1]);
        hasher.write(&seed.to_le_bytes());
        hasher.write(bytes);
        hasher.finish()
    }

    /// Reads an entry without a lock. `None`: there is none, or its set changed during every attempt.
    #[inline]
    pub fn read(&self, key: u64) -> Option<CountWords> {
        let key = key.max(1);
        let set = self.set(key)?;
        set.prefetch(key);
        set.lock.read(SET_READ_ATTEMPTS, || set.find(key).map(|way| set.words(way)))?
    }

    /// Metrics of all workers.
    pub fn stats(&self) -> RuleCountsStats {
        self.memory.stats()
    }

    #[inline]
    fn set(&self, key: u64) -> Option<&CountSet> {
        self.memory.set(self.number(key))
    }

    #[inline]
    fn number(&self, key: u64) -> u32 {
        (((key >> 32) * u64::from(self.memory.sets())) >> 32) as u32
    }
}
