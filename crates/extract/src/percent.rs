//! Percent decoding (RFC 3986) and `+` (HTML forms).

use crate::limits::MAX_VALUE_BYTES;

/// Decodes `input`, up to [`MAX_VALUE_BYTES`]; borrows it if nothing is encoded. A `%` that is not followed by two
/// hexadecimal digits is kept, as in browsers and most frameworks.
pub fn decode<'v>(input: &'v [u8], plus: bool, buffer: &'v mut Vec<u8>) -> Option<&'v [u8]> {
    decode_up_to(MAX_VALUE_BYTES, input, plus, buffer)
}

/// As [`decode`], without a length limit, for searching the value.
pub fn decode_whole<'v>(input: &'v [u8], plus: bool, buffer: &'v mut Vec<u8>) -> Option<&'v [u8]> {
    decode_up_to(usize::MAX, input, plus, buffer)
}

fn decode_up_to<'v>(
    most: usize,
    input: &'v [u8],
    plus: bool,
    buffer: &'v mut Vec<u8>,
) -> Option<&'v [u8]> {
    let first = if plus { memchr::memchr2(b'%', b'+', input) } else { memchr::memchr(b'%', input) };
    let Some(first) = first else { return Some(input) };
    buffer.clear();
    buffer.extend_from_slice(&input[..first.min(most)]);
    for byte in (Decoded { rest: &input[first..], plus }) {
        if buffer.len() >= most {
            break;
        }
        buffer.push(byte);
    }
    Some(buffer)
}

/// Whether the decoded form of `input` is `name`, without decoding it anywhere.
pub fn equals(input: &[u8], plus: bool, name: &[u8]) -> bool {
    // Encoded text is never shorter than decoded text.
    input.len() >= name.len() && (Decoded { rest: input, plus }).eq(name.iter().copied())
}

/// Iterates over the decoded bytes.
struct Decoded<'v> {
    rest: &'v [u8],
    plus: bool,
}

impl Iterator for Decoded<'_> {
    type Item = u8;

    #[inline]
    fn next(&mut self) -> Option<u8> {
        let (byte, behind) = self.rest.split_first()?;
        self.rest = behind;
        Some(match (byte, behind) {
            (b'%', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    self.rest = tail;
                    high << 4 | low
                }
                _ => b'%',
            },
            (b'+', _) if self.plus => b' ',
            _ => *byte,
        })
    }
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

/// Encodes a value as clients do: everything but letters, digits and `-_.!~*'()` (`encodeURIComponent`).
pub fn encode(input: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(input.len());
    for byte in input {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(byte) {
            encoded.push(*byte);
        } else {
            let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0') as u8;
            encoded
                .extend([b'%', digit(byte >> 4), digit(byte & 15)].map(|b| b.to_ascii_uppercase()));
        }
    }
    encoded
}
