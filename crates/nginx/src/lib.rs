//! Wrappers of NGINX's C API: safe ones, or `unsafe` with the contract documented.
//!
//! Requests, headers, zones and timers. Unless stated otherwise, everything runs on the event-loop thread of a
//! worker, or on the master's only thread while it reads the configuration.

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
mod limits;
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
