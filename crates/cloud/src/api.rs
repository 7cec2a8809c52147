//! The HTTP API, one file a resource. [`crate::router`] says which path leads where.

pub mod denylist;
pub mod nodes;
pub mod openapi;
pub mod operation;
pub mod parameters;
pub mod query;
pub mod records;
pub mod requests;
pub mod sessions;
pub mod sync;
