//! Shared memory within one process, for tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::{Denylist, Links, Mailbox, RecordQueue, Region, RuleCounts, SharedConfig};

/// A zeroed region that is never freed.
fn region(len: usize) -> Region {
    Region::of_process(len).expect("memory")
}

/// An empty record queue.
pub fn record_queue(rings: usize, ring_bytes: usize) -> RecordQueue {
    let region = region(RecordQueue::bytes(rings, ring_bytes));
    RecordQueue::attach(region, ring_bytes).expect("a queue").0
}

/// An empty shared configuration.
pub fn shared_config(capacity: usize) -> SharedConfig {
    SharedConfig::attach(region(SharedConfig::bytes(capacity))).expect("a configuration").0
}

/// An empty mailbox with a ring of `len` bytes.
pub fn mailbox(len: usize) -> Mailbox {
    Mailbox::attach(region(Mailbox::bytes(len))).expect("a mailbox").0
}

/// An empty denylist.
pub fn denylist(len: usize) -> Denylist {
    Denylist::attach(region(len)).expect("a denylist").0
}

/// Empty links.
pub fn links(len: usize) -> Links {
    Links::attach(region(len), 86_400).expect("links").0
}

/// Empty counts of rules.
pub fn rule_counts(len: usize) -> RuleCounts {
    RuleCounts::attach(region(len)).expect("counts").0
}

/// Few cases under Miri, which is slow. It has no files to persist failures in, either.
#[cfg(test)]
pub(crate) fn proptest_config() -> proptest::prelude::ProptestConfig {
    let cases = if cfg!(miri) { 3 } else { 256 };
    proptest::prelude::ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}
