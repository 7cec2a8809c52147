//! A keyed hash of session ids that costs three multiplications.
//!
//! Ids are themselves keyed hashes ([`SessionId`]), so a client cannot choose them. This hash spreads similar ids over
//! the table and hides the location of an id even from those who know the id; its values never leave the process.

use api_sessions_protocol::SessionId;

/// The two words of an id.
#[inline]
pub(crate) fn id_words(id: &SessionId) -> [u64; 2] {
    words(&id.0)
}

/// Inverse of [`id_words`].
pub(crate) fn id_from_words([low, high]: [u64; 2]) -> SessionId {
    SessionId((u128::from(low) | u128::from(high) << 64).to_le_bytes())
}

/// 16 bytes as two words.
#[inline]
pub(crate) fn words(bytes: &[u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(*bytes);
    [both as u64, (both >> 64) as u64]
}

/// The hash of an id under the key of a zone.
#[inline]
pub(crate) fn hash(id: [u64; 2], key: [u64; 2]) -> u64 {
    mix(fold(id[0] ^ key[0], id[1] ^ key[1]) ^ key[0])
}

/// Breaks up the pattern in the products of consecutive numbers.
#[inline]
fn mix(mut n: u64) -> u64 {
    n = (n ^ n >> 32).wrapping_mul(MIX);
    n = (n ^ n >> 29).wrapping_mul(MIX);
    n ^ n >> 32
}

/// Multiplier of the "rrmxmx" mixer, which spreads each bit over the word.
const MIX: u64 = 0x9fb2_1c65_1e98_df25;

/// The two halves of the 128-bit product, combined with XOR.
#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3211];

    /// Chi-squared of `hashes` over the 256 buckets of `bucket`: about 255 if they are evenly spread.
    fn unevenness(hashes: &[u64], bucket: impl Fn(u64) -> u64) -> f64 {
        let mut counts = [0u32; 256];
        hashes.iter().for_each(|hash| counts[(bucket(*hash) & 255) as usize] += 1);
        let expected = hashes.len() as f64 / 256.0;
        counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
    }

    #[test]
    fn similar_ids_lie_far_apart() {
        let shifts: &[u32] = if cfg!(miri) { &[20] } else { &[0, 20, 32, 63, 64, 90, 111] };
        for shift in shifts {
            let id = |n: u128| {
                let id = n << shift;
                [id as u64, (id >> 64) as u64]
            };
            let ids = 1u128 << if cfg!(miri) { 12 } else { 16 };
            let hashes: Vec<u64> = (0..ids).map(|n| hash(id(n), KEY)).collect();
            for bits in [0, 8, 16, 24, 32, 40, 48, 56] {
                let found = unevenness(&hashes, |hash| hash >> bits);
                // 255 plus eight standard deviations.
                assert!(found < 255.0 + 8.0 * 22.6, "{shift} {bits}: {found}");
            }
        }
    }

    #[test]
    fn another_key_gives_another_order() {
        let ids = (0..1000u64).map(|n| [n, n]);
        let same = ids.filter(|id| hash(*id, KEY) == hash(*id, [KEY[1], KEY[0]])).count();
        assert_eq!(same, 0);
    }

    #[test]
    fn an_id_survives_its_words() {
        let id = SessionId(*b"0123456789abcdef");
        assert_eq!(id_from_words(id_words(&id)), id);
    }
}
