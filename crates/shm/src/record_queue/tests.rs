use std::collections::VecDeque;
use std::ptr::NonNull;

use proptest::prelude::*;

use super::*;

/// Zeroed memory of a queue.
struct Memory(Vec<u128>);

impl Memory {
    fn queue(rings: usize, ring_bytes: usize) -> (Self, RecordQueue) {
        let len = RecordQueue::bytes(rings, ring_bytes);
        let mut memory = Self(vec![0; len / 16 + 8]);
        let queue = memory.attach(len, ring_bytes).unwrap();
        (memory, queue)
    }

    fn attach(&mut self, len: usize, ring_bytes: usize) -> Result<RecordQueue, AttachError> {
        let base = self.0.as_mut_ptr().cast::<u8>();
        let base = NonNull::new(base).unwrap();
        let aligned = base.align_offset(64);
        // SAFETY: zeroed, at least 64 bytes longer than `len`, and kept as long as the queue.
        let region = unsafe { Region::new(base.add(aligned), len) };
        RecordQueue::attach(region, ring_bytes).map(|(queue, _)| queue)
    }
}

const ME: u32 = 1;
/// No process has this id (above PID_MAX_LIMIT).
const DEAD: u32 = 0x7fff_fff0;

#[test]
fn lines_leave_in_order_and_stay_until_they_are_removed() {
    let (_memory, queue) = Memory::queue(1, 256);
    let (mut producer, mut consumer) = queue.join(1, ME).claim().unwrap();
    for line in [&b"one\n"[..], b"two\n", b"three\n"] {
        producer.push(line).unwrap();
    }
    let mut batch = Vec::new();
    consumer.take(9, &mut batch);
    assert_eq!(batch, b"one\ntwo\n");
    let name = consumer.batch_name();
    producer.push(b"four\n").unwrap();
    consumer.take(1000, &mut batch);
    assert_eq!(batch, b"one\ntwo\n", "an unanswered batch stays the same");
    assert_eq!(name, consumer.batch_name());
    consumer.advance(batch.len());
    assert_ne!(name, consumer.batch_name());
    consumer.take(1000, &mut batch);
    assert_eq!(batch, b"three\nfour\n");
}

#[test]
fn a_full_ring_accepts_no_line_and_never_one_longer_than_itself() {
    let (_memory, queue) = Memory::queue(1, 64);
    let (mut producer, mut consumer) = queue.join(1, ME).claim().unwrap();
    producer.push(&[b'x'; 60]).unwrap();
    assert_eq!(producer.push(b"12345"), Err(PushError::Full));
    assert_eq!(producer.push(&[b'x'; 65]), Err(PushError::TooLong));
    consumer.advance(60);
    producer.push(b"12345").unwrap();
}

#[test]
fn a_line_longer_than_a_batch_is_a_batch_of_its_own() {
    let (_memory, queue) = Memory::queue(1, 256);
    let (mut producer, mut consumer) = queue.join(1, ME).claim().unwrap();
    producer.push(b"a line of more than ten bytes\n").unwrap();
    producer.push(b"b\n").unwrap();
    let mut batch = Vec::new();
    consumer.take(10, &mut batch);
    assert_eq!(batch, b"a line of more than ten bytes\n");
}

#[test]
fn the_ring_of_a_dead_worker_is_adopted_with_its_pending_batch() {
    let (_memory, queue) = Memory::queue(2, 256);
    let (mut producer, mut consumer) = queue.join(2, DEAD).claim().unwrap();
    producer.push(b"sent\n").unwrap();
    let mut batch = Vec::new();
    consumer.take(1000, &mut batch);
    let name = consumer.batch_name();
    producer.push(b"later\n").unwrap();

    let me = queue.join(1, std::process::id());
    let mut adopted = me.adopt();
    assert_eq!(adopted.len(), 1);
    assert!(me.adopt().is_empty(), "once");
    let mut consumer = adopted.remove(0);
    consumer.take(1000, &mut batch);
    assert_eq!((batch.as_slice(), consumer.batch_name()), (&b"sent\n"[..], name));
    consumer.advance(batch.len());
    consumer.take(1000, &mut batch);
    assert_eq!(batch, b"later\n");
    consumer.advance(batch.len());
    consumer.release();
    assert_eq!(queue.stats().capacity, 0, "free again");
}

