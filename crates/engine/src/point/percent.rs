//! Percent decoding (RFC 3986) and `+` (HTML forms).

use super::MAX_VALUE_BYTES;

/// Decodes `input`; borrowed as it is where nothing is encoded. A `%` that no two hexadecimal digits
/// follow stays, as browsers and most frameworks have it.
pub fn decode<'v>(input: &'v [u8], plus: bool, buffer: &'v mut Vec<u8>) -> Option<&'v [u8]> {
    let first = if plus { memchr::memchr2(b'%', b'+', input) } else { memchr::memchr(b'%', input) };
    let Some(first) = first else { return Some(input) };
    buffer.clear();
    buffer.extend_from_slice(&input[..first.min(MAX_VALUE_BYTES)]);
    let mut rest = &input[first..];
    while let Some((byte, behind)) = rest.split_first() {
        if buffer.len() >= MAX_VALUE_BYTES {
            break;
        }
        rest = behind;
        buffer.push(match (byte, behind) {
            (b'%', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = tail;
                    high << 4 | low
                }
                _ => b'%',
            },
            (b'+', _) if plus => b' ',
            _ => *byte,
        });
    }
    Some(buffer)
}

/// Whether the decoded form of `input` is `name`, without decoding it anywhere.
pub fn equals(input: &[u8], plus: bool, name: &[u8]) -> bool {
    if input.len() < name.len() {
        return false;
    }
    let (mut rest, mut wanted) = (input, name.iter());
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        let decoded = match (byte, behind) {
            (b'%', [high, low, tail @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    rest = tail;
                    high << 4 | low
                }
                _ => b'%',
            },
            (b'+', _) if plus => b' ',
            _ => *byte,
        };
        if wanted.next() != Some(&decoded) {
            return false;
        }
    }
    wanted.next().is_none()
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}
