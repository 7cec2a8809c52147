//! Memory that all workers share: session table, denylist, record queue, mailbox and shared configuration.
//!
//! # Rules
//!
//! Shared memory contains no pointers, and no value read from it is trusted to be in range. Everything that two
//! processes access is atomic, except the bytes of a ring, whose ownership passes with its head and tail positions. A
//! critical section never allocates, logs, panics or calls back, and no thread holds two locks. `tests/loom.rs`
//! explores every interleaving of the lock; `src/tests/killed_workers.rs` kills workers by the hundred.

mod atomics;
mod denylist;
mod hash;
mod holder;
pub mod limits;
mod links;
mod mailbox;
mod metrics;
mod prefetch;
mod process;
mod record_queue;
mod region;
mod robust_lock;
mod rule_counts;
mod session_table;
mod set_lock;
mod shared_config;
mod structures;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use denylist::{
    DenyError, Denylist, DenylistStats, DenylistWriter, EntryOrigin, ReplaceSummary,
};
pub use limits::SET_LOCK_WAIT;
pub use links::{Link, LinkFlags, LinkHandle, LinkKey, LinkStats, Links, MIN_LINK_BYTES};
pub use mailbox::{Mailbox, PostError};
pub use metrics::{Metric, MetricKind};
pub use record_queue::{
    Consumer, ExportCounters, Producer, PushError, QueueHandle, QueueStats, RecordQueue,
};
pub use region::{AttachError, Attached, Region};
pub use rule_counts::{
    CountWords, MIN_RULE_COUNTS_BYTES, RuleCounts, RuleCountsHandle, RuleCountsStats,
};
pub use session_table::{
    MIN_BYTES, OpenCounts, RequestEnd, RequestStart, SessionCounters, SessionTable, Snapshot,
    TableHandle, TableStats,
};
pub use shared_config::{PublishError, SharedConfig};
pub use structures::{MetricGroup, Structures};
