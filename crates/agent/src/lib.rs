//! The node without NGINX: what can be run, tested and fuzzed without a server.
//!
//! [`session`] resolves a request's values to a session id, [`record`] writes one line of JSON,
//! [`export`] carries lines to the cloud, and [`remote_config`] takes the denylist and keys from it.
#![forbid(unsafe_code)]

pub mod export;
pub mod record;
mod redact;
pub mod remote_config;
pub mod session;
mod stop;

pub use stop::{Stop, Stopped, stop_channel};
