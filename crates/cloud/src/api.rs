//! The query API, one file per resource. [`crate::routes`] maps paths to handlers.

pub mod csv;
pub mod denylist;
pub mod facets;
pub mod openapi;
pub mod operation;
pub mod parameters;
pub mod query;
pub mod requests;
pub mod sessions;
