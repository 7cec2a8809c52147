//! Arguments of a query or a urlencoded body.

use super::percent;

/// Raw name and raw value of each argument, in order; an argument without `=` has an empty value.
pub fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()).map(|piece| {
        match memchr::memchr(b'=', piece) {
            Some(at) => (&piece[..at], &piece[at + 1..]),
            None => (piece, &piece[..0]),
        }
    })
}

/// Raw value of the n-th argument whose decoded name is `name`.
pub fn find<'q>(query: &'q [u8], name: &[u8], nth: u32) -> Option<&'q [u8]> {
    pairs(query)
        .filter(|(raw, _)| percent::equals(raw, true, name))
        .nth(nth as usize)
        .map(|(_, value)| value)
}
