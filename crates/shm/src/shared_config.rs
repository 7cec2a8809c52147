//! A text that all workers read and one of them replaces: the configuration from the cloud.
//!
//! There are two buffers. A new text is written into the inactive one, then one store activates it. A reader's copy is
//! only torn if two texts are published while it copies, which the generation and a checksum reveal. Neither side
//! waits.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use crate::holder::Holder;
use crate::region::{AttachError, Attached, Header, Memory, Region, RegionHeader, Shared};

/// Bytes of a word of a buffer.
const WORD: usize = size_of::<u64>();

/// Start of the region; two buffers follow.
#[repr(C, align(64))]
struct ConfigHeader {
    region: RegionHeader,
    /// Number of publications. The last text is in buffer `generation % 2`.
    generation: AtomicU64,
    lengths: [AtomicU64; 2],
    checksums: [AtomicU64; 2],
    publisher: Holder,
}

// SAFETY: atomics only, aligned to 64 bytes.
unsafe impl Shared for ConfigHeader {}

impl Header for ConfigHeader {
    const MAGIC: u64 = u64::from_be_bytes(*b"apiconf\x01");
    const VERSION: u16 = 2;

    fn region(&self) -> &RegionHeader {
        &self.region
    }
}

/// The shared text. Copies refer to the same region.
#[derive(Clone, Copy)]
pub struct SharedConfig {
    memory: Memory,
    /// Bytes of one buffer.
    capacity: usize,
}

/// Why a text was not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The text is longer than a buffer.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// Another process is publishing.
    #[error("another process is publishing")]
    Busy,
}

impl SharedConfig {
    /// Bytes of a region for texts of up to `capacity` bytes.
    pub const fn bytes(capacity: usize) -> usize {
        size_of::<ConfigHeader>() + 2 * capacity.next_multiple_of(64)
    }

    /// Creates an empty configuration in a zeroed region, or uses the existing one.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(region: Region) -> Result<(Self, Attached), AttachError> {
        let capacity = region.len().saturating_sub(size_of::<ConfigHeader>()) / 2 / 64 * 64;
        let (memory, attached) = region.attach(Self::bytes(64), |_: &ConfigHeader| Ok(()))?;
        Ok((Self { memory, capacity }, attached))
    }

    /// Number of texts published so far; 0: none.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.header().generation.load(Acquire)
    }

    /// The active text and its generation. `None`: there is none, or it was replaced during the copy; try again.
    pub fn read(&self) -> Option<(u64, Vec<u8>)> {
        let header = self.header();
        let generation = self.generation();
        if generation == 0 {
            return None;
        }
        let buffer = (generation % 2) as usize;
        let len = usize::try_from(header.lengths[buffer].load(Relaxed)).ok()?;
        let checksum = header.checksums[buffer].load(Relaxed);
        let words = self.words(buffer).get(..len.div_ceil(WORD))?;
        let mut text: Vec<u8> =
            words.iter().flat_map(|word| word.load(Relaxed).to_ne_bytes()).collect();
        text.truncate(len);
        fence(Acquire);
        (u64::from(crc32fast::hash(&text)) == checksum && self.generation() == generation)
            .then_some((generation, text))
    }

    /// Publishes a text to all processes at once. Returns its generation.
    ///
    /// # Errors
    /// See [`PublishError`]; the previous text stays active.
    pub fn publish(&self, text: &[u8], pid: u32) -> Result<u64, PublishError> {
        if text.len() > self.capacity {
            return Err(PublishError::TooLarge(self.capacity));
        }
        let header = self.header();
        let _held = header.publisher.hold(pid).ok_or(PublishError::Busy)?;
        let generation = self.generation() + 1;
        let buffer = (generation % 2) as usize;
        for (word, bytes) in self.words(buffer).iter().zip(text.chunks(WORD)) {
            let mut padded = [0; WORD];
            padded[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(padded), Relaxed);
        }
        header.lengths[buffer].store(text.len() as u64, Relaxed);
        header.checksums[buffer].store(u64::from(crc32fast::hash(text)), Relaxed);
        header.generation.store(generation, Release);
        Ok(generation)
    }

    /// Marks process `pid` as publishing until the returned guard is dropped.
    #[cfg(any(test, feature = "testing"))]
    pub fn hold_as_publisher(&self, pid: u32) -> impl Drop {
        self.header().publisher.set(pid)
    }

    fn header(&self) -> &ConfigHeader {
        // SAFETY: the region is long enough and starts with the header.
        unsafe { self.memory.get(0) }
    }

    fn words(&self, buffer: usize) -> &[AtomicU64] {
        let offset = size_of::<ConfigHeader>() + buffer * self.capacity;
        // SAFETY: two buffers of `capacity` bytes, a multiple of 64, follow the header.
        unsafe { self.memory.slice(offset, self.capacity / WORD) }
    }
}

#[cfg(test)]
mod tests {
    use std::mem::ManuallyDrop;

    use super::*;
    use crate::testing;

    #[test]
    fn the_last_text_is_read_and_one_that_is_too_long_is_refused() {
        let config = testing::shared_config(256);
        assert_eq!((config.generation(), config.read()), (0, None));
        assert_eq!(config.publish(b"one", 1), Ok(1));
        assert_eq!(config.publish(b"a longer text", 1), Ok(2));
        assert_eq!(config.read(), Some((2, b"a longer text".to_vec())));
        assert_eq!(config.publish(&[b'x'; 257], 1), Err(PublishError::TooLarge(256)));
        assert_eq!(config.publish(b"", 1), Ok(3));
        assert_eq!(config.read(), Some((3, Vec::new())));
    }

    #[test]
    fn a_dead_publisher_excludes_nobody_and_a_living_one_does() {
        let config = testing::shared_config(256);
        let held = config.header().publisher.set(std::process::id());
        assert_eq!(config.publish(b"x", 1), Err(PublishError::Busy));
        drop(held);
        let _never_ends = ManuallyDrop::new(config.header().publisher.set(0x7fff_fff0));
        assert_eq!(config.publish(b"x", 1), Ok(1));
    }

    #[test]
    fn a_reader_never_sees_half_a_text() {
        let config = testing::shared_config(4096);
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..if cfg!(miri) { 20 } else { 20_000_u32 } {
                    let text = vec![b'a' + (number % 26) as u8; 1 + (number as usize * 7) % 4000];
                    config.publish(&text, 1).unwrap();
                }
                done.store(true, Release);
            });
            while !done.load(Acquire) {
                if let Some((_, text)) = config.read() {
                    assert!(text.iter().all(|byte| *byte == text[0]));
                }
            }
        });
    }
}
