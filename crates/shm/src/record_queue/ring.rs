//! One ring: its memory, the producer's end and the consumer's.

use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use super::stats::{ConsumerCounters, ProducerCounters};
use crate::metrics::add;
use crate::region::{Memory, Shared};

/// Layout of the counters on both sides.
pub(super) const COUNTERS: u16 = ProducerCounters::LAYOUT ^ ConsumerCounters::LAYOUT.rotate_left(1);

/// Header of a ring, followed by its bytes. Positions count all bytes ever written.
#[repr(C, align(64))]
pub(super) struct RingHeader {
    /// Process that writes; 0: the ring is free.
    pub(super) owner: AtomicU32,
    /// Process whose exporter reads: the owner, or the process that adopted the ring after its death.
    pub(super) reader: AtomicU32,
    /// Random, new with each owner. Together with a position it names a batch.
    pub(super) stream: AtomicU64,
    /// Everything before this position was delivered, spooled or given up.
    pub(super) tail: AtomicU64,
    /// End of the batch that was sent but not yet answered; equal to `tail` if there is none.
    pub(super) pending: AtomicU64,
    pub(super) counters: ConsumerCounters,
    /// On a cache line of its own, since the event loop writes it with each record.
    pub(super) producer: ProducerHeader,
}

#[repr(C, align(64))]
pub(super) struct ProducerHeader {
    /// Position up to which lines are written.
    pub(super) head: AtomicU64,
    pub(super) counters: ProducerCounters,
}

// SAFETY: atomics only, aligned to 64 bytes.
unsafe impl Shared for RingHeader {}

/// Why a line was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushError {
    /// The ring is full: the receiver is unreachable, or slower than the traffic.
    Full,
    /// The line is longer than a ring.
    TooLong,
}

/// The counters of an exporter, for one ring.
pub struct ExportCounters<'r>(&'r ConsumerCounters);

impl ExportCounters<'_> {
    /// Counts records that the receiver accepted, and their bytes.
    pub fn sent(&self, records: u64, bytes: u64) {
        self.0.sent.fetch_add(records, Relaxed);
        self.0.sent_bytes.fetch_add(bytes, Relaxed);
    }

    /// Counts records of batches that the receiver refused for good.
    pub fn refused(&self, records: u64) {
        self.0.refused.fetch_add(records, Relaxed);
    }

    /// Counts a failed attempt that will be repeated.
    pub fn retried(&self) {
        self.0.retries.fetch_add(1, Relaxed);
    }

    /// Counts records written to the spool.
    pub fn spooled(&self, records: u64) {
        self.0.spooled.fetch_add(records, Relaxed);
    }

    /// Counts spooled records dropped to make room for newer ones.
    pub fn dropped_spool_full(&self, records: u64) {
        self.0.dropped_spool_full.fetch_add(records, Relaxed);
    }

    /// Counts spooled records that were damaged on disk.
    pub fn dropped_damaged(&self, records: u64) {
        self.0.dropped_damaged.fetch_add(records, Relaxed);
    }

    /// Counts a window of key facts that the cloud did not accept.
    pub fn lost_key_facts(&self) {
        self.0.key_facts_lost.fetch_add(1, Relaxed);
    }

    /// Counts a failed write to the spool.
    pub fn spool_failed(&self) {
        self.0.spool_errors.fetch_add(1, Relaxed);
    }
}

/// The memory of a ring.
#[derive(Clone, Copy)]
pub(super) struct Ring {
    memory: Memory,
    /// Offset of the header.
    offset: usize,
    /// Bytes after the header.
    bytes: usize,
}

impl Ring {
    /// # Safety
    /// `offset` is a multiple of 64, and a header and `bytes` bytes follow within the region.
    pub(super) unsafe fn new(memory: Memory, offset: usize, bytes: usize) -> Self {
        Self { memory, offset, bytes }
    }

    /// Both ends, for the process that claimed or adopted the ring.
    pub(super) fn split(self) -> (Producer, Consumer) {
        (Producer(self), Consumer(self))
    }

    pub(super) fn header(&self) -> &RingHeader {
        // SAFETY: contract of `new`.
        unsafe { self.memory.get(self.offset) }
    }

    /// Records and bytes in the ring. Only for the process that moves the tail, or once no process does.
    pub(super) fn waiting(&self) -> (u64, u64) {
        let header = self.header();
        let tail = header.tail.load(Acquire);
        let len = header.producer.head.load(Acquire).wrapping_sub(tail) as usize;
        let len = len.min(self.bytes);
        // SAFETY: nobody moves the tail (see above); any position maps into the ring.
        let (front, back) = unsafe { self.slices(tail, len) };
        let lines = |bytes| memchr::memchr_iter(b'\n', bytes).count() as u64;
        (lines(front) + lines(back), len as u64)
    }

