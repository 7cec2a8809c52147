//! The settings of `api_sessions_export`.

use std::time::Duration;

use api_sessions_agent::export::{Endpoint, ExportHeader, ExportSettings, SpoolSettings};

/// Where records go, and how.
pub(crate) struct ExportConf {
    pub(crate) endpoint: Endpoint,
    pub(crate) token: Option<String>,
    pub(crate) headers: Vec<ExportHeader>,
    pub(crate) node: String,
    /// Bytes of memory for the records of one worker.
    pub(crate) queue: usize,
    pub(crate) flush_ms: u64,
    /// Bytes of one batch, before compression.
    pub(crate) batch: usize,
    pub(crate) gzip: bool,
    pub(crate) timeout_ms: u64,
    /// PEM certificates to trust instead of the system's.
    pub(crate) ca_pem: Option<Vec<u8>>,
    pub(crate) shutdown_ms: u64,
    pub(crate) spool: Option<SpoolSettings>,
    /// Denylist, keys, parameters and rules are polled from there (`sync=on`).
    pub(crate) sync: bool,
}

impl ExportConf {
    /// The settings of an exporter thread.
    pub(crate) fn settings(&self) -> ExportSettings {
        ExportSettings {
            endpoint: self.endpoint.clone(),
            token: self.token.clone(),
            headers: self.headers.clone(),
            node: self.node.clone(),
            flush: Duration::from_millis(self.flush_ms),
            batch: self.batch,
            gzip: self.gzip,
            timeout: Duration::from_millis(self.timeout_ms),
            ca_pem: self.ca_pem.clone(),
            shutdown: Duration::from_millis(self.shutdown_ms),
            spool: self.spool.clone(),
        }
    }
}
