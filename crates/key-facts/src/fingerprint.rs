//! Keyed fingerprints, equal on all nodes with the same secret.

use std::hash::Hasher as _;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// Key for fingerprints.
#[derive(Clone)]
pub struct Key {
    seed: u64,
    shared: SharedSeed,
}

impl Key {
    /// Creates a key from a secret of 16 bytes.
    pub fn new(secret: [u64; 2]) -> Self {
        Self { seed: secret[0], shared: SharedSeed::from_u64(secret[1]) }
    }

    /// Fingerprint of bytes for one purpose; never 0, which means none.
    #[inline]
    pub fn fingerprint(&self, purpose: u8, bytes: &[u8]) -> u32 {
        let mut hasher = FoldHasher::with_seed(self.seed ^ u64::from(purpose), &self.shared);
        hasher.write(bytes);
        (hasher.finish() as u32).max(1)
    }

    /// Fingerprint of a client: of its network and its `User-Agent`. Its order among others is that of both, and
    /// [`network_of`] tells its network.
    #[inline]
    pub fn client(&self, network: u32, agent: u32) -> u32 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write_u64(u64::from(network) << 32 | u64::from(agent));
        (hasher.finish() as u32 & !NETWORK | network_of(network)).max(1)
    }
}

/// The bits of a client's fingerprint that tell its network.
const NETWORK: u32 = 0xfff;

/// What the fingerprints of all clients of a network have in common; one of 4096.
#[inline]
pub(crate) fn network_of(client: u32) -> u32 {
    client & NETWORK
}

/// The first distinct fingerprints, up to N.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprints<const N: usize> {
    len: u8,
    items: [u32; N],
}

impl<const N: usize> Default for Fingerprints<N> {
    fn default() -> Self {
        Self { len: 0, items: [0; N] }
    }
}

impl<const N: usize> Fingerprints<N> {
    /// Adds a fingerprint, if it is new and there is room.
    #[inline]
    pub fn add(&mut self, item: u32) {
        if self.as_slice().contains(&item) {
            return;
        }
        if let Some(free) = self.items.get_mut(usize::from(self.len)) {
            *free = item;
            self.len += 1;
        }
    }

    /// Adds several fingerprints.
    pub fn merge(&mut self, items: &[u32]) {
        items.iter().for_each(|item| self.add(*item));
    }

    /// Number of fingerprints, at most N.
    #[inline]
    pub fn count(&self) -> u32 {
        self.len.into()
    }

    /// All fingerprints, in the order of insertion.
    #[inline]
    pub fn as_slice(&self) -> &[u32] {
        self.items.get(..usize::from(self.len)).unwrap_or_default()
    }
}
