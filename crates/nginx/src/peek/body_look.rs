//! The beginning of a request body, looked at before the request is passed on.

use api_sessions_extract::{ChunkedDecoder, Http3Frames};

use super::{self as peek, Looker};
use crate::request::Request;

/// Bytes of the connection that are looked at for each byte of a chunked body: chunks of one byte have six of
/// framing.
const MAX_FRAMING: usize = 8;
/// Over HTTP/3, framing is looked at of an eighth of the body, and so many bytes more.
const HTTP3_FRAMING: usize = 512;

/// A look that may have to wait for the client.
pub struct BodyLook {
    framing: Framing,
    /// What was seen of the body, at most `limit` bytes.
    pub body: Vec<u8>,
    limit: usize,
    /// Length of the body, if the client has told.
    length: Option<usize>,
    /// Not all of what was seen was kept.
    cut: bool,
    /// The body ends behind what was seen.
    ended: bool,
    /// Bytes of the connection that were seen, and the most that are.
    seen: usize,
    most: usize,
}

enum Framing {
    /// None, or NGINX has taken it off.
    Bare,
    Chunked(ChunkedDecoder),
    Http3(Http3Frames),
}

impl BodyLook {
    /// At most `limit` bytes of the body of `r`.
    pub fn new(r: Request<'_>, limit: usize) -> Self {
        let length = r.content_length();
        let bytes = length.map_or(limit, |length| length.min(limit));
        let (framing, most) = match (peek::framing(r), length) {
            (peek::Framing::Http3, _) => {
                let most = bytes.saturating_add(bytes / 8).saturating_add(HTTP3_FRAMING);
                (Framing::Http3(Http3Frames::default()), most)
            }
            (peek::Framing::Http1, None) => {
                (Framing::Chunked(ChunkedDecoder::default()), limit.saturating_mul(MAX_FRAMING))
            }
            _ => (Framing::Bare, bytes),
        };
        Self { framing, body: Vec::new(), limit, length, cut: false, ended: false, seen: 0, most }
    }

    /// All of the body was seen, and kept.
    pub fn is_complete(&self) -> bool {
        let is_at_end = match (&self.framing, self.length) {
            (_, Some(length)) => self.body.len() == length,
            (Framing::Chunked(decoder), None) => decoder.has_ended(),
            (Framing::Http3(frames), None) => self.ended || frames.has_ended(),
            (Framing::Bare, None) => self.ended,
        };
        is_at_end && !self.cut
    }

    /// Nothing follows, or nobody can tell what.
    fn is_over(&self) -> bool {
        self.ended
            || match &self.framing {
                Framing::Bare => false,
                Framing::Chunked(decoder) => decoder.is_over(),
                Framing::Http3(frames) => frames.has_ended(),
            }
    }
}

impl Looker for BodyLook {
    fn look(&mut self, bytes: &[u8]) {
        self.seen += bytes.len();
        let Self { framing, body, limit, cut, .. } = self;
        let mut keep = |data: &[u8]| {
            let room = limit.saturating_sub(body.len());
            *cut |= data.len() > room;
            body.extend_from_slice(&data[..data.len().min(room)]);
        };
        match framing {
            Framing::Bare => keep(bytes),
            Framing::Chunked(decoder) => decoder.feed(bytes, keep),
            Framing::Http3(frames) => frames.feed(bytes, keep),
        }
    }

    fn wanted(&self) -> usize {
        let left = self.most.saturating_sub(self.seen);
        match &self.framing {
            _ if self.is_enough() => 0,
            Framing::Chunked(decoder) => left.min(decoder.least()),
            _ => left,
        }
    }

    fn end(&mut self) {
        self.ended = true;
    }

    fn is_enough(&self) -> bool {
        self.is_over()
            || self.body.len() >= self.length.map_or(self.limit, |length| length.min(self.limit))
    }

    fn seen(&self) -> usize {
        self.seen
    }

    fn most(&self) -> usize {
        self.most
    }
}
