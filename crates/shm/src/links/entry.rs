//! One entry, and its layout in four words.
//!
//! | word | content |
//! | --- | --- |
//! | 0 | key; 0: free |
//! | 1, 2 | session |
//! | 3 | last used, seconds since 1970 (32 bits), flags (16), counters of an address (2 × 8) or place of a value (16) |

use api_sessions_protocol::SessionId;

use crate::hash::{id_from_words, id_words};

/// Words of an entry.
pub(super) const WORDS: usize = 4;
/// A replaced value ranks like any other for this time, seconds, because requests in progress may still use it.
const REPLACED_S: u32 = 60;

/// What is known about the entry's value or address, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkFlags(pub u16);

impl LinkFlags {
    /// It was issued to two sessions and permanently identifies none.
    pub const DEMOTED: Self = Self(1);
    /// A client has sent the value back.
    pub const RETURNED: Self = Self(2);
    /// A newer value has replaced it.
    pub const REPLACED: Self = Self(4);
    /// Address: it has had exactly one session.
    pub const ONE: Self = Self(8);
    /// Address: it has had several sessions.
    pub const MANY: Self = Self(16);
    /// Address: one of its sessions has the address's own id.
    pub const TAKEN: Self = Self(32);
    /// Address: the identifier of its session was deleted.
    pub const DELETED: Self = Self(64);

    /// Whether all of `flags` are set.
    #[inline]
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Adds `flags`.
    #[must_use]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// Removes `flags`.
    #[must_use]
    pub fn without(self, flags: Self) -> Self {
        Self(self.0 & !flags.0)
    }
}

/// An entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The session.
    pub session: SessionId,
    /// Last use, seconds since 1970.
    pub used_s: u32,
    /// What is known about the value or address.
    pub flags: LinkFlags,
    /// Address: sessions that were issued but have not come back.
    pub pending: u8,
    /// Address: sessions that have come back.
    pub returned: u8,
}

impl Default for Link {
    fn default() -> Self {
        Self::new(SessionId([0; 16]), 0)
    }
}

impl Link {
    /// Links to a session, last used at `used_s` (seconds since 1970).
    pub fn new(session: SessionId, used_s: u32) -> Self {
        Self { session, used_s, flags: LinkFlags(0), pending: 0, returned: 0 }
    }

    /// Links a value to the session it was issued to, at `place`, a short hash of an address; 0: unknown.
    pub fn issued(session: SessionId, used_s: u32, place: u16) -> Self {
        let [pending, returned] = place.to_le_bytes();
        Self { pending, returned, ..Self::new(session, used_s) }
    }

    /// Value: where it was first issued; 0: unknown.
    #[inline]
    pub fn place(&self) -> u16 {
        u16::from_le_bytes([self.pending, self.returned])
    }

    /// Whether it identifies no session ([`LinkFlags::DEMOTED`]).
    #[inline]
    pub fn is_demoted(&self) -> bool {
        self.flags.has(LinkFlags::DEMOTED)
    }

    pub(super) fn is_expired(&self, now_s: u32, inactive_s: u32) -> bool {
        now_s.saturating_sub(self.used_s) > inactive_s
    }

    /// Rank for eviction: the entry with the smallest rank goes first.
    pub(super) fn rank(&self, now_s: u32, inactive_s: u32) -> (u8, u32) {
        let age = now_s.saturating_sub(self.used_s);
        let class = if age > inactive_s {
            0
        } else if self.flags.has(LinkFlags::REPLACED) && age > REPLACED_S {
            1
        } else if self.flags.0 & !LinkFlags::REPLACED.0 == 0 {
            2
        } else {
            3
        };
        (class, self.used_s)
    }

    pub(super) fn words(&self) -> [u64; WORDS - 1] {
        let [low, high] = id_words(&self.session);
        let counters = u64::from(self.pending) << 48 | u64::from(self.returned) << 56;
        [low, high, u64::from(self.used_s) | u64::from(self.flags.0) << 32 | counters]
    }

    #[inline]
    pub(super) fn from_words([low, high, rest]: [u64; WORDS - 1]) -> Self {
        Self {
            session: id_from_words([low, high]),
            used_s: rest as u32,
            flags: LinkFlags((rest >> 32) as u16),
            pending: (rest >> 48) as u8,
            returned: (rest >> 56) as u8,
        }
    }
}
