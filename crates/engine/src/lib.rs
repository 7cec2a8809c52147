//! The node without NGINX: everything that can be thought, run, tested and fuzzed without a server.
//!
//! A request's way: [`point`]s read values out of an [`point::Exchange`], [`session`] resolves them
//! to a session id, [`table`] counts it in memory that all workers share, [`record`] writes one line
//! of JSON, and [`export`] carries lines to the cloud.
#![deny(unsafe_code)]

pub mod detect;
pub mod export;
pub mod point;
pub mod record;
pub mod session;
pub mod sync;
#[allow(unsafe_code)] // the one room for raw memory; see its own page of rules
pub mod table;
