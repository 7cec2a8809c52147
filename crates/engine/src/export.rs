//! From a worker's queue to the cloud.
//!
//! One thread in each worker takes lines off the queue in batches and posts them. It owns all network
//! input and output, knows nothing of NGINX, and never logs: it leaves [`Note`]s, which the event loop
//! writes to the error log.

mod backoff;
mod client;
mod exporter;
mod note;
mod settings;

pub use exporter::Exporter;
pub use note::{Note, Notes, Severity, notes};
pub use settings::{BadUrl, Endpoint, Settings};
