//! The atomics of the lock protocol, in one place: the model checker (`tests/table_loom.rs`) compiles
//! `lock.rs` once more with its own.

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicU32, Ordering, fence};
