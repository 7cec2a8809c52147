//! Messages from all workers to one: a ring in shared memory, oldest first.
//!
//! One process at a time changes it, and nobody waits for that: a message that was not posted is posted again later.
//! A message counts once the tail is stored behind it, and is gone once the head is, so that a process may die
//! anywhere between.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use crate::holder::Holder;
use crate::region::{AttachError, Attached, Header, Memory, Region, RegionHeader, Shared};

/// Bytes of a word of the ring.
const WORD: usize = size_of::<u64>();

/// Start of the region; the ring follows.
#[repr(C, align(64))]
struct MailboxHeader {
    region: RegionHeader,
    /// Words that were ever taken, and posted. Between them are messages: the length in bytes, then the bytes.
    head: AtomicU64,
    tail: AtomicU64,
    holder: Holder,
}

// SAFETY: atomics only, aligned to 64 bytes.
unsafe impl Shared for MailboxHeader {}

impl Header for MailboxHeader {
    const MAGIC: u64 = u64::from_be_bytes(*b"apimail\x01");
    const VERSION: u16 = 1;

    fn region(&self) -> &RegionHeader {
        &self.region
    }
}

/// The mailbox. Copies refer to the same region.
#[derive(Clone, Copy)]
pub struct Mailbox {
    memory: Memory,
    /// Words of the ring.
    capacity: u64,
}

/// Why a message was not posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PostError {
    /// It is longer than the whole ring.
    #[error("the message is too long")]
    TooLong,
    /// There is no room until messages are taken.
    #[error("the mailbox is full")]
    Full,
    /// Another process is changing it.
    #[error("another process is changing the mailbox")]
    Busy,
}

impl Mailbox {
    /// Bytes of a region for a ring of `len` bytes.
    pub const fn bytes(len: usize) -> usize {
        size_of::<MailboxHeader>() + len
    }

    /// Creates an empty mailbox in a zeroed region, or uses the existing one.
    ///
    /// # Errors
    /// See [`AttachError`].
    pub fn attach(region: Region) -> Result<(Self, Attached), AttachError> {
        let capacity = region.len().saturating_sub(size_of::<MailboxHeader>()) / WORD;
        let smallest = size_of::<MailboxHeader>() + 2 * WORD;
        let (memory, attached) = region.attach(smallest, |_: &MailboxHeader| Ok(()))?;
        Ok((Self { memory, capacity: capacity as u64 }, attached))
    }

    /// Posts a message, on behalf of process `pid`.
    ///
    /// # Errors
    /// See [`PostError`].
    pub fn post(&self, message: &[u8], pid: u32) -> Result<(), PostError> {
        let needed = 1 + message.len().div_ceil(WORD) as u64;
        if needed > self.capacity {
            return Err(PostError::TooLong);
        }
        let header = self.header();
        let _held = header.holder.hold(pid).ok_or(PostError::Busy)?;
        let tail = header.tail.load(Acquire);
        if self.waiting() + needed > self.capacity {
            return Err(PostError::Full);
        }
        self.word(tail).store(message.len() as u64, Relaxed);
        for (at, bytes) in (tail + 1..).zip(message.chunks(WORD)) {
            let mut padded = [0; WORD];
            padded[..bytes.len()].copy_from_slice(bytes);
            self.word(at).store(u64::from_ne_bytes(padded), Relaxed);
        }
        header.tail.store(tail + needed, Release);
        Ok(())
    }

    /// Takes messages on behalf of process `pid`, oldest first, until they have `enough` bytes or more. None while
    /// another process changes the mailbox.
    pub fn take(&self, enough: usize, pid: u32) -> Vec<Vec<u8>> {
        let header = self.header();
        let Some(_held) = header.holder.hold(pid) else { return Vec::new() };
        let (mut messages, mut bytes) = (Vec::new(), 0);
        let mut left = self.waiting();
        let mut head = header.tail.load(Acquire).wrapping_sub(left);
        while left > 0 && bytes < enough {
            let len = self.word(head).load(Relaxed);
            let words = len.div_ceil(WORD as u64);
            if words >= left {
                head += left;
                break;
            }
            let all = (head + 1..).take(words as usize);
            let mut message: Vec<u8> =
                all.flat_map(|at| self.word(at).load(Relaxed).to_ne_bytes()).collect();
            message.truncate(len as usize);
            bytes += message.len();
            messages.push(message);
            head += 1 + words;
            left -= 1 + words;
        }
        header.head.store(head, Release);
        messages
    }

    /// Words between head and tail, for the holder. Nothing in shared memory is trusted.
    fn waiting(&self) -> u64 {
        let header = self.header();
        let waiting = header.tail.load(Acquire).wrapping_sub(header.head.load(Acquire));
        if waiting > self.capacity { 0 } else { waiting }
    }

    fn header(&self) -> &MailboxHeader {
        // SAFETY: the region is long enough and starts with the header.
        unsafe { self.memory.get(0) }
    }

