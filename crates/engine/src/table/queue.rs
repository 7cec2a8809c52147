//! The record queue: a ring of bytes for each worker, in shared memory.
//!
//! The event loop writes whole lines, the exporter thread of the same process sends them: one producer,
//! one consumer, no lock, no allocation, no wake-up. A line stays in the ring until the cloud has it.
//! The ring outlives a worker that is killed: another worker's exporter finds it and goes on at the very
//! place, with the same batch under the same name, so that nothing is lost and nothing stored twice.

use std::ptr::NonNull;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::owner::process_exists;
use super::region::{TableError, fill_random};
use super::stats::add;

/// "apiqueu" and a version.
const MAGIC: u64 = u64::from_le_bytes(*b"apiqueu1");

/// Head of the region.
#[repr(C, align(64))]
struct RegionHeader {
    magic: AtomicU64,
    ring_bytes: AtomicU64,
}

/// Head of one ring; its bytes follow. Positions count all bytes that ever went through.
#[repr(C, align(64))]
struct RingHeader {
    /// Process that writes; 0 for a free ring.
    owner: AtomicU32,
    /// Process whose exporter reads: the owner, or who adopted the ring after its death.
    reader: AtomicU32,
    /// Random, new with each owner: with a position it names a batch.
    life: AtomicU64,
    /// Read up to here: the cloud has it.
    tail: AtomicU64,
    /// End of the batch that was sent and not yet answered; `tail` if there is none.
    pending: AtomicU64,
    /// Records and bytes that the cloud has, records that it refused, attempts that failed.
    sent: AtomicU64,
    sent_bytes: AtomicU64,
    refused: AtomicU64,
    retries: AtomicU64,
    /// The event loop's part, on a line of its own: it is written all the time.
    writer: Writer,
}

#[repr(C, align(64))]
struct Writer {
    /// Written up to here.
    head: AtomicU64,
    /// Records that were queued, that found no room, that were too long.
    queued: AtomicU64,
    dropped_full: AtomicU64,
    dropped_too_long: AtomicU64,
}

/// All rings. A handle is an address; copies are the same region.
#[derive(Clone, Copy)]
pub struct QueueRegion {
    base: NonNull<u8>,
    rings: usize,
    ring_bytes: usize,
}

// SAFETY: all access goes through atomics; ring bytes are handed over by `head` and `tail`.
unsafe impl Send for QueueRegion {}
// SAFETY: as above.
unsafe impl Sync for QueueRegion {}

/// Why a line was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// The ring has no room: the cloud is away, or slower than the traffic.
    Full,
    /// The line is longer than a ring.
    TooLong,
}

/// The queue's figures, added up over all rings since the region was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueStats {
    /// Bytes that wait to be sent.
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
}

/// What an exporter counts, of one ring.
pub struct Counters<'r>(&'r RingHeader);

impl Counters<'_> {
    pub(crate) fn sent(&self, records: u64, bytes: u64) {
        self.0.sent.fetch_add(records, Relaxed);
        self.0.sent_bytes.fetch_add(bytes, Relaxed);
    }

    pub(crate) fn refused(&self, records: u64) {
        self.0.refused.fetch_add(records, Relaxed);
    }

    pub(crate) fn retried(&self) {
        self.0.retries.fetch_add(1, Relaxed);
    }
}

impl QueueRegion {
    /// Bytes of a region of that many rings.
    pub const fn bytes(rings: usize, ring_bytes: usize) -> usize {
        size_of::<RegionHeader>()
            + rings * (size_of::<RingHeader>() + ring_bytes.next_multiple_of(64))
    }

    /// Makes a region of memory that is all zero, or finds the one that is there.
    ///
    /// # Safety
    /// As [`super::Table::attach`].
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

    /// A free ring for the calling process: its event loop's end, and its exporter's. `None` where all
    /// are taken, by workers of former generations that still drain.
    pub fn claim(&self, pid: u32) -> Option<(Producer, Consumer)> {
        let mut life = [0; 8];
        fill_random(&mut life).ok()?;
        let life = u64::from_le_bytes(life);
        (0..self.rings).find_map(|index| {
            let ring = self.ring(index);
            let header = ring.header();
            // A ring that still holds records of a dead worker is left to be adopted.
            if header.owner.load(Acquire) != 0
                || header.owner.compare_exchange(0, pid, AcqRel, Relaxed).is_err()
            {
                return None;
            }
            header.reader.store(pid, Release);
            header.life.store(life, Relaxed);
            Some((Producer(ring), Consumer(ring)))
        })
    }

    /// The rings of workers that died, now read by this process. Each is given back, for
    /// [`QueueRegion::claim`], by [`Consumer::release`] once it is empty.
    pub fn adopt(&self, pid: u32) -> Vec<Consumer> {
        let orphan = |index: &usize| {
            let ring = self.ring(*index);
            let header = ring.header();
            let reader = header.reader.load(Acquire);
            let owner = header.owner.load(Acquire);
            owner != 0
                && owner != pid
                && reader != pid
                && !process_exists(owner)
                && !process_exists(reader)
                && header.reader.compare_exchange(reader, pid, AcqRel, Relaxed).is_ok()
        };
        (0..self.rings).filter(orphan).map(|index| Consumer(self.ring(index))).collect()
    }