    /// `len` bytes from a position on: up to the end of the ring, then from its start.
    ///
    /// # Safety
    /// They lie between tail and head, and nobody moves the tail while the slices exist.
    unsafe fn slices(&self, from: u64, len: usize) -> (&[u8], &[u8]) {
        let (start, contiguous) = self.at(from);
        let front = len.min(contiguous);
        // SAFETY: the bytes between tail and head are initialised, and the producer does not overwrite them before the
        // tail moves.
        unsafe {
            (
                std::slice::from_raw_parts(start, front),
                std::slice::from_raw_parts(self.at(0).0, len - front),
            )
        }
    }

    /// Address of the byte at a position, and the number of bytes from there to the end of the ring.
    fn at(&self, position: u64) -> (*mut u8, usize) {
        let offset = (position % self.bytes as u64) as usize;
        // SAFETY: `offset < bytes`.
        let address: NonNull<u8> =
            unsafe { self.memory.pointer(self.offset + size_of::<RingHeader>() + offset) };
        (address.as_ptr(), self.bytes - offset)
    }
}

/// The event loop's end.
pub struct Producer(Ring);

impl Producer {
    /// Queues a line with its newline, completely or not at all.
    ///
    /// # Errors
    /// See [`PushError`]; the record is then counted as dropped.
    #[inline]
    pub fn push(&mut self, line: &[u8]) -> Result<(), PushError> {
        let header = self.0.header();
        let head = header.producer.head.load(Relaxed);
        let used = head.wrapping_sub(header.tail.load(Acquire)) as usize;
        if line.len() > self.0.bytes.saturating_sub(used) {
            if line.len() > self.0.bytes {
                add(&header.producer.counters.dropped_too_long, 1);
                return Err(PushError::TooLong);
            }
            add(&header.producer.counters.dropped_full, 1);
            return Err(PushError::Full);
        }
        let (start, contiguous) = self.0.at(head);
        let (front, back) = line.split_at(line.len().min(contiguous));
        // SAFETY: the bytes between `head` and `tail + bytes` belong to the producer; `front` fits before the end of
        // the ring, and `back` fits at its start.
        unsafe {
            std::ptr::copy_nonoverlapping(front.as_ptr(), start, front.len());
            if !back.is_empty() {
                std::ptr::copy_nonoverlapping(back.as_ptr(), self.0.at(0).0, back.len());
            }
        }
        header.producer.head.store(head.wrapping_add(line.len() as u64), Release);
        add(&header.producer.counters.queued, 1);
        Ok(())
    }
}

/// The exporter's end.
pub struct Consumer(Ring);

impl Consumer {
    /// Bytes in the ring.
    pub fn len(&self) -> usize {
        let header = self.0.header();
        header.producer.head.load(Acquire).wrapping_sub(header.tail.load(Relaxed)) as usize
    }

    /// Whether the ring is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Records and bytes in the ring.
    pub fn waiting(&self) -> (u64, u64) {
        self.0.waiting()
    }

    /// The counters of this ring.
    pub fn counters(&self) -> ExportCounters<'_> {
        ExportCounters(&self.0.header().counters)
    }

    /// Name of the batch at the tail: the same whichever process sends it.
    pub fn batch_name(&self) -> String {
        let header = self.0.header();
        format!("{:016x}-{}", header.stream.load(Relaxed), header.tail.load(Relaxed))
    }

    /// Copies whole lines to `batch`: at most `limit` bytes, but at least one line. Fixes the end of the batch: until
    /// [`Consumer::advance`], every call returns the same batch.
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
            // The first line is longer than the limit.
            batch.clear();
            self.copy(tail, waiting, batch);
            end = memchr::memchr(b'\n', batch).map_or(0, |at| at + 1);
        }
        batch.truncate(end);
        header.pending.store(tail.wrapping_add(end as u64), Release);
    }

    /// Shortens the pending batch to its first `bytes` bytes, which are whole lines.
    pub fn shorten(&mut self, bytes: usize) {
        let header = self.0.header();
        header.pending.store(header.tail.load(Relaxed).wrapping_add(bytes as u64), Release);
    }

    /// Removes the first `bytes` bytes: the receiver or the spool has them, or they were given up.
    pub fn advance(&mut self, bytes: usize) {
        let header = self.0.header();
        let tail = header.tail.load(Relaxed).wrapping_add(bytes as u64);
        header.tail.store(tail, Release);
        header.pending.store(tail, Release);
    }

    /// Frees the ring if it is empty; otherwise leaves it for adoption. For an adopted ring, or when the process ends.
    pub fn release(self) {
        if self.is_empty() {
            self.0.header().owner.store(0, Release);
        }
    }

    /// Size of the ring, bytes.
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