    /// A word of the ring.
    fn word(&self, at: u64) -> &AtomicU64 {
        let offset = size_of::<MailboxHeader>() + (at % self.capacity) as usize * WORD;
        // SAFETY: below `capacity` words, which follow the header.
        unsafe { self.memory.get(offset) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::mem::ManuallyDrop;

    use proptest::prelude::*;

    use super::*;
    use crate::testing;

    #[test]
    fn what_does_not_fit_is_refused_until_messages_are_taken() {
        let mailbox = testing::mailbox(8 * WORD);
        assert_eq!(mailbox.post(&[7; 7 * WORD + 1], 1), Err(PostError::TooLong));
        assert_eq!(mailbox.post(b"the first one", 1), Ok(()));
        assert_eq!(mailbox.post(b"", 1), Ok(()));
        assert_eq!(mailbox.post(&[7; 4 * WORD], 1), Err(PostError::Full));
        assert_eq!(mailbox.post(&[8; 3 * WORD], 1), Ok(()));
        assert_eq!(mailbox.take(1, 1), [b"the first one".to_vec()]);
        assert_eq!(mailbox.take(1, 1), [vec![], vec![8; 3 * WORD]]);
        assert_eq!(mailbox.take(1, 1), Vec::<Vec<u8>>::new());
        assert_eq!(mailbox.post(&[9; 7 * WORD], 1), Ok(()));
        assert_eq!(mailbox.take(usize::MAX, 1), [vec![9; 7 * WORD]]);
    }

    #[test]
    fn a_dead_holder_excludes_nobody_and_a_living_one_does() {
        let mailbox = testing::mailbox(256);
        let held = mailbox.header().holder.set(std::process::id());
        assert_eq!(mailbox.post(b"x", 1), Err(PostError::Busy));
        assert!(mailbox.take(1, 1).is_empty());
        drop(held);
        let _never_ends = ManuallyDrop::new(mailbox.header().holder.set(0x7fff_fff0));
        assert_eq!(mailbox.post(b"x", 1), Ok(()));
        assert_eq!(mailbox.take(1, 1), [b"x"]);
    }

    #[test]
    fn a_message_that_its_sender_did_not_finish_never_came() {
        let mailbox = testing::mailbox(256);
        mailbox.post(b"one", 1).unwrap();
        // Dies before the tail is stored.
        let tail = mailbox.header().tail.load(Relaxed);
        mailbox.word(tail).store(5000, Relaxed);
        let _never_ends = ManuallyDrop::new(mailbox.header().holder.set(0x7fff_fff0));
        mailbox.post(b"two", 1).unwrap();
        assert_eq!(mailbox.take(usize::MAX, 1), [b"one", b"two"]);
    }

    #[test]
    fn damaged_positions_and_lengths_lose_messages_and_nothing_else() {
        let mailbox = testing::mailbox(256);
        for damage in [u64::MAX, 1 << 40, 250] {
            mailbox.post(b"lost", 1).unwrap();
            let head = mailbox.header().head.load(Relaxed);
            mailbox.word(head).store(damage, Relaxed);
            assert!(mailbox.take(usize::MAX, 1).is_empty(), "{damage}");
            mailbox.post(b"comes", 1).unwrap();
            assert_eq!(mailbox.take(usize::MAX, 1), [b"comes"], "{damage}");
        }
        mailbox.header().head.store(u64::MAX / 2, Relaxed);
        assert!(mailbox.take(usize::MAX, 1).is_empty());
        mailbox.post(b"comes", 1).unwrap();
        assert_eq!(mailbox.take(usize::MAX, 1), [b"comes"]);
    }

    #[test]
    fn senders_and_receiver_at_once_lose_and_repeat_no_message() {
        let (mailbox, senders) = (testing::mailbox(512), 3_u32);
        let most: u32 = if cfg!(miri) { 10 } else { 5000 };
        let mut last = vec![0; senders as usize];
        std::thread::scope(|scope| {
            for sender in 0..senders {
                scope.spawn(move || {
                    for number in 1..=most {
                        let message = [sender, number].map(u32::to_ne_bytes).concat();
                        while mailbox.post(&message, std::process::id()).is_err() {
                            std::thread::yield_now();
                        }
                    }
                });
            }
            while last.iter().any(|number| *number < most) {
                for message in mailbox.take(64, std::process::id()) {
                    let [sender, number] = [0, 4]
                        .map(|at| u32::from_ne_bytes(message[at..at + 4].try_into().unwrap()));
                    let known = &mut last[sender as usize];
                    assert_eq!(number, *known + 1);
                    *known = number;
                }
            }
        });
    }

    proptest! {
        #![proptest_config(testing::proptest_config())]

        #[test]
        fn it_holds_what_a_queue_would(
            capacity in 2_usize..40,
            steps in proptest::collection::vec((any::<bool>(), 0_usize..120), 0..80),
        ) {
            let mailbox = testing::mailbox(capacity * WORD);
            let mut model: VecDeque<Vec<u8>> = VecDeque::new();
            let words = |message: &Vec<u8>| 1 + message.len().div_ceil(WORD);
            for (at, (posts, size)) in steps.into_iter().enumerate() {
                if posts {
                    let message = vec![at as u8; size];
                    let used: usize = model.iter().map(words).sum();
                    let expected = match words(&message) {
                        needed if needed > capacity => Err(PostError::TooLong),
                        needed if used + needed > capacity => Err(PostError::Full),
                        _ => Ok(()),
                    };
                    prop_assert_eq!(mailbox.post(&message, 1), expected);
                    if expected.is_ok() {
                        model.push_back(message);
                    }
                } else {
                    let (mut bytes, mut expected) = (0, Vec::new());
                    while bytes < size && let Some(message) = model.pop_front() {
                        bytes += message.len();
                        expected.push(message);
                    }
                    prop_assert_eq!(mailbox.take(size, 1), expected);
                }
            }
        }
    }
}
