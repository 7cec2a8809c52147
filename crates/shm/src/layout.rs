//! What lies where in the zone. All-zero sets are valid empty sets: a fresh zone's memory is not
//! touched before it is used.
//!
//! ```text
//! Header | Owner × 1024 | Set | Set | …            Set = SetHead + Entry × 15
//! ```

use std::sync::atomic::{AtomicU32, AtomicU64};

use super::lock::SetLock;
use super::owner::{Life, MAX_SLOTS};

/// Sessions in a set.
pub(crate) const WAYS: usize = 15;
/// Words of an entry.
pub(crate) const WORDS: usize = 16;
/// Alignment of the zone, which is that of its parts.
pub(crate) const ALIGN: usize = 64;

/// Marks a zone that [`super::SessionTable::attach`] has initialised.
pub(crate) const MAGIC: u64 = u64::from_be_bytes(*b"apisess\x01");
/// Changes with every change of this file or of what the words of an entry mean.
pub(crate) const VERSION: u32 = 4;

/// Start of the zone. All but `magic` and `inactive_ms` is written once, before workers exist.
#[repr(C, align(64))]
pub(crate) struct Header {
    pub(crate) magic: AtomicU64,
    pub(crate) version: AtomicU32,
    pub(crate) sets: AtomicU32,
    pub(crate) bytes: AtomicU64,
    pub(crate) inactive_ms: AtomicU64,
    pub(crate) hash_key: [AtomicU64; 2],
    pub(crate) secret: [u8; 32],
}

/// One process slot. Written by the process that has the slot, and by no other.
#[repr(C, align(64))]
pub(crate) struct Owner {
    pub(crate) life: Life,
    /// Set whose lock the owner holds, asks for or last had, plus 1: what its successor looks at.
    pub(crate) set: AtomicU32,
    pub(crate) counters: Counters,
}

/// Counters of one slot, over all its lives.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) hits: AtomicU64,
    pub(crate) inserts: AtomicU64,
    pub(crate) evicted_idle: AtomicU64,
    pub(crate) evicted_live: AtomicU64,
    pub(crate) evicted_provisional: AtomicU64,
    pub(crate) taken_back: AtomicU64,
    pub(crate) lock_busy: AtomicU64,
    pub(crate) sets_recovered: AtomicU64,
    pub(crate) sessions_lost: AtomicU64,
    pub(crate) malicious: AtomicU64,
    pub(crate) detected: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) duplicate_cookies: AtomicU64,
}

/// One line that says everything about a set but the sessions themselves.
#[repr(C, align(64))]
pub(crate) struct SetHead {
    pub(crate) lock: SetLock,
    /// Low 16 bits: ways in use; high 16 bits: ways whose session is confirmed.
    pub(crate) ways: AtomicU32,
    /// Ways from the most to the least recently used, a nibble each, xor [`super::order`]'s identity.
    pub(crate) order: AtomicU64,
    /// A byte of each session's hash.
    pub(crate) tags: [AtomicU64; 2],
    /// A byte of the hash of each session's last client.
    pub(crate) clients: [AtomicU64; 2],
    /// Pairs of lines, which processors fetch together, then hold one entry each.
    pub(crate) spare: [AtomicU64; 9],
}

/// One session; see [`super::entry`].
#[repr(C, align(64))]
pub(crate) struct Entry(pub(crate) [AtomicU64; WORDS]);

/// Sessions that lock, age and are evicted together. Half a page, so that an operation misses one
/// page at most: with many sessions that is what it costs.
#[repr(C, align(64))]
pub(crate) struct Set {
    pub(crate) head: SetHead,
    pub(crate) entries: [Entry; WAYS],
}

/// First set, from the start of the zone.
pub(crate) const SETS_AT: usize =
    (size_of::<Header>() + size_of::<Owners>()).next_multiple_of(size_of::<Set>());

/// All slots.
pub(crate) type Owners = [Owner; MAX_SLOTS as usize];

const _: () = {
    assert!(size_of::<Header>() == 128);
    assert!(size_of::<Owner>() == 128);
    assert!(size_of::<SetHead>() == 128);
    assert!(size_of::<Entry>() == 128);
    // 7,680 sessions a megabyte; 7,500 is the bar.
    assert!(size_of::<Set>() == 2048);
    assert!(SETS_AT.is_multiple_of(ALIGN));
};
