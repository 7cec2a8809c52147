//! Laying the engine's structures over zones.

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;

use api_sessions_extract::MAX_PARAMETERS_BYTES;
use api_sessions_shm::{Denylist, RecordQueue, SessionTable, SharedConfig};
use ngx::ffi::ngx_ncpu;

use super::zone::{Region, overhead};

/// Generations of workers that can have a ring each at the same time.
const GENERATIONS: usize = 3;

/// The session table in a zone.
pub(crate) fn table(region: Region, inactive_ms: u64) -> Result<SessionTable, String> {
    // SAFETY: a zone's memory is zero when new, page-aligned, mapped as long as a process that has the
    // handle from the configuration, and attached to by the master alone.
    unsafe { SessionTable::attach(region.base, region.len, inactive_ms) }
        .map(|(table, _)| table)
        .map_err(|error| error.to_string())
}

/// The denylist in a zone.
pub(crate) fn denylist(region: Region) -> Result<Denylist, String> {
    // SAFETY: as above.
    unsafe { Denylist::attach(region.base, region.len) }
        .map(|(denylist, _)| denylist)
        .map_err(|error| error.to_string())
}

/// The record queue in a zone.
pub(crate) fn queue(region: Region, ring_bytes: usize) -> Result<RecordQueue, String> {
    // SAFETY: as above.
    unsafe { RecordQueue::attach(region.base, region.len, ring_bytes) }.map_err(|e| e.to_string())
}

/// The cloud's settings in a zone.
pub(crate) fn settings(region: Region) -> Result<SharedConfig, String> {
    // SAFETY: as above.
    unsafe { SharedConfig::attach(region.base, region.len) }.map_err(|error| error.to_string())
}

/// Size of a zone for the cloud's settings.
pub(crate) fn settings_zone_bytes() -> usize {
    let bytes = SharedConfig::bytes(MAX_PARAMETERS_BYTES);
    bytes + overhead(bytes)
}

/// Size of a zone for the queue: a ring for each worker of each generation that may run at once. Memory
/// that no ring uses is never touched.
pub(crate) fn queue_zone_bytes(ring_bytes: usize, workers: Option<usize>) -> usize {
    // SAFETY: set at the start of main().
    let processors = usize::try_from(unsafe { ngx_ncpu }).unwrap_or(1).max(1);
    // `worker_processes` may stand behind the http block, or be "auto".
    // Rounded, so that some more of them do not make another zone of it.
    let workers = workers.unwrap_or(processors).max(processors).next_power_of_two();
    let bytes = RecordQueue::bytes(GENERATIONS * workers + 1, ring_bytes);
    bytes + overhead(bytes)
}

/// A queue of this process alone, never given back: for a worker that finds no free ring, and for
/// single-process mode, where a reload unmaps zones under a running exporter.
pub(crate) fn private_queue(ring_bytes: usize) -> Option<RecordQueue> {
    let len = RecordQueue::bytes(1, ring_bytes);
    let layout = Layout::from_size_align(len, 64).ok()?;
    // SAFETY: the size is not 0.
    let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
    // SAFETY: zeroed, aligned to 64, and never freed.
    unsafe { RecordQueue::attach(base, len, ring_bytes) }.ok()
}
