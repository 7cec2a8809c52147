//! One ring: its memory, the event loop's end and the exporter's.

use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::super::stats::add;

/// Head of one ring; its bytes follow. Positions count all bytes that ever went through.
#[repr(C, align(64))]
pub(super) struct RingHeader {
    /// Token of the process that writes; 0 for a free ring.
    pub(super) owner: AtomicU32,
    /// Token of the process whose exporter reads: the owner, or who adopted the ring after its death.
    pub(super) reader: AtomicU32,
    /// Random, new with each owner: with a position it names a batch.
    pub(super) life: AtomicU64,
    /// Read up to here: the cloud has it.
    pub(super) tail: AtomicU64,
    /// End of the batch that was sent and not yet answered; `tail` if there is none.
    pub(super) pending: AtomicU64,
    /// Records and bytes that the cloud has, records that it refused, attempts that failed.
    pub(super) sent: AtomicU64,
    pub(super) sent_bytes: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) retries: AtomicU64,
    /// Records written to the spool, dropped there for newer ones, found damaged there; writes that
    /// failed.
    pub(super) spooled: AtomicU64,
    pub(super) dropped_spool_full: AtomicU64,
    pub(super) dropped_damaged: AtomicU64,
    pub(super) spool_errors: AtomicU64,
    /// The event loop's part, on a line of its own: it is written all the time.
    pub(super) writer: Writer,
}

#[repr(C, align(64))]
pub(super) struct Writer {
    /// Written up to here.
    pub(super) head: AtomicU64,
    /// Records that were queued, that found no room, that were too long.
    pub(super) queued: AtomicU64,
    pub(super) dropped_full: AtomicU64,
    pub(super) dropped_too_long: AtomicU64,
}

/// Why a line was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// The ring has no room: the cloud is away, or slower than the traffic.
    Full,
    /// The line is longer than a ring.
    TooLong,
}

/// What an exporter counts, of one ring.
pub struct Counters<'r>(&'r RingHeader);

impl Counters<'_> {
    /// Counts records that a receiver took, and their bytes.
    pub fn sent(&self, records: u64, bytes: u64) {
        self.0.sent.fetch_add(records, Relaxed);
        self.0.sent_bytes.fetch_add(bytes, Relaxed);
    }

    /// Counts records of batches that a receiver called bad.
    pub fn refused(&self, records: u64) {
        self.0.refused.fetch_add(records, Relaxed);
    }

    /// Counts an attempt that failed and will be repeated.
    pub fn retried(&self) {
        self.0.retries.fetch_add(1, Relaxed);
    }

    /// Counts records written to the spool.
    pub fn spooled(&self, records: u64) {
        self.0.spooled.fetch_add(records, Relaxed);
    }

    /// Counts records dropped for a full spool.
    pub fn dropped_spool_full(&self, records: u64) {
        self.0.dropped_spool_full.fetch_add(records, Relaxed);
    }

    /// Counts records lost in damaged memory.
    pub fn dropped_damaged(&self, records: u64) {
        self.0.dropped_damaged.fetch_add(records, Relaxed);
    }

    /// Counts a failed write to the spool.
    pub fn spool_failed(&self) {
        self.0.spool_errors.fetch_add(1, Relaxed);
    }
}

/// A handle: an address.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: as for the region.
unsafe impl Send for Ring {}

impl Ring {
    /// `base` is where a ring of that many bytes lies, in a region that was attached to.
    pub(super) fn new(base: NonNull<u8>, bytes: usize) -> Self {
        Self { base, bytes }
    }

    /// For whoever owns or adopts the ring.
    pub(super) fn ends(self) -> (Producer, Consumer) {
        (Producer(self), Consumer(self))
    }

    pub(super) fn header(&self) -> &RingHeader {
        // SAFETY: a ring begins with its header, all atomics.
        unsafe { self.base.cast::<RingHeader>().as_ref() }
    }

    /// Records and bytes that wait. For whoever moves the tail, or once nobody is left to.
    pub(super) fn waiting(&self) -> (u64, u64) {
        let header = self.header();
        let tail = header.tail.load(Acquire);
        let len = header.writer.head.load(Acquire).wrapping_sub(tail) as usize;
        let len = len.min(self.bytes);
        // SAFETY: nobody moves the tail; a position that makes no sense reads within the ring.
        let (front, back) = unsafe { self.slices(tail, len) };
        let lines = |bytes| memchr::memchr_iter(b'\n', bytes).count() as u64;
        (lines(front) + lines(back), len as u64)
    }

    /// Bytes from a position on: up to the ring's end, then from its beginning.
    ///
    /// # Safety
    /// They lie between tail and head, and nobody moves the tail while they are looked at.
    unsafe fn slices(&self, from: u64, len: usize) -> (&[u8], &[u8]) {
        let (place, room) = self.at(from);
        let front = len.min(room);
        // SAFETY: the bytes between tail and head are written, and are not written again before the
        // tail moves.
        unsafe {
            (
                std::slice::from_raw_parts(place, front),
                std::slice::from_raw_parts(self.at(0).0, len - front),
            )
        }
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
            if !back.is_empty() {
                std::ptr::copy_nonoverlapping(back.as_ptr(), self.0.at(0).0, back.len());
            }
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

    /// Records and bytes that wait.
    pub fn waiting(&self) -> (u64, u64) {
        self.0.waiting()
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

    /// Room for this many bytes.
    pub fn capacity(&self) -> usize {
        self.0.bytes
    }

    fn copy(&self, from: u64, len: usize, out: &mut Vec<u8>) {
        // SAFETY: only this consumer moves the tail.
        let (front, back) = unsafe { self.0.slices(from, len) };
        out.extend_from_slice(front);
        out.extend_from_slice(back);
    }
}
