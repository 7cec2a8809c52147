//! Adapter from this worker's handle on the counts to the trait of rules.

use api_sessions_rules::{Counts, Words};
use api_sessions_shm::RuleCountsHandle;

pub(super) struct NodeCounts<'c>(pub(super) &'c RuleCountsHandle);

impl Counts for NodeCounts<'_> {
    #[inline]
    fn hash(&self, seed: u64, bytes: &[u8]) -> u64 {
        self.0.counts().hash(seed, bytes)
    }

    #[inline]
    fn update<R>(&self, key: u64, now_ms: u64, change: impl FnOnce(&mut Words) -> R) -> Option<R> {
        self.0.update(key, now_ms, change)
    }

    #[inline]
    fn read(&self, key: u64) -> Option<Words> {
        self.0.counts().read(key)
    }
}
