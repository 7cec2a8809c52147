//! Counts of rules over sessions: what a rule has counted of a subject.
//!
//! A set-associative table of 64-byte entries in a zone that all workers share: a 64-bit hash under the zone's key,
//! and 56 bytes that `api-sessions-rules` gives their meaning. A full set is never an error: the entry goes that was
//! not used for longest, and that is counted. The lock of a set survives its owner ([`crate::robust_lock`]); an entry
//! that was being written by a process that died is lost, and counted too.

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

/// The content of an entry; all zeros are a new one.
pub type CountWords = [u64; 7];

/// The counts. Copies refer to the same zone.
#[derive(Clone, Copy)]
pub struct RuleCounts {
    memory: CountsMemory,
    hash_key: [u64; 2],
}

impl RuleCounts {
    /// Creates a table in a zeroed region of at least [`MIN_RULE_COUNTS_BYTES`], or uses the one that is there.
    /// Touches the header only.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(region: Region) -> Result<(Self, Attached), AttachError> {
        let (memory, attached) = CountsMemory::attach(region)?;
        let hash_key = region::load(&memory.header().hash_key);
        Ok((Self { memory, hash_key }, attached))
    }

    /// The handle of a worker: after fork, with its `ngx_process_slot` and process id.
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

    /// Reads an entry without a lock. `None`: there is none, or every attempt met a change of its set.
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
