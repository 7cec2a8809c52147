//! From a worker's queue to the cloud.
//!
//! One thread in each worker takes lines off the queue in batches; a second one, the uplink, posts them, so that a slow
//! cloud never keeps the first from its queue. Batches that cannot be sent go to the spool, if there is one. Neither
//! thread knows about NGINX, and neither logs: they send [`LogEvent`]s, which the event loop writes to the error log.

mod backoff;
mod batch_source;
mod client;
mod credentials;
mod delivered;
mod exporter;
mod log_event;
mod pressure;
mod settings;
mod spool;
mod uplink;

pub(crate) use backoff::Backoff;
pub use client::check_certificates;
pub(crate) use client::{agent, answered, explain};
pub use credentials::{parse_headers, parse_token};
pub use exporter::Exporter;
pub use log_event::{LogEvent, LogSender, Severity, log_channel};
pub use pressure::{ThreadPriority, ThreadRole};
pub use settings::{BadHeader, BadUrl, Endpoint, ExportHeader, ExportSettings};
pub use spool::{SpoolSettings, is_spool_file};
