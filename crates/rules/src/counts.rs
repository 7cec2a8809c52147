//! Storage of counts: entries of 56 bytes under 64-bit keys.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Content of an entry; a new one is all zeros.
pub type Words = [u64; 7];

/// A table of entries: in shared memory on a node, in ordinary memory in the cloud.
pub trait Counts {
    /// Keyed hash of `bytes` with `seed`.
    fn hash(&self, seed: u64, bytes: &[u8]) -> u64;

    /// Changes an entry, or creates it, at `now_ms` (milliseconds since 1970). The entry is locked during the
    /// call. `change` must not panic or use the table. `None`: the lock is busy.
    fn update<R>(&self, key: u64, now_ms: u64, change: impl FnOnce(&mut Words) -> R) -> Option<R>;

    /// The content of an entry, if it exists.
    fn read(&self, key: u64) -> Option<Words>;
}

/// Counts in memory of one thread, to replay records. Entries are never evicted.
#[derive(Debug, Default)]
pub struct MemoryCounts {
    secret: RandomState,
    entries: RefCell<HashMap<u64, Words>>,
}

impl MemoryCounts {
    /// Number of entries, of 64 bytes each.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Counts for MemoryCounts {
    fn hash(&self, seed: u64, bytes: &[u8]) -> u64 {
        let mut hasher = self.secret.build_hasher();
        hasher.write_u64(seed);
        hasher.write(bytes);
        hasher.finish()
    }

    fn update<R>(&self, key: u64, _now_ms: u64, change: impl FnOnce(&mut Words) -> R) -> Option<R> {
        let mut entries = self.entries.try_borrow_mut().ok()?;
        Some(change(entries.entry(key).or_default()))
    }

    fn read(&self, key: u64) -> Option<Words> {
        self.entries.try_borrow().ok()?.get(&key).copied()
    }
}
