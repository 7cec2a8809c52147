//! The query API, one file per resource. The route table in `api-sessions-cloud` maps paths to handlers.

pub mod changes;
pub mod csv;
pub mod denylist;
mod download;
pub mod endpoints;
pub mod facets;
pub mod facts;
pub mod keys;
pub mod neighbours;
pub mod operation;
pub mod parameters;
pub mod query;
pub mod requests;
pub mod rules;
pub mod sessions;
pub mod users;
