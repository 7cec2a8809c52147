//! The chunked transfer coding (RFC 9112, 7.1), as far as a body has arrived.

/// Decodes a chunked body piece by piece. Accepts what NGINX accepts (`ngx_http_parse_chunked`): bare line feeds,
/// extensions and trailers.
#[derive(Debug, Default)]
pub struct ChunkedDecoder {
    at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum At {
    /// The first digit of a size.
    #[default]
    Start,
    Size(u64),
    /// After the size, up to the end of the line.
    Extension(u64),
    Data(u64),
    /// The end of the line after the data.
    DataEnd,
    /// The first byte of a line after the last chunk.
    TrailerStart,
    Trailer,
    End,
    Broken,
}

impl ChunkedDecoder {
    /// Takes the next bytes of the connection and passes the data of chunks to `give`, piece by piece. Leaves anything
    /// after the end alone.
    pub fn feed(&mut self, mut bytes: &[u8], mut give: impl FnMut(&[u8])) {
        while let Some((first, rest)) = bytes.split_first() {
            if let At::Data(left) = self.at {
                let len = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let (data, behind) = bytes.split_at(len);
                give(data);
                bytes = behind;
                self.at = match left - len as u64 {
                    0 => At::DataEnd,
                    left => At::Data(left),
                };
                continue;
            }
            self.at = next(self.at, *first);
            if matches!(self.at, At::End | At::Broken) {
                return;
            }
            bytes = rest;
        }
    }

    /// Whether nothing of the body follows: it has ended, or is broken so that its end is unknown.
    pub fn is_over(&self) -> bool {
        matches!(self.at, At::End | At::Broken)
    }

    /// Whether the last chunk and the trailers have been seen.
    pub fn has_ended(&self) -> bool {
        self.at == At::End
    }

    /// Lower bound of the bytes that follow. Reading no more than these never touches the next request.
    pub fn least(&self) -> usize {
        // The shortest last chunk, with bare line feeds: "0", LF, LF.
        const LAST: usize = 3;
        let data = |left: u64| usize::try_from(left).unwrap_or(usize::MAX).saturating_add(1 + LAST);
        match self.at {
            At::Start => LAST,
            At::Size(0) | At::Extension(0) | At::Trailer => 2,
            At::Size(left) | At::Extension(left) => data(left).saturating_add(1),
            At::Data(left) => data(left),
            At::DataEnd => 1 + LAST,
            At::TrailerStart => 1,
            At::End | At::Broken => 0,
        }
    }
}

fn next(at: At, byte: u8) -> At {
    let digit = (byte as char).to_digit(16).map(u64::from);
    match (at, byte) {
        (At::Start, _) => digit.map_or(At::Broken, At::Size),
        (At::Size(0) | At::Extension(0), b'\n') => At::TrailerStart,
        (At::Size(left) | At::Extension(left), b'\n') => At::Data(left),
        (At::Size(left), b'\r' | b' ' | b'\t' | b';') => At::Extension(left),
        (At::Size(left), _) => match digit {
            Some(digit) if left < 1 << 59 => At::Size(left << 4 | digit),
            _ => At::Broken,
        },
        (At::Extension(left), _) => At::Extension(left),
        (At::DataEnd, b'\r') => At::DataEnd,
        (At::DataEnd, b'\n') => At::Start,
        (At::DataEnd, _) => At::Broken,
        (At::TrailerStart, b'\n') => At::End,
        (At::TrailerStart, b'\r') => At::TrailerStart,
        (At::TrailerStart, _) => At::Trailer,
        (At::Trailer, b'\n') => At::TrailerStart,
        (At::Trailer, _) => At::Trailer,
        (At::Data(_) | At::End | At::Broken, _) => at,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode(pieces: &[&[u8]]) -> (Vec<u8>, ChunkedDecoder) {
        let (mut decoder, mut body) = (ChunkedDecoder::default(), Vec::new());
        for piece in pieces {
            decoder.feed(piece, |data| body.extend_from_slice(data));
        }
        (body, decoder)
    }

    #[test]
    fn what_nginx_takes_is_taken() {
        for (raw, body, ended) in [
            ("5\r\nhello\r\n0\r\n\r\nGET /", "hello", true),
            ("5\nhello\n0\n\n", "hello", true),
            ("A;x=\"y\"\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", "0123456789", true),
            ("00000005 \r\nhello\r\n000\r\n\r\n", "hello", true),
            ("5\r\nhel", "hel", false),
            ("0\r\nTrailer: x\r\n", "", false),
        ] {
            let (found, decoder) = decode(&[raw.as_bytes()]);
            assert_eq!((&*found, decoder.has_ended()), (body.as_bytes(), ended), "{raw:?}");
        }
        for raw in ["x\r\n", "5\r\nhelloX", "fffffffffffffffff\r\n", "5x\r\n"] {
            let (_, decoder) = decode(&[raw.as_bytes()]);
            assert!(decoder.is_over() && !decoder.has_ended(), "{raw:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_body_in_any_pieces_is_found_and_never_read_past(
            chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..40), 0..6),
            size in 1_usize..9,
        ) {
            let mut raw = Vec::new();
            for chunk in &chunks {
                raw.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                raw.extend_from_slice(chunk);
                raw.extend_from_slice(b"\r\n");
            }
            raw.extend_from_slice(b"0\r\n\r\n");
            let end = raw.len();
            raw.extend_from_slice(b"GET / HTTP/1.1");
            let (mut decoder, mut body, mut at) = (ChunkedDecoder::default(), Vec::new(), 0);
            while !decoder.is_over() {
                let len = size.min(decoder.least());
                prop_assert!(len > 0 && at + len <= end);
                decoder.feed(&raw[at..at + len], |data| body.extend_from_slice(data));
                at += len;
            }
            prop_assert!(decoder.has_ended());
            prop_assert_eq!(at, end);
            prop_assert_eq!(body, chunks.concat());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let (body, decoder) = decode(&[&bytes]);
            prop_assert!(body.len() <= bytes.len());
            prop_assert_eq!(decoder.least() == 0, decoder.is_over());
        }
    }
}
