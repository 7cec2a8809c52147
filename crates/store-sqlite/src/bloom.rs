//! Bloom filters over the sessions and batches of a closed segment, so that most look-ups skip its file.

use super::codec::Key;

/// Bits per key: a false-positive rate of one in 300.
const BITS: usize = 12;
/// Bits set for each key.
const HASHES: u64 = 7;

/// A set with false positives and no false negatives.
#[derive(Debug, Default)]
pub(super) struct Bloom(Vec<u64>);

impl Bloom {
    /// An empty set sized for this many keys.
    pub(super) fn with_capacity(keys: usize) -> Bloom {
        Bloom(vec![0; (keys * BITS).div_ceil(64).max(1)])
    }

    pub(super) fn insert(&mut self, key: &Key) {
        for bit in bits(key, self.0.len()) {
            if let Some(word) = self.0.get_mut(bit / 64) {
                *word |= 1 << (bit % 64);
            }
        }
    }

    /// `false`: the key was never inserted.
    pub(super) fn may_have(&self, key: &Key) -> bool {
        bits(key, self.0.len())
            .all(|bit| self.0.get(bit / 64).is_some_and(|word| word & (1 << (bit % 64)) != 0))
    }

    /// The stored form: little-endian words.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// Parses [`Bloom::to_bytes`]; `None`: the bytes are damaged.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Bloom> {
        let (words, rest) = bytes.as_chunks::<8>();
        (rest.is_empty() && !words.is_empty())
            .then(|| Bloom(words.iter().map(|word| u64::from_le_bytes(*word)).collect()))
    }
}

/// Double hashing over two mixed halves of the key, since keys may be as regular as a counter.
fn bits(key: &Key, words: usize) -> impl Iterator<Item = usize> {
    let n = u128::from_le_bytes(*key);
    let one = mix(n as u64 ^ mix((n >> 64) as u64));
    let two = mix(one ^ (n >> 64) as u64) | 1;
    let size = words as u64 * 64;
    (0..HASHES).map(move |n| (one.wrapping_add(n.wrapping_mul(two)) % size) as usize)
}

/// The finalizer of SplitMix64.
fn mix(mut n: u64) -> u64 {
    n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_inserted_is_found_and_little_else() {
        let key = |n: u128| n.to_be_bytes();
        let mut bloom = Bloom::with_capacity(10_000);
        (0..10_000).for_each(|n| bloom.insert(&key(n)));
        let bloom = Bloom::from_bytes(&bloom.to_bytes()).unwrap();
        assert!((0..10_000).all(|n| bloom.may_have(&key(n))));
        let wrong = (10_000..110_000).filter(|n| bloom.may_have(&key(*n))).count();
        assert!(wrong < 1_000, "{wrong}");
        assert!(Bloom::from_bytes(&[1, 2, 3]).is_none());
    }
}
