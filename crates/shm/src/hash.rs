//! Where ids lie: a keyed hash of 16 bytes that costs three multiplications.
//!
//! Ids are made by a keyed hash already ([`api_sessions_protocol::SessionId`]), so nobody outside can choose them;
//! that ids which differ little lie far apart, and that nobody who knows the ids knows their places, is this
//! hash's part. Nothing that it gives is ever shown.

/// The hash of an id under a zone's key.
#[inline]
pub(crate) fn hash(id: [u64; 2], key: [u64; 2]) -> u64 {
    mix(fold(id[0] ^ key[0], id[1] ^ key[1]) ^ key[0])
}

/// Mixes a product of numbers that follow each other, which by itself is a pattern.
#[inline]
fn mix(mut n: u64) -> u64 {
    n = (n ^ n >> 32).wrapping_mul(MIX);
    n = (n ^ n >> 29).wrapping_mul(MIX);
    n ^ n >> 32
}

/// Of the mixer known as "rrmxmx": spreads each bit over the word.
const MIX: u64 = 0x9fb2_1c65_1e98_df25;

/// Both halves of the product, in one word.
#[inline]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211];

    /// Chi squared of `hashes` over 256 places that `place` picks: about 255 where they are even.
    fn unevenness(hashes: &[u64], place: impl Fn(u64) -> u64) -> f64 {
        let mut counts = [0u32; 256];
        hashes.iter().for_each(|hash| counts[(place(*hash) & 255) as usize] += 1);
        let expected = hashes.len() as f64 / 256.0;
        counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
    }

    #[test]
    fn ids_that_differ_little_lie_far_apart() {
        for shift in [0, 20, 32, 63, 64, 90, 111] {
            let id = |n: u128| {
                let id = n << shift;
                [id as u64, (id >> 64) as u64]
            };
            let hashes: Vec<u64> = (0..1u128 << 16).map(|n| hash(id(n), KEY)).collect();
            for bits in [0, 8, 16, 24, 32, 40, 48, 56] {
                let found = unevenness(&hashes, |hash| hash >> bits);
                // 255 and eight standard deviations.
                assert!(found < 255.0 + 8.0 * 22.6, "{shift} {bits}: {found}");
            }
        }
    }

    #[test]
    fn another_key_is_another_order() {
        let ids = (0..1000u64).map(|n| [n, n]);
        let same = ids.filter(|id| hash(*id, KEY) == hash(*id, [KEY[1], KEY[0]])).count();
        assert_eq!(same, 0);
    }
}
