//! The frames on an HTTP/3 request stream (RFC 9114, 7.1), as far as a body has arrived.

/// Extracts the payload of DATA frames, piece by piece. Other frames are skipped; a HEADERS frame (trailers) ends the
/// body.
#[derive(Debug, Default)]
pub struct Http3Frames {
    at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// A frame's type or, if that is known, its length.
    Number {
        kind: Option<u64>,
        number: Integer,
    },
    /// `left` bytes of a frame of this type follow.
    Payload {
        kind: u64,
        left: u64,
    },
    End,
}

impl Default for At {
    fn default() -> Self {
        Self::Number { kind: None, number: Integer::default() }
    }
}

/// A variable-length integer (RFC 9000, 16): the value so far, and the number of bytes left once the first has been
/// seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Integer {
    value: u64,
    left: Option<u8>,
}

const DATA: u64 = 0;
const HEADERS: u64 = 1;

impl Http3Frames {
    /// Takes the next bytes of the stream and passes the payload of DATA frames to `give`, piece by piece.
    pub fn feed(&mut self, mut bytes: &[u8], mut give: impl FnMut(&[u8])) {
        while let Some((first, rest)) = bytes.split_first() {
            self.at = match self.at {
                At::End => return,
                At::Payload { kind, left } => {
                    let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    let (payload, behind) = bytes.split_at(len);
                    if kind == DATA {
                        give(payload);
                    }
                    bytes = behind;
                    payload_of(kind, left - len as u64)
                }
                At::Number { kind, number } => {
                    bytes = rest;
                    match number.take(*first) {
                        Integer { value, left: Some(0) } => behind_number(kind, value),
                        number => At::Number { kind, number },
                    }
                }
            };
        }
    }

    /// Whether nothing of the body follows.
    pub fn has_ended(&self) -> bool {
        self.at == At::End
    }
}

impl Integer {
    fn take(self, byte: u8) -> Self {
        match self.left {
            None => Self { value: u64::from(byte & 0x3f), left: Some((1 << (byte >> 6)) - 1) },
            Some(left) => Self {
                value: self.value << 8 | u64::from(byte),
                left: Some(left.saturating_sub(1)),
            },
        }
    }
}

fn behind_number(kind: Option<u64>, value: u64) -> At {
    match kind {
        None if value == HEADERS => At::End,
        None => At::Number { kind: Some(value), number: Integer::default() },
        Some(kind) => payload_of(kind, value),
    }
}

fn payload_of(kind: u64, left: u64) -> At {
    if left == 0 { At::default() } else { At::Payload { kind, left } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let (mut frames, mut body) = (Http3Frames::default(), Vec::new());
        for piece in pieces {
            frames.feed(piece, |data| body.extend_from_slice(data));
        }
        (body, frames.has_ended())
    }

    /// An integer encoded in 1, 2, 4 or 8 bytes.
    fn integer(value: u64, bytes: usize) -> Vec<u8> {
        let mut all = (value | (bytes.trailing_zeros() as u64) << (bytes * 8 - 2)).to_be_bytes();
        all.rotate_left(8 - bytes);
        all[..bytes].to_vec()
    }

    #[test]
    fn data_is_found_and_trailers_end_it() {
        let data = b"\x00\x05hello";
        assert_eq!(decode(&[data]), (b"hello".to_vec(), false));
        // Empty data, a reserved (grease) frame, trailers, and a frame that must not follow them.
        let all = b"\x00\x00\x40\x21\x02xx\x00\x05hello\x01\x02yy\x00\x01!";
        assert_eq!(decode(&[all]), (b"hello".to_vec(), true));
        assert_eq!(decode(&[b"\x00\x40\x05hel"]), (b"hel".to_vec(), false));
        assert_eq!(decode(&[&[0xff; 40]]), (Vec::new(), false));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_body_in_any_frames_and_pieces_is_found(
            frames in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..60), 0_u32..4, prop_oneof![Just(0_u64), Just(0x21)]), 0..6),
            size in 1_usize..9,
        ) {
            let (mut raw, mut body) = (Vec::new(), Vec::new());
            for (payload, log, kind) in &frames {
                raw.extend_from_slice(&integer(*kind, 1 << log));
                raw.extend_from_slice(&integer(payload.len() as u64, 1 << log));
                raw.extend_from_slice(payload);
                if *kind == DATA {
                    body.extend_from_slice(payload);
                }
            }
            let pieces: Vec<_> = raw.chunks(size).collect();
            prop_assert_eq!(decode(&pieces), (body, false));
        }
    }
}
