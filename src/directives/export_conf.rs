//! The settings of `api_sessions_export`.

use api_sessions_agent::export::ExportSettings;

/// Where records go, and how.
pub(crate) struct ExportConf {
    /// Settings of an exporter thread.
    pub(crate) settings: ExportSettings,
    /// Bytes of memory for the records of one worker.
    pub(crate) queue: usize,
    /// Denylist, keys, parameters and rules are polled from there (`sync=on`).
    pub(crate) sync: bool,
}
