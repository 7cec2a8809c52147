//! The beginning of a request body, looked at before the request is passed on.

use api_sessions_extract::ChunkedDecoder;

use crate::ffi::peek::Looker;
use crate::ffi::request::Request;

/// Bytes of the connection that are looked at for each byte of a chunked body: chunks of one byte have six of
/// framing.
const MAX_FRAMING: usize = 8;

/// A look that may have to wait for the client.
pub(super) struct BodyLook {
    framing: Framing,
    /// What was seen of the body, at most `limit` bytes.
    pub(super) body: Vec<u8>,
    limit: usize,
    /// Bytes of the connection that were seen, and the most that are.
    seen: usize,
    most: usize,
}

enum Framing {
    Length(usize),
    Chunked(ChunkedDecoder),
}

impl BodyLook {
    pub(super) fn new(r: Request<'_>, limit: usize) -> Self {
        let (framing, most) = match r.content_length() {
            Some(length) => (Framing::Length(length), length.min(limit)),
            None => {
                (Framing::Chunked(ChunkedDecoder::default()), limit.saturating_mul(MAX_FRAMING))
            }
        };
        Self { framing, body: Vec::new(), limit, seen: 0, most }
    }

    /// All of the body was seen.
    pub(super) fn is_complete(&self) -> bool {
        match &self.framing {
            Framing::Length(length) => self.body.len() == *length,
            Framing::Chunked(decoder) => decoder.has_ended(),
        }
    }
}

impl Looker for BodyLook {
    fn look(&mut self, bytes: &[u8]) {
        self.seen += bytes.len();
        let Self { framing, body, limit, .. } = self;
        let mut keep = |data: &[u8]| {
            let room = limit.saturating_sub(body.len());
            body.extend_from_slice(&data[..data.len().min(room)]);
        };
        match framing {
            Framing::Length(_) => keep(bytes),
            Framing::Chunked(decoder) => decoder.feed(bytes, keep),
        }
    }

    fn wanted(&self) -> usize {
        if self.body.len() >= self.limit {
            return 0;
        }
        let left = self.most.saturating_sub(self.seen);
        match &self.framing {
            Framing::Length(_) => left,
            Framing::Chunked(decoder) => left.min(decoder.least()),
        }
    }

    fn seen(&self) -> usize {
        self.seen
    }

    fn most(&self) -> usize {
        self.most
    }
}
