//! Ingest: from the bytes of a batch to stored requests.

pub mod baseline;
pub mod batch;
pub mod body;
pub mod cut_batches;
pub mod key_facts;
mod location;
pub mod memory_budget;
pub mod records;
