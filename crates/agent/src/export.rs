//! From a worker's queue to the cloud.
//!
//! One thread in each worker takes lines off the queue in batches; a second one, the courier, posts
//! them, so that a slow cloud never keeps the first from looking after the queue. What cannot be sent
//! goes to the spool, if there is one. Neither knows anything of NGINX, and neither logs: they leave
//! [`Note`]s, which the event loop writes to the error log.

mod backoff;
mod client;
mod courier;
mod exporter;
mod lane;
mod mailbox;
mod note;
mod settings;
mod spool;

pub(crate) use backoff::Backoff;
pub(crate) use client::agent;
pub use exporter::Exporter;
pub use mailbox::{Mailbox, Stop, mailbox};
pub use note::{Note, Notes, Severity, notes};
pub use settings::{BadUrl, Endpoint, Settings};
pub use spool::SpoolSettings;
