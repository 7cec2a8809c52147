//! Export and remote configuration of a node, without NGINX: it can be run, tested and fuzzed without a server.
//!
//! [`record`] writes one line of JSON for a request, [`export`] carries lines to the cloud, and
//! [`remote_config`] takes the denylist and keys from it. Without a cloud, [`key_verdicts`] judges keys.
#![forbid(unsafe_code)]

mod clock;
pub mod export;
pub mod key_verdicts;
pub mod limits;
pub mod record;
pub mod remote_config;
mod stop;

pub use stop::{Stop, Stopped, stop_channel};
