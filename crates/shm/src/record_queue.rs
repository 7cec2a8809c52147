//! The record queue: a ring of bytes for each worker, in shared memory.
//!
//! The event loop writes whole lines, the exporter thread of the same process sends them: one producer,
//! one consumer, no lock, no allocation, no wake-up. A line stays in the ring until the cloud has it.
//! The ring outlives a worker that is killed: another worker's exporter finds it and goes on at the very
//! place, with the same batch under the same name, so that nothing is lost and nothing stored twice.

mod ring;

use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::owner::{Life, MAX_SLOTS, Token};
use super::region::{TableError, fill_random};
use ring::{Ring, RingHeader};

pub use ring::{Consumer, Counters, Producer, PushError};

/// "apiqueu" and a version.
const MAGIC: u64 = u64::from_le_bytes(*b"apiqueu2");

/// Head of the region.
#[repr(C, align(64))]
struct RegionHeader {
    magic: AtomicU64,
    ring_bytes: AtomicU64,
    /// Bytes in the spool, as whoever looked last has found them.
    spool_bytes: AtomicU64,
    /// Who owns and reads rings: [`Token`]s name one of these.
    lives: [Life; MAX_SLOTS as usize],
}

/// All rings. A handle is an address; copies are the same region.
#[derive(Clone, Copy)]
pub struct RecordQueue {
    base: NonNull<u8>,
    rings: usize,
    ring_bytes: usize,
}

// SAFETY: all access goes through atomics; ring bytes are handed over by `head` and `tail`.
unsafe impl Send for RecordQueue {}
// SAFETY: as above.
unsafe impl Sync for RecordQueue {}

/// The queue's figures, added up over all rings since the region was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Bytes that wait in memory to be sent.
    pub used: u64,
    /// Bytes there is room for, in the rings of living workers and of those that left something.
    pub capacity: u64,
    /// Records that were queued.
    pub queued: u64,
    /// Records that the cloud has.
    pub sent: u64,
    /// Bytes of those, before compression.
    pub sent_bytes: u64,
    /// Records that were dropped since the queue was full.
    pub dropped_full: u64,
    /// Records that were dropped since they were longer than the queue.
    pub dropped_too_long: u64,
    /// Records that the cloud refused for good.
    pub refused: u64,
    /// Attempts that failed and were repeated.
    pub retries: u64,
    /// Bytes on disk that wait to be sent.
    pub spool_bytes: u64,
    /// Records that were written to the spool.
    pub spooled: u64,
    /// Spooled records that made room for newer ones.
    pub dropped_spool_full: u64,
    /// Spooled records that were damaged on disk.
    pub dropped_damaged: u64,
    /// Attempts to write to the spool that failed.
    pub spool_errors: u64,
}

impl QueueStats {
    /// Records that were lost, for whatever reason.
    pub fn dropped(&self) -> u64 {
        self.dropped_full
            + self.dropped_too_long
            + self.refused
            + self.dropped_spool_full
            + self.dropped_damaged
    }
}

impl RecordQueue {
    /// Bytes of a region of that many rings.
    pub const fn bytes(rings: usize, ring_bytes: usize) -> usize {
        size_of::<RegionHeader>()
            + rings * (size_of::<RingHeader>() + ring_bytes.next_multiple_of(64))
    }

    /// Makes a region of memory that is all zero, or finds the one that is there.
    ///
    /// # Safety
    /// As [`super::SessionTable::attach`].
    ///
    /// # Errors
    /// Too little memory for one ring, or a region with rings of another size.
    pub unsafe fn attach(
        base: NonNull<u8>,
        len: usize,
        ring_bytes: usize,
    ) -> Result<Self, TableError> {
        let ring_bytes = ring_bytes.next_multiple_of(64);
        let one = size_of::<RingHeader>() + ring_bytes;
        let rings = len.saturating_sub(size_of::<RegionHeader>()) / one;
        if rings == 0 {
            return Err(TableError::TooSmall { given: len, needed: Self::bytes(1, ring_bytes) });
        }
        let region = Self { base, rings, ring_bytes };
        // SAFETY: the length was checked; the header is all atomics.
        let header = unsafe { base.cast::<RegionHeader>().as_ref() };
        match header.magic.load(Acquire) {
            MAGIC if header.ring_bytes.load(Relaxed) == ring_bytes as u64 => Ok(region),
            0 => {
                header.ring_bytes.store(ring_bytes as u64, Relaxed);
                header.magic.store(MAGIC, Release);
                Ok(region)
            }
            _ => Err(TableError::OtherLayout { found: 0, expected: 1 }),
        }
    }