#[test]
fn living_workers_keep_their_rings_when_none_is_free() {
    let (_memory, queue) = Memory::queue(2, 64);
    let me = queue.join(1, std::process::id());
    let other = queue.join(2, std::process::id());
    let _one = me.claim().unwrap();
    let _two = other.claim().unwrap();
    assert!(me.claim().is_none());
    assert!(me.adopt().is_empty());
}

#[test]
fn a_ring_is_adopted_although_the_process_id_of_its_owner_is_reused() {
    let (_memory, queue) = Memory::queue(2, 64);
    // Slot and process id are both reused after the death of their first owner.
    let (mut producer, _consumer) = queue.join(3, std::process::id()).claim().unwrap();
    producer.push(b"left\n").unwrap();
    let again = queue.join(3, std::process::id());
    assert_eq!(again.adopt().len(), 1);
    assert_eq!(queue.waiting(), (1, 5));
}

#[test]
fn another_ring_size_is_refused() {
    let (mut memory, _) = Memory::queue(2, 64);
    let len = RecordQueue::bytes(2, 64);
    assert_eq!(
        memory.attach(len, 128).err(),
        Some(AttachError::OtherSize { found: 64, given: 128 })
    );
    assert!(memory.attach(len, 64).is_ok());
    assert!(matches!(memory.attach(10, 64), Err(AttachError::TooSmall { .. })));
}

#[test]
fn producer_and_consumer_run_in_parallel() {
    let (_memory, queue) = Memory::queue(1, 4096);
    let (mut producer, mut consumer) = queue.join(1, ME).claim().unwrap();
    let lines = if cfg!(miri) { 100 } else { 20_000 };
    let writer = std::thread::spawn(move || {
        for number in 0..lines {
            let line = format!("{number}:{}\n", "x".repeat(number % 97));
            while producer.push(line.as_bytes()).is_err() {
                std::thread::yield_now();
            }
        }
    });
    let (mut batch, mut next) = (Vec::new(), 0);
    while next < lines {
        consumer.take(1000, &mut batch);
        for line in batch.split_inclusive(|byte| *byte == b'\n') {
            assert_eq!(line, format!("{next}:{}\n", "x".repeat(next % 97)).as_bytes());
            next += 1;
        }
        consumer.advance(batch.len());
    }
    writer.join().unwrap();
}

proptest! {
    #![proptest_config(crate::testing::proptest_config())]

    #[test]
    fn it_behaves_like_a_bounded_list_of_lines(steps in prop::collection::vec((0_usize..90, 1_usize..200), 1..if cfg!(miri) { 20 } else { 200 })) {
        let (_memory, queue) = Memory::queue(1, 256);
        let (mut producer, mut consumer) = queue.join(1, ME).claim().unwrap();
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        let mut batch = Vec::new();
        for (len, limit) in steps {
            let mut line = vec![b'a' + (len % 26) as u8; len];
            line.push(b'\n');
            let used: usize = model.iter().map(Vec::len).sum();
            let fits = used + line.len() <= 256;
            prop_assert_eq!(producer.push(&line).is_ok(), fits);
            if fits {
                model.push_back(line);
            }
            if limit % 3 == 0 {
                consumer.take(limit, &mut batch);
                let mut rest = &batch[..];
                while !rest.is_empty() {
                    let line = model.pop_front().unwrap();
                    prop_assert!(rest.starts_with(&line));
                    rest = &rest[line.len()..];
                }
                consumer.advance(batch.len());
            }
        }
    }
}
