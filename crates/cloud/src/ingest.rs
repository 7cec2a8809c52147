//! From the bytes of a batch to requests that can be stored.

pub mod batch;
pub mod body;
pub mod room;
