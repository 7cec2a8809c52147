//! Session ids.

use std::fmt;
use std::str::FromStr;

/// 128 bits, shown as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl SessionId {
    /// The 32 digits, without allocating.
    pub fn to_hex(self) -> [u8; 32] {
        hex(&self.0)
    }
}

/// Lower-case hexadecimal digits of 16 bytes.
#[inline]
pub fn hex(bytes: &[u8; 16]) -> [u8; 32] {
    let mut text = [0; 32];
    for (digits, bytes) in text.as_chunks_mut::<8>().0.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *digits = digits_of(u32::from_le_bytes(*bytes)).to_le_bytes();
    }
    text
}

/// The eight digits of four bytes, the first in the lowest byte, all at once.
#[inline]
fn digits_of(bytes: u32) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // A byte to every two; then its high half in front of its low one.
    let spread = u64::from(bytes);
    let spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff;
    let spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff;
    let halves = (spread >> 4 & 0x000f_000f_000f_000f) | (spread & 0x000f_000f_000f_000f) << 8;
    // 10 and more carry into bit 4 with 6 added, and stand 39 further on in ASCII.
    let letters = (halves + 6 * EACH) >> 4 & EACH;
    halves + EACH * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)
}

/// Not 32 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session id is 32 lower-case hexadecimal digits")]
pub struct BadSessionId;

impl FromStr for SessionId {
    type Err = BadSessionId;

    fn from_str(text: &str) -> Result<Self, BadSessionId> {
        let digits = text.as_bytes();
        if digits.len() != 32 {
            return Err(BadSessionId);
        }
        let mut id = [0; 16];
        for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| match digit {
                b'0'..=b'9' => Ok(digit - b'0'),
                b'a'..=b'f' => Ok(digit - b'a' + 10),
                _ => Err(BadSessionId),
            };
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(id))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_hex().iter().try_for_each(|digit| fmt::Write::write_char(f, char::from(*digit)))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_digits_at_every_place() {
        for first in 0..=255_u8 {
            let bytes: [u8; 16] =
                std::array::from_fn(|at| first.wrapping_add((at as u8).wrapping_mul(37)));
            let expected: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex(&bytes), expected.as_bytes());
        }
    }
}
