//! Everything that touches NGINX's memory, behind safe or clearly marked wrappers.
//!
//! The rest of the module speaks of requests, headers, zones and timers in these types. All of it
//! runs on one thread, the event loop of a worker (or the master while it reads configuration).

pub(crate) mod body;
pub(crate) mod body_file;
pub(crate) mod catch_unwind;
pub(crate) mod conf;
pub(crate) mod context;
pub(crate) mod evaluation;
pub(crate) mod filter;
pub(crate) mod handler;
pub(crate) mod headers;
pub(crate) mod log;
pub(crate) mod open_requests;
pub(crate) mod peek;
pub(crate) mod phase;
pub(crate) mod process;
pub(crate) mod process_local;
pub(crate) mod request;
pub(crate) mod request_id;
pub(crate) mod response;
pub(crate) mod shared;
pub(crate) mod thread;
pub(crate) mod timer;
pub(crate) mod variable;
pub(crate) mod variable_index;
pub(crate) mod worker_user;
pub(crate) mod zone;
