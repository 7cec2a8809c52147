//! The record queue: a ring of bytes for each worker, in shared memory.
//!
//! The event loop writes whole lines and the exporter thread of the same process sends them: one producer, one
//! consumer, no lock, no allocation, no wake-up. A line stays in the ring until the receiver or the spool has it. The
//! ring of a killed worker survives: another worker's exporter adopts it and continues at the same position, with the
//! same batch under the same name, so nothing is lost and nothing is stored twice.

mod ring;
mod stats;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use crate::process::{OwnerId, ProcessSlots};
use crate::region::{AttachError, Attached, Header, Memory, Region, RegionHeader, Shared};
use ring::{Ring, RingHeader};

pub use ring::{Consumer, ExportCounters, Producer, PushError};
pub use stats::QueueStats;

/// Start of the region.
#[repr(C, align(64))]
struct QueueHeader {
    region: RegionHeader,
    ring_bytes: AtomicU64,
    /// Bytes in the spool, as last reported by an exporter.
    spool_bytes: AtomicU64,
    /// Processes that own or read rings.
    processes: ProcessSlots,
}

// SAFETY: atomics only, aligned to 64 bytes.
unsafe impl Shared for QueueHeader {}

impl Header for QueueHeader {
    const MAGIC: u64 = u64::from_be_bytes(*b"apiqueu\x01");
    const VERSION: u16 = 3;
    const COUNTERS: u16 = ring::COUNTERS;

    fn region(&self) -> &RegionHeader {
        &self.region
    }
}

/// The rings of all workers. Copies refer to the same region.
#[derive(Clone, Copy)]
pub struct RecordQueue {
    memory: Memory,
    rings: usize,
    ring_bytes: usize,
}

impl RecordQueue {
    /// Bytes of a region for `rings` rings of `ring_bytes`.
    pub const fn bytes(rings: usize, ring_bytes: usize) -> usize {
        size_of::<QueueHeader>()
            + rings * (size_of::<RingHeader>() + ring_bytes.next_multiple_of(64))
    }

    /// Creates a queue with as many rings as fit in a zeroed region, or uses the existing queue.
    ///
    /// # Errors
    /// See [`AttachError`]; [`AttachError::OtherSize`] also for an existing queue with rings of another size.
    pub fn attach(region: Region, ring_bytes: usize) -> Result<(Self, Attached), AttachError> {
        let ring_bytes = ring_bytes.next_multiple_of(64);
        let given = ring_bytes as u64;
        let one = size_of::<RingHeader>() + ring_bytes;
        let rings = region.len().saturating_sub(size_of::<QueueHeader>()) / one;
        let (memory, attached) =
            region.attach(Self::bytes(1, ring_bytes), |header: &QueueHeader| {
                header.ring_bytes.store(given, Relaxed);
                Ok(())
            })?;
        let queue = Self { memory, rings, ring_bytes };
        let found = queue.header().ring_bytes.load(Relaxed);
        if found != given {
            return Err(AttachError::OtherSize { found, given });
        }
        Ok((queue, attached))
    }

    /// The handle of a process. Call it after fork(2), with the `ngx_process_slot` and process id.
    pub fn join(&self, slot: u16, pid: u32) -> QueueHandle {
        QueueHandle { queue: *self, owner: self.header().processes.register(slot, pid) }
    }

    /// Reports the bytes in the spool, which only exporters know.
    pub fn set_spool_bytes(&self, bytes: u64) {
        self.header().spool_bytes.store(bytes, Relaxed);
    }

    /// Records and bytes in the rings: what is lost if NGINX stops for good.
    pub fn waiting(&self) -> (u64, u64) {
        (0..self.rings)
            .map(|index| self.ring(index))
            .filter(|ring| ring.header().owner.load(Acquire) != 0)
            .map(|ring| ring.waiting())
            .fold((0, 0), |(records, bytes), (more, longer)| (records + more, bytes + longer))
    }

