//! A [`Looker`] that keeps the beginning of a request body.

use api_sessions_extract::{ChunkedDecoder, Http3Frames};

use super::{self as peek, Looker};
use crate::limits::MAX_CHUNK_FRAMING;
use crate::request::Request;

/// Allowance in bytes for HTTP/3 framing, besides an eighth of the body.
const HTTP3_FRAMING: usize = 512;

/// Collects the beginning of a body, possibly over several calls of [`peek::look`].
pub struct BodyLook {
    framing: Framing,
    /// The beginning of the body, at most `limit` bytes.
    pub body: Vec<u8>,
    limit: usize,
    /// Length of the body, if the client has declared it.
    length: Option<usize>,
    /// Body bytes beyond `limit` were dropped.
    cut: bool,
    /// The body ends after the bytes seen.
    ended: bool,
    /// Bytes seen on the wire, and their maximum.
    seen: usize,
    most: usize,
}

enum Framing {
    /// None, or removed by NGINX.
    Bare,
    Chunked(ChunkedDecoder),
    Http3(Http3Frames),
}

impl BodyLook {
    /// Collects at most `limit` bytes of the body of `r`.
    pub fn new(r: Request<'_>, limit: usize) -> Self {
        let length = r.content_length();
        let bytes = length.map_or(limit, |length| length.min(limit));
        let (framing, most) = match (peek::framing(r), length) {
            (peek::Framing::Http3, _) => {
                let most = bytes.saturating_add(bytes / 8).saturating_add(HTTP3_FRAMING);
                (Framing::Http3(Http3Frames::default()), most)
            }
            (peek::Framing::Http1, None) => (
                Framing::Chunked(ChunkedDecoder::default()),
                limit.saturating_mul(MAX_CHUNK_FRAMING),
            ),
            _ => (Framing::Bare, bytes),
        };
        Self { framing, body: Vec::new(), limit, length, cut: false, ended: false, seen: 0, most }
    }

    /// The whole body has been seen and kept.
    pub fn is_complete(&self) -> bool {
        let is_at_end = match (&self.framing, self.length) {
            (_, Some(length)) => self.body.len() == length,
            (Framing::Chunked(decoder), None) => decoder.has_ended(),
            (Framing::Http3(frames), None) => self.ended || frames.has_ended(),
            (Framing::Bare, None) => self.ended,
        };
        is_at_end && !self.cut
    }

    /// The body has ended, or its framing is invalid.
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
