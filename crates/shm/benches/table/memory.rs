//! Memory as NGINX's zones have it.

use std::hint::black_box;
use std::ptr::{NonNull, null_mut};
use std::time::Instant;

/// Shared, zeroed, never given back. Small pages, as a zone's.
pub(crate) fn shared(len: usize) -> NonNull<u8> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, of no file, anywhere.
    let base = unsafe { libc::mmap(null_mut(), len, access, kind, -1, 0) };
    assert_ne!(base, libc::MAP_FAILED);
    NonNull::new(base.cast()).expect("an address")
}

/// Nanoseconds of one read at random of `bytes` of such memory, each after the last.
pub(crate) fn read_ns(bytes: usize, reads: u64) -> f64 {
    let words = bytes / 8;
    // SAFETY: zeroed, of that length, unmapped by nobody, and no other reference to it.
    let memory = unsafe { std::slice::from_raw_parts_mut(shared(bytes).cast().as_ptr(), words) };
    // Every line, so that what is read is not the one page of zeros.
    memory.iter_mut().step_by(8).for_each(|word: &mut u64| *word = 1);
    let mut at = 1u64;
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    let start = Instant::now();
    for _ in 0..reads {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(at);
        let word = ((u128::from(random) * (words as u128 / 8)) >> 64) as usize * 8;
        at = black_box(memory[word]);
    }
    let spent = start.elapsed().as_nanos() as f64 / reads as f64;
    // SAFETY: mapped above with this length; nothing refers to it any more.
    unsafe { libc::munmap(memory.as_mut_ptr().cast(), bytes) };
    spent
}
