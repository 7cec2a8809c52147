//! One entry, and how it lies in four words.
//!
//! | word | content |
//! | --- | --- |
//! | 0 | key; 0: free |
//! | 1, 2 | session |
//! | 3 | last used, seconds since 1970 (32 bits), flags (16), two counters of an address (8 each) or the place of a value (16) |

use api_sessions_protocol::SessionId;

use crate::hash::{id_from_words, id_words};

/// Words of an entry.
pub(super) const WORDS: usize = 4;
/// A value that a newer one has replaced is kept at least so long for requests under way, seconds.
const REPLACED_S: u32 = 60;

/// What an entry says of its value or address, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkFlags(pub u16);

impl LinkFlags {
    /// Belongs to nobody, for good: it was issued to two.
    pub const DEMOTED: Self = Self(1);
    /// A client has brought it back.
    pub const RETURNED: Self = Self(2);
    /// A newer value has replaced it.
    pub const REPLACED: Self = Self(4);
    /// Of an address: it has had exactly one session.
    pub const ONE: Self = Self(8);
    /// Of an address: it has had several sessions.
    pub const MANY: Self = Self(16);
    /// Of an address: a session of it has the address's own id.
    pub const TAKEN: Self = Self(32);
    /// Of an address: its session's identifier was deleted.
    pub const DELETED: Self = Self(64);

    /// Whether all of `flags` are set.
    #[inline]
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// With `flags` too.
    #[must_use]
    pub const fn with(self, flags: Self) -> Self {
        Self(self.0 | flags.0)
    }

    /// Without `flags`.
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
    /// What is known.
    pub flags: LinkFlags,
    /// Of an address: sessions that were issued and have not come back.
    pub pending: u8,
    /// Of an address: sessions that came back.
    pub returned: u8,
}

impl Default for Link {
    fn default() -> Self {
        Self::new(SessionId([0; 16]), 0)
    }
}

impl Link {
    /// Of a session, used at `used_s`.
    pub fn new(session: SessionId, used_s: u32) -> Self {
        Self { session, used_s, flags: LinkFlags(0), pending: 0, returned: 0 }
    }

    /// Of a value that was issued to a session at `place`, a short hash of an address; 0: not known where.
    pub fn issued(session: SessionId, used_s: u32, place: u16) -> Self {
        let [pending, returned] = place.to_le_bytes();
        Self { pending, returned, ..Self::new(session, used_s) }
    }

    /// Of a value: where it was first issued. 0: not known.
    #[inline]
    pub fn place(&self) -> u16 {
        u16::from_le_bytes([self.pending, self.returned])
    }

    /// Belongs to nobody.
    #[inline]
    pub fn is_demoted(&self) -> bool {
        self.flags.has(LinkFlags::DEMOTED)
    }

    pub(super) fn is_expired(&self, now_s: u32, inactive_s: u32) -> bool {
        now_s.saturating_sub(self.used_s) > inactive_s
    }

    /// Of two entries the one with the smaller rank is evicted first.
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
