//! A text that all workers read and one of them replaces: the settings that come from the cloud.
//!
//! Two buffers: a new text is written into the one that is not in force, then one store puts it in
//! force. A reader copies and looks whether it was overtaken, which takes two new texts in the time of
//! one copy; the checksum tells then. Nobody waits.

use std::ptr::NonNull;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64, fence};

use super::owner::process_exists;
use super::region::TableError;

/// "apidocu" and a version.
const MAGIC: u64 = u64::from_le_bytes(*b"apidocu1");
/// Bytes of a word of a buffer.
const WORD: usize = size_of::<u64>();

#[repr(C, align(64))]
struct Header {
    magic: AtomicU64,
    /// How many texts were published. The last is in buffer `generation % 2`.
    generation: AtomicU64,
    lens: [AtomicU64; 2],
    sums: [AtomicU64; 2],
    /// Process that publishes; 0 for none.
    publisher: AtomicU32,
}

/// The region: a handle; copies are the same.
#[derive(Clone, Copy)]
pub struct SharedConfig {
    base: NonNull<u8>,
    /// Bytes of one buffer.
    room: usize,
}

// SAFETY: all access goes through atomics.
unsafe impl Send for SharedConfig {}
// SAFETY: as above.
unsafe impl Sync for SharedConfig {}

/// Why a text was not published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// Longer than a buffer.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// Another process is at it.
    #[error("another process is publishing")]
    Busy,
}

impl SharedConfig {
    /// Bytes of a region for texts of that length.
    pub const fn bytes(room: usize) -> usize {
        size_of::<Header>() + 2 * room.next_multiple_of(64)
    }

    /// Makes a region of memory that is all zero, or finds the one that is there.
    ///
    /// # Safety
    /// As [`super::SessionTable::attach`].
    ///
    /// # Errors
    /// Too little memory, or something else is there.
    pub unsafe fn attach(base: NonNull<u8>, len: usize) -> Result<Self, TableError> {
        let room = len.saturating_sub(size_of::<Header>()) / 2 / 64 * 64;
        if room == 0 {
            return Err(TableError::TooSmall { given: len, needed: Self::bytes(64) });
        }
        let region = Self { base, room };
        match region.header().magic.load(Acquire) {
            MAGIC => Ok(region),
            0 => {
                region.header().magic.store(MAGIC, Release);
                Ok(region)
            }
            _ => Err(TableError::OtherLayout { found: 0, expected: 1 }),
        }
    }

    /// Changes with each text; 0 as long as there is none.
    #[inline]
    pub fn generation(&self) -> u64 {
        self.header().generation.load(Acquire)
    }

    /// The text in force and its generation. `None`: there is none, or it was replaced meanwhile, which
    /// the next look will see.
    pub fn read(&self) -> Option<(u64, Vec<u8>)> {
        let header = self.header();
        let generation = self.generation();
        if generation == 0 {
            return None;
        }
        let buffer = (generation % 2) as usize;
        let len = usize::try_from(header.lens[buffer].load(Relaxed)).ok()?;
        let sum = header.sums[buffer].load(Relaxed);
        let words = self.words(buffer).get(..len.div_ceil(WORD))?;
        let mut text: Vec<u8> =
            words.iter().flat_map(|word| word.load(Relaxed).to_ne_bytes()).collect();
        text.truncate(len);
        fence(Acquire);
        (u64::from(crc32fast::hash(&text)) == sum && self.generation() == generation)
            .then_some((generation, text))
    }

    /// Puts a text in force, for all processes at once.
    ///
    /// # Errors
    /// [`PublishError`]; the text before stays in force.
    pub fn publish(&self, text: &[u8], pid: u32) -> Result<u64, PublishError> {
        if text.len() > self.room {
            return Err(PublishError::TooLarge(self.room));
        }
        let header = self.header();
        if let Err(holder) = header.publisher.compare_exchange(0, pid, AcqRel, Relaxed)
            && (holder == pid
                || process_exists(holder)
                || header.publisher.compare_exchange(holder, pid, AcqRel, Relaxed).is_err())
        {
            return Err(PublishError::Busy);
        }
        let generation = self.generation() + 1;
        let buffer = (generation % 2) as usize;
        for (word, bytes) in self.words(buffer).iter().zip(text.chunks(WORD)) {
            let mut whole = [0; WORD];
            whole[..bytes.len()].copy_from_slice(bytes);
            word.store(u64::from_ne_bytes(whole), Relaxed);
        }
        header.lens[buffer].store(text.len() as u64, Relaxed);
        header.sums[buffer].store(u64::from(crc32fast::hash(text)), Relaxed);
        header.generation.store(generation, Release);
        header.publisher.store(0, Release);
        Ok(generation)
    }

    /// As a process that publishes and takes its time over it; until what is returned is dropped.
    #[cfg(any(test, feature = "testing"))]
    pub fn hold_as_publisher(self, pid: u32) -> impl Drop {
        struct Held(SharedConfig);
        impl Drop for Held {
            fn drop(&mut self) {
                self.0.header().publisher.store(0, Release);
            }
        }
        self.header().publisher.store(pid, Release);
        Held(self)
    }

    fn header(&self) -> &Header {
        // SAFETY: `attach` checked the length; the header is all atomics.
        unsafe { self.base.cast::<Header>().as_ref() }
    }

    fn words(&self, buffer: usize) -> &[AtomicU64] {
        // SAFETY: `attach` counted two buffers of `room` bytes, a multiple of 64, behind the header.
        unsafe {
            let at = self.base.byte_add(size_of::<Header>() + buffer * self.room);
            std::slice::from_raw_parts(at.cast::<AtomicU64>().as_ptr(), self.room / WORD)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_last_text_is_read_and_a_longer_one_refused() {
        let region = testing::shared_config(256);
        assert_eq!((region.generation(), region.read()), (0, None));
        assert_eq!(region.publish(b"one", 1), Ok(1));
        assert_eq!(region.publish(b"a longer text", 1), Ok(2));
        assert_eq!(region.read(), Some((2, b"a longer text".to_vec())));
        assert_eq!(region.publish(&[b'x'; 257], 1), Err(PublishError::TooLarge(256)));
        assert_eq!(region.publish(b"", 1), Ok(3));
        assert_eq!(region.read(), Some((3, Vec::new())));
    }

    #[test]
    fn a_publisher_that_died_keeps_nobody_out_and_one_that_lives_does() {
        let region = testing::shared_config(256);
        region.header().publisher.store(std::process::id(), Relaxed);
        assert_eq!(region.publish(b"x", 1), Err(PublishError::Busy));
        region.header().publisher.store(0x7fff_fff0, Relaxed);
        assert_eq!(region.publish(b"x", 1), Ok(1));
    }

    #[test]
    fn a_reader_never_sees_half_a_text() {
        let region = testing::shared_config(4096);
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..20_000_u32 {
                    let text = vec![b'a' + (number % 26) as u8; 1 + (number as usize * 7) % 4000];
                    region.publish(&text, 1).unwrap();
                }
                done.store(true, Release);
            });
            while !done.load(Acquire) {
                if let Some((_, text)) = region.read() {
                    assert!(text.iter().all(|byte| *byte == text[0]));
                }
            }
        });
    }
}