    /// What waits in all rings.
    pub fn stats(&self) -> QueueStats {
        let mut stats = QueueStats::default();
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
            if header.owner.load(Relaxed) != 0 {
                let used = header.writer.head.load(Relaxed).wrapping_sub(header.tail.load(Relaxed));
                stats.used += used.min(self.ring_bytes as u64);
                stats.capacity += self.ring_bytes as u64;
            }
        }
        stats
    }

    fn ring(&self, index: usize) -> Ring {
        let stride = size_of::<RingHeader>() + self.ring_bytes;
        // SAFETY: `index < rings`, and `attach` counted the rings that fit.
        let base = unsafe { self.base.add(size_of::<RegionHeader>() + index * stride) };
        Ring { base, bytes: self.ring_bytes }
    }
}

#[derive(Clone, Copy)]
struct Ring {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: as for the region.
unsafe impl Send for Ring {}

impl Ring {
    fn header(&self) -> &RingHeader {
        // SAFETY: a ring begins with its header, all atomics.
        unsafe { self.base.cast::<RingHeader>().as_ref() }
    }

    /// Where the byte at a position lies, and how many follow before the ring's end.
    fn at(&self, position: u64) -> (*mut u8, usize) {
        let offset = (position % self.bytes as u64) as usize;
        // SAFETY: `offset < bytes`.
        let place = unsafe { self.base.as_ptr().add(size_of::<RingHeader>() + offset) };
        (place, self.bytes - offset)
    }
}

/// The event loop's end.
pub struct Producer(Ring);

impl Producer {
    /// Queues a line, with its newline: all of it, or nothing.
    ///
    /// # Errors
    /// There is no room.
    #[inline]
    pub fn push(&mut self, line: &[u8]) -> Result<(), PushError> {
        let header = self.0.header();
        let head = header.writer.head.load(Relaxed);
        let used = head.wrapping_sub(header.tail.load(Acquire)) as usize;
        if line.len() > self.0.bytes.saturating_sub(used) {
            if line.len() > self.0.bytes {
                add(&header.writer.dropped_too_long, 1);
                return Err(PushError::TooLong);
            }
            add(&header.writer.dropped_full, 1);
            return Err(PushError::Full);
        }
        let (place, room) = self.0.at(head);
        let (front, back) = line.split_at(line.len().min(room));
        // SAFETY: the bytes between head and tail + bytes are the producer's alone; `front` fits before
        // the ring's end, `back` from its beginning.
        unsafe {
            std::ptr::copy_nonoverlapping(front.as_ptr(), place, front.len());
            std::ptr::copy_nonoverlapping(back.as_ptr(), self.0.at(0).0, back.len());
        }
        header.writer.head.store(head.wrapping_add(line.len() as u64), Release);
        add(&header.writer.queued, 1);
        Ok(())
    }
}

/// The exporter's end.
pub struct Consumer(Ring);

impl Consumer {
    /// Bytes that wait.
    pub fn len(&self) -> usize {
        let header = self.0.header();
        header.writer.head.load(Acquire).wrapping_sub(header.tail.load(Relaxed)) as usize
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is counted of this ring.
    pub fn counters(&self) -> Counters<'_> {
        Counters(self.0.header())
    }

    /// Name of the batch that starts here: the same for whoever sends it again.
    pub fn batch_name(&self) -> String {
        let header = self.0.header();
        format!("{:016x}-{}", header.life.load(Relaxed), header.tail.load(Relaxed))
    }

    /// Copies whole lines, at most `limit` bytes but at least one, to `batch`, and remembers how far it
    /// goes: until [`Consumer::advance`], the next call gives the same batch.
    pub fn take(&mut self, limit: usize, batch: &mut Vec<u8>) {
        batch.clear();
        let header = self.0.header();
        let tail = header.tail.load(Relaxed);
        let pending = header.pending.load(Relaxed).wrapping_sub(tail) as usize;
        let waiting = self.len();
        if pending != 0 && pending <= waiting {
            self.copy(tail, pending, batch);
            return;
        }
        self.copy(tail, waiting.min(limit), batch);
        let mut end = memchr::memrchr(b'\n', batch).map_or(0, |at| at + 1);
        if end == 0 && waiting > batch.len() {
            // One line alone is longer than the limit.
            batch.clear();
            self.copy(tail, waiting, batch);
            end = memchr::memchr(b'\n', batch).map_or(0, |at| at + 1);
        }
        batch.truncate(end);
        header.pending.store(tail.wrapping_add(end as u64), Release);
    }

    /// Makes the batch that was taken last end earlier, at the end of a line.
    pub fn shorten(&mut self, bytes: usize) {
        let header = self.0.header();
        header.pending.store(header.tail.load(Relaxed).wrapping_add(bytes as u64), Release);
    }

    /// The batch is with the cloud, or in the spool, or given up.
    pub fn advance(&mut self, bytes: usize) {
        let header = self.0.header();
        let tail = header.tail.load(Relaxed).wrapping_add(bytes as u64);
        header.tail.store(tail, Release);
        header.pending.store(tail, Release);
    }

    /// Gives the ring back: for one that was adopted or whose process ends. It must be empty, else it
    /// stays what it is, for others to adopt.
    pub fn release(self) {
        if self.is_empty() {
            self.0.header().owner.store(0, Release);
        }
    }

    fn copy(&self, from: u64, len: usize, out: &mut Vec<u8>) {
        let (place, room) = self.0.at(from);
        let front = len.min(room);
        // SAFETY: the bytes between tail and head are written and are not written again before `tail`
        // moves, which only this consumer does.
        unsafe {
            out.extend_from_slice(std::slice::from_raw_parts(place, front));
            out.extend_from_slice(std::slice::from_raw_parts(self.0.at(0).0, len - front));
        }
    }
}

#[cfg(test)]
mod tests;
