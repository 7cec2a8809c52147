//! Laying the engine's structures over zones.

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;

use api_sessions_extract::MAX_PARAMETERS_BYTES;
use api_sessions_shm::{
    Denylist, Links, RecordQueue, Region, RuleCounts, SessionTable, SharedConfig,
};
use ngx::ffi::ngx_ncpu;

use super::zone::{self, overhead};

/// Generations of workers that can have a ring each at the same time.
const GENERATIONS: usize = 3;

/// The memory of a zone as the structures take it.
fn region(zone: zone::Region) -> Region {
    // SAFETY: a zone's memory is zero when new, mapped as long as any process has a handle from the
    // configuration, at the same address in all of them (they are forked), used by the structure that
    // the zone's tag names and nothing else, and attached to by the master alone.
    unsafe { Region::new(zone.base, zone.len) }
}

/// The session table in a zone.
pub fn table(zone: zone::Region, inactive_ms: u64) -> Result<SessionTable, String> {
    let attached = SessionTable::attach(region(zone), inactive_ms);
    attached.map(|(table, _)| table).map_err(|error| error.to_string())
}

/// The links in a zone.
pub fn links(zone: zone::Region, inactive_s: u32) -> Result<Links, String> {
    let attached = Links::attach(region(zone), inactive_s);
    attached.map(|(links, _)| links).map_err(|error| error.to_string())
}

/// The counts of rules in a zone.
pub fn rule_counts(zone: zone::Region) -> Result<RuleCounts, String> {
    let attached = RuleCounts::attach(region(zone));
    attached.map(|(counts, _)| counts).map_err(|error| error.to_string())
}

/// The denylist in a zone.
pub fn denylist(zone: zone::Region) -> Result<Denylist, String> {
    let attached = Denylist::attach(region(zone));
    attached.map(|(denylist, _)| denylist).map_err(|error| error.to_string())
}

/// The record queue in a zone.
pub fn queue(zone: zone::Region, ring_bytes: usize) -> Result<RecordQueue, String> {
    let attached = RecordQueue::attach(region(zone), ring_bytes);
    attached.map(|(queue, _)| queue).map_err(|error| error.to_string())
}

/// The cloud's settings in a zone.
pub fn settings(zone: zone::Region) -> Result<SharedConfig, String> {
    let attached = SharedConfig::attach(region(zone));
    attached.map(|(settings, _)| settings).map_err(|error| error.to_string())
}

/// Size of a zone for the cloud's settings.
pub fn settings_zone_bytes() -> usize {
    let bytes = SharedConfig::bytes(MAX_PARAMETERS_BYTES);
    bytes + overhead(bytes)
}

/// Size of a zone for the queue: a ring for each worker of each generation that may run at once. Memory
/// that no ring uses is never touched.
pub fn queue_zone_bytes(ring_bytes: usize, workers: Option<usize>) -> usize {
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
pub fn private_queue(ring_bytes: usize) -> Option<RecordQueue> {
    let len = RecordQueue::bytes(1, ring_bytes);
    let layout = Layout::from_size_align(len, 64).ok()?;
    // SAFETY: the size is not 0.
    let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
    // SAFETY: zeroed, never freed, and known to nobody else.
    let region = unsafe { Region::new(base, len) };
    RecordQueue::attach(region, ring_bytes).ok().map(|(queue, _)| queue)
}