    /// Whether any process owns a ring, or has left one that is not empty.
    pub fn is_in_use(&self) -> bool {
        (0..self.rings).any(|index| self.ring(index).header().owner.load(Acquire) != 0)
    }

    /// Metrics of several queues taken together; the spool is that of the first.
    pub fn stats_of(queues: impl Iterator<Item = Self>) -> QueueStats {
        queues.map(|queue| queue.stats()).reduce(QueueStats::with).unwrap_or_default()
    }

    /// Metrics of all rings.
    pub fn stats(&self) -> QueueStats {
        let spool_bytes = self.header().spool_bytes.load(Relaxed);
        let mut stats = QueueStats { spool_bytes, ..QueueStats::default() };
        for index in 0..self.rings {
            let ring = self.ring(index);
            let header = ring.header();
            stats.add_ring(&header.producer.counters, &header.counters);
            if header.owner.load(Relaxed) != 0 {
                let head = header.producer.head.load(Relaxed);
                let used = head.wrapping_sub(header.tail.load(Relaxed));
                stats.used += used.min(self.ring_bytes as u64);
                stats.capacity += self.ring_bytes as u64;
            }
        }
        stats
    }

    fn header(&self) -> &QueueHeader {
        // SAFETY: the region is long enough and starts with the header.
        unsafe { self.memory.get(0) }
    }

    fn ring(&self, index: usize) -> Ring {
        let stride = size_of::<RingHeader>() + self.ring_bytes;
        // SAFETY: `index` is below the number of rings that fit in the region.
        unsafe {
            Ring::new(self.memory, size_of::<QueueHeader>() + index * stride, self.ring_bytes)
        }
    }
}

/// A process's access to the queue.
#[derive(Clone, Copy)]
pub struct QueueHandle {
    queue: RecordQueue,
    owner: OwnerId,
}

impl QueueHandle {
    /// The queue.
    pub fn queue(&self) -> RecordQueue {
        self.queue
    }

    /// Claims a free ring: one end for the event loop, one for the exporter. `None`: all rings are taken, by workers of
    /// earlier generations that still drain them, or there is no random number.
    pub fn claim(&self) -> Option<(Producer, Consumer)> {
        let stream = getrandom::u64().ok()?;
        let me = self.owner.word();
        (0..self.queue.rings).find_map(|index| {
            let ring = self.queue.ring(index);
            let header = ring.header();
            // A ring with records of a dead worker still has an owner and is left for adoption.
            if header.owner.load(Acquire) != 0
                || header.owner.compare_exchange(0, me, AcqRel, Relaxed).is_err()
            {
                return None;
            }
            // A process that dies here leaves an empty ring, which another one adopts and releases.
            header.stream.store(stream, Relaxed);
            header.reader.store(me, Release);
            Some(ring.split())
        })
    }

    /// The rings of dead workers, which this process reads from now on. Once a ring is empty, [`Consumer::release`]
    /// frees it for [`QueueHandle::claim`].
    pub fn adopt(&self) -> Vec<Consumer> {
        let me = self.owner.word();
        let is_orphan = |ring: &Ring| {
            let header = ring.header();
            let reader = header.reader.load(Acquire);
            let owner = header.owner.load(Acquire);
            owner != 0
                && owner != me
                && reader != me
                && self.is_dead(owner)
                && self.is_dead(reader)
                && header.reader.compare_exchange(reader, me, AcqRel, Relaxed).is_ok()
        };
        (0..self.queue.rings)
            .map(|index| self.queue.ring(index))
            .filter(is_orphan)
            .map(|ring| ring.split().1)
            .collect()
    }

    /// Whether the owner's slot was reused or its process is gone. No owner (0) counts as dead.
    fn is_dead(&self, owner: u32) -> bool {
        let processes = &self.queue.header().processes;
        OwnerId::from_word(owner).is_none_or(|owner| processes.of(owner).is_dead(owner, true))
    }
}
