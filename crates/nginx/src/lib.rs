//! Everything that touches NGINX's memory, behind safe or clearly marked wrappers.
//!
//! The module speaks of requests, headers, zones and timers in these types. All of it runs on one thread, the event
//! loop of a worker (or the master while it reads configuration).
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod body;
pub mod body_file;
pub mod catch_unwind;
pub mod conf;
pub mod context;
pub mod evaluation;
pub mod filter;
pub mod handler;
pub mod headers;
mod layout;
pub mod log;
pub mod open_requests;
pub mod peek;
pub mod phase;
pub mod process;
pub mod process_local;
pub mod request;
mod request_bits;
pub mod request_id;
pub mod response;
pub mod shared;
pub mod thread;
pub mod timer;
pub mod tls;
pub mod variable;
pub mod variable_index;
pub mod worker_user;
pub mod zone;
