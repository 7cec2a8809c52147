//! The atomics of [`crate::robust_lock`], which the model checker (`tests/loom.rs`) replaces with its own.

pub(crate) use std::hint::spin_loop;
pub(crate) use std::sync::atomic::{AtomicU32, Ordering, fence};
