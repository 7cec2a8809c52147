//! Placing shared-memory structures in zones.

use std::alloc::{Layout, alloc_zeroed};
use std::ptr::NonNull;

use api_sessions_extract::limits::MAX_PARAMETERS_BYTES;
use api_sessions_shm::{
    Denylist, Links, Mailbox, RecordQueue, Region, RuleCounts, SessionTable, SharedConfig,
};
use ngx::ffi::ngx_ncpu;

use super::zone::{self, overhead};

/// Generations of workers that may hold rings at the same time.
const GENERATIONS: usize = 3;

/// Converts a zone's memory to the type that the structures take.
fn region(zone: zone::Region) -> Region {
    // SAFETY: a zone's memory is zeroed when new; mapped as long as any process has a handle from the configuration;
    // at the same address in all processes, which are forked; used only by the structure that the zone's tag
    // identifies; and attached to only by the master.
    unsafe { Region::new(zone.base, zone.len) }
}

/// Attaches to the session table in a zone. Sessions expire after `inactive_ms` milliseconds.
pub fn table(zone: zone::Region, inactive_ms: u64) -> Result<SessionTable, String> {
    let attached = SessionTable::attach(region(zone), inactive_ms);
    attached.map(|(table, _)| table).map_err(|error| error.to_string())
}

/// Attaches to the links in a zone. Links expire after `inactive_s` seconds.
pub fn links(zone: zone::Region, inactive_s: u32) -> Result<Links, String> {
    let attached = Links::attach(region(zone), inactive_s);
    attached.map(|(links, _)| links).map_err(|error| error.to_string())
}

/// Attaches to the rule counts in a zone.
pub fn rule_counts(zone: zone::Region) -> Result<RuleCounts, String> {
    let attached = RuleCounts::attach(region(zone));
    attached.map(|(counts, _)| counts).map_err(|error| error.to_string())
}

/// Attaches to the denylist in a zone.
pub fn denylist(zone: zone::Region) -> Result<Denylist, String> {
    let attached = Denylist::attach(region(zone));
    attached.map(|(denylist, _)| denylist).map_err(|error| error.to_string())
}

/// Attaches to the record queue in a zone, with rings of `ring_bytes` bytes.
pub fn queue(zone: zone::Region, ring_bytes: usize) -> Result<RecordQueue, String> {
    let attached = RecordQueue::attach(region(zone), ring_bytes);
    attached.map(|(queue, _)| queue).map_err(|error| error.to_string())
}

/// Attaches to the cloud's settings in a zone.
pub fn settings(zone: zone::Region) -> Result<SharedConfig, String> {
    let attached = SharedConfig::attach(region(zone));
    attached.map(|(settings, _)| settings).map_err(|error| error.to_string())
}

/// Attaches to the mailbox in a zone.
pub fn mailbox(zone: zone::Region) -> Result<Mailbox, String> {
    let attached = Mailbox::attach(region(zone));
    attached.map(|(mailbox, _)| mailbox).map_err(|error| error.to_string())
}

/// Size in bytes of a zone for the cloud's settings.
pub fn settings_zone_bytes() -> usize {
    let bytes = SharedConfig::bytes(MAX_PARAMETERS_BYTES);
    bytes + overhead(bytes)
}

/// Size in bytes of a zone for the queue: a ring for each worker of each generation that may run at once. Unused rings
/// take no physical memory.
pub fn queue_zone_bytes(ring_bytes: usize, workers: Option<usize>) -> usize {
    // SAFETY: set at the start of main().
    let processors = usize::try_from(unsafe { ngx_ncpu }).unwrap_or(1).max(1);
    // `worker_processes` may follow the http block, or be "auto". Rounded up, so that a few more workers do not change
    // the zone's size, which would empty it.
    let workers = workers.unwrap_or(processors).max(processors).next_power_of_two();
    let bytes = RecordQueue::bytes(GENERATIONS * workers + 1, ring_bytes);
    bytes + overhead(bytes)
}

/// A process-private queue, never freed: for a worker that finds no free ring, and for single-process mode, where
/// a reload unmaps zones under a running exporter.
pub fn private_queue(ring_bytes: usize) -> Option<RecordQueue> {
    let len = RecordQueue::bytes(1, ring_bytes);
    let layout = Layout::from_size_align(len, 64).ok()?;
    // SAFETY: the size is not 0.
    let base = NonNull::new(unsafe { alloc_zeroed(layout) })?;
    // SAFETY: zeroed, never freed, and not shared.
    let region = unsafe { Region::new(base, len) };
    RecordQueue::attach(region, ring_bytes).ok().map(|(queue, _)| queue)
}