    /// A hand for the calling process, after fork, with its `ngx_process_slot` and process id.
    pub fn join(&self, slot: u16, pid: u32) -> QueueHandle {
        let lives = &self.header().lives;
        let slot = slot % MAX_SLOTS;
        QueueHandle { region: *self, token: lives[usize::from(slot)].begin(slot, pid) }
    }

    /// Bytes in the spool, told by an exporter.
    pub fn set_spool_bytes(&self, bytes: u64) {
        self.header().spool_bytes.store(bytes, Relaxed);
    }

    /// Records and bytes that wait in rings: what is lost where nginx ends for good.
    pub fn waiting(&self) -> (u64, u64) {
        (0..self.rings)
            .map(|index| self.ring(index))
            .filter(|ring| ring.header().owner.load(Acquire) != 0)
            .map(|ring| ring.waiting())
            .fold((0, 0), |(records, bytes), (more, longer)| (records + more, bytes + longer))
    }

    /// What waits in all rings.
    pub fn stats(&self) -> QueueStats {
        let spool_bytes = self.header().spool_bytes.load(Relaxed);
        let mut stats = QueueStats { spool_bytes, ..QueueStats::default() };
        for index in 0..self.rings {
            let ring = self.ring(index);
            let header = ring.header();
            stats.queued += header.writer.queued.load(Relaxed);
            stats.sent += header.sent.load(Relaxed);
            stats.sent_bytes += header.sent_bytes.load(Relaxed);
            stats.dropped_full += header.writer.dropped_full.load(Relaxed);
            stats.dropped_too_long += header.writer.dropped_too_long.load(Relaxed);
            stats.refused += header.refused.load(Relaxed);
            stats.retries += header.retries.load(Relaxed);
            stats.spooled += header.spooled.load(Relaxed);
            stats.dropped_spool_full += header.dropped_spool_full.load(Relaxed);
            stats.dropped_damaged += header.dropped_damaged.load(Relaxed);
            stats.spool_errors += header.spool_errors.load(Relaxed);
            if header.owner.load(Relaxed) != 0 {
                let used = header.writer.head.load(Relaxed).wrapping_sub(header.tail.load(Relaxed));
                stats.used += used.min(self.ring_bytes as u64);
                stats.capacity += self.ring_bytes as u64;
            }
        }
        stats
    }

    fn header(&self) -> &RegionHeader {
        // SAFETY: `attach` checked the length; the header is all atomics.
        unsafe { self.base.cast::<RegionHeader>().as_ref() }
    }

    fn ring(&self, index: usize) -> Ring {
        let stride = size_of::<RingHeader>() + self.ring_bytes;
        // SAFETY: `index < rings`, and `attach` counted the rings that fit.
        let base = unsafe { self.base.add(size_of::<RegionHeader>() + index * stride) };
        Ring::new(base, self.ring_bytes)
    }
}

/// A process' hand on the region.
#[derive(Clone, Copy)]
pub struct QueueHandle {
    region: RecordQueue,
    token: Token,
}

impl QueueHandle {
    /// The region.
    pub fn region(&self) -> RecordQueue {
        self.region
    }

    /// A free ring: the event loop's end of it, and the exporter's. `None` where all are taken, by
    /// workers of former generations that still drain.
    pub fn claim(&self) -> Option<(Producer, Consumer)> {
        let mut life = [0; 8];
        fill_random(&mut life).ok()?;
        let life = u64::from_le_bytes(life);
        (0..self.region.rings).find_map(|index| {
            let ring = self.region.ring(index);
            let header = ring.header();
            // A ring that still holds records of a dead worker is left to be adopted.
            if header.owner.load(Acquire) != 0
                || header.owner.compare_exchange(0, self.token.0, AcqRel, Relaxed).is_err()
            {
                return None;
            }
            // Dying here leaves an empty ring behind, for others to adopt.
            header.life.store(life, Relaxed);
            header.reader.store(self.token.0, Release);
            Some(ring.ends())
        })
    }

    /// The rings of workers that died, now read by this process. Each is given back, for
    /// [`QueueHandle::claim`], by [`Consumer::release`] once it is empty.
    pub fn adopt(&self) -> Vec<Consumer> {
        let me = self.token.0;
        let orphan = |ring: &Ring| {
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
        (0..self.region.rings)
            .map(|index| self.region.ring(index))
            .filter(orphan)
            .map(|ring| ring.ends().1)
            .collect()
    }

    /// Its slot has another life, or its process is gone. Nobody (0) is dead.
    fn is_dead(&self, token: u32) -> bool {
        let token = Token(token);
        let life = self.region.header().lives.get(usize::from(token.slot()));
        token.0 == 0 || life.is_some_and(|life| life.is_over(token, true))
    }
}

#[cfg(test)]
mod tests;
