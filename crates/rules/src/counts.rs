//! Where counts are kept: entries of 56 bytes under 64-bit keys.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// What an entry holds; all zeros are a new one.
pub type Words = [u64; 7];

/// A table of entries: shared memory on a node, ordinary memory in the cloud.
pub trait Counts {
    /// Hash of `bytes` under `seed` and a secret.
    fn hash(&self, seed: u64, bytes: &[u8]) -> u64;

    /// Changes an entry, which is made where there is none, at `now_ms` (milliseconds since 1970). Nobody else changes
    /// it during the call. `change` must not panic or use the table. Returns `None` if the lock is busy.
    fn update<R>(&self, key: u64, now_ms: u64, change: impl FnOnce(&mut Words) -> R) -> Option<R>;

    /// An entry, if it is there.
    fn read(&self, key: u64) -> Option<Words>;
}

/// Counts in memory of this thread, for replaying records. Nothing is ever evicted.
#[derive(Debug, Default)]
pub struct MemoryCounts {
    secret: RandomState,
    entries: RefCell<HashMap<u64, Words>>,
}

impl MemoryCounts {
    /// How many entries there are, of 64 bytes each.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Whether nothing was counted.
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
