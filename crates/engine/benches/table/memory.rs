//! Memory as NGINX's zones have it.

use std::ptr::{NonNull, null_mut};

/// Shared, zeroed, never given back. Small pages, as a zone's.
pub(crate) fn shared(len: usize) -> NonNull<u8> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
    // SAFETY: a new mapping, of no file, anywhere.
    let base = unsafe { libc::mmap(null_mut(), len, access, kind, -1, 0) };
    assert_ne!(base, libc::MAP_FAILED);
    NonNull::new(base.cast()).expect("an address")
}
