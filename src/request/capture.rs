//! The first bytes of a body, copied as they pass.

use api_sessions_extract::{Body, JsonTypes, begins_as_json};
use api_sessions_nginx::filter::{Chunk, Chunks};

/// How gzip begins (RFC 1952, 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The first bytes of a body.
#[derive(Default)]
pub(super) struct Capture {
    bytes: Vec<u8>,
    /// Something was not kept: over the limit, or only in a file.
    cut: bool,
    /// The last buffer was seen.
    ended: bool,
    /// The bytes are what they were compressed from.
    decoded: bool,
    /// They could not be decoded.
    undecodable: bool,
    /// The bytes were looked at before they pass here.
    to_pass: bool,
    /// Of a response: whether it is kept, once its first byte was seen.
    kept: Option<bool>,
    /// Of a response that is not kept: it begins as JSON all the same.
    of_other_type: bool,
}

/// What is known of a response as its body begins to pass.
#[derive(Clone, Copy)]
pub(super) struct Head<'h> {
    pub(super) content_type: Option<&'h [u8]>,
    pub(super) content_encoding: &'h [u8],
    pub(super) types: &'h JsonTypes,
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It begins as JSON, and has another type.
    Type,
    /// It is in an encoding that is not known, or broken.
    Encoding,
    /// What was looked for did not lie in the part that was looked at.
    Size,
}

impl Capture {
    /// The beginning of a body that is still to pass.
    pub(super) fn looked_at(bytes: Vec<u8>, complete: bool) -> Self {
        Self { bytes, cut: !complete, ended: complete, to_pass: true, ..Self::default() }
    }

    /// Copies what still fits.
    pub(super) fn take(&mut self, chunks: Chunks<'_>, limit: usize) {
        for chunk in chunks {
            self.take_chunk(&chunk, limit);
        }
    }

    /// As [`Self::take`], of a response, which is kept only if it may be JSON: neither event streams nor
    /// downloads are copied.
    pub(super) fn take_response(&mut self, chunks: Chunks<'_>, limit: usize, head: Head<'_>) {
        for chunk in chunks {
            if self.kept.is_none() && !chunk.in_file {
                if chunk.bytes.trim_ascii_start().is_empty() {
                    // Blanks in front of JSON say nothing.
                    self.ended |= chunk.last;
                    continue;
                }
                self.decide(chunk.bytes, head);
            }
            match self.kept {
                Some(false) => return,
                // In a file: by its type alone.
                None if !head.may_be_json() => return,
                _ => self.take_chunk(&chunk, limit),
            }
        }
    }

    fn decide(&mut self, start: &[u8], head: Head<'_>) {
        let is_json = match head.content_type {
            Some(content_type) => head.types.is_json(content_type, start),
            None => *head.types == JsonTypes::Any && begins_as_json(start),
        };
        let is_compressed = start.starts_with(&GZIP_MAGIC) || !is_identity(head.content_encoding);
        let kept = is_json || is_compressed && head.may_be_json();
        self.kept = Some(kept);
        self.of_other_type = !kept && begins_as_json(start);
    }

    fn take_chunk(&mut self, chunk: &Chunk<'_>, limit: usize) {
        if self.to_pass {
            *self = Self::default();
        }
        self.ended |= chunk.last;
        self.cut |= chunk.in_file;
        if chunk.bytes.is_empty() || self.cut {
            return;
        }
        let room = limit.saturating_sub(self.bytes.len());
        let fits = &chunk.bytes[..chunk.bytes.len().min(room)];
        self.bytes.extend_from_slice(fits);
        self.cut |= fits.len() < chunk.bytes.len();
    }

    /// Decodes a request's body as its `Content-Encoding` says, once. What cannot be decoded here is left
    /// alone: neither read by points nor exported, since nobody could say what is hidden in it.
    pub(super) fn decode_request(&mut self, encoding: &[u8], limit: usize) {
        if self.bytes.is_empty() || std::mem::replace(&mut self.decoded, true) {
            return;
        }
        if is_identity(encoding) {
        } else if is_gzip(encoding) {
            self.gunzip(limit);
        } else if is_deflate(encoding) {
            self.inflate(limit);
        } else {
            self.leave_alone();
        }
    }

    /// Decodes a response's body. Its header does not tell what passed here: NGINX's own `gzip` sets it
    /// when it compresses what has passed, and `gunzip` takes it away. The bytes do: no JSON text begins
    /// as gzip does (RFC 1952, 2.3.1; RFC 8259, 2), nor as zlib does.
    pub(super) fn decode_response(&mut self, encoding: &[u8], limit: usize) {
        if self.bytes.is_empty() || std::mem::replace(&mut self.decoded, true) {
            return;
        }
        if self.bytes.starts_with(&GZIP_MAGIC) {
            self.gunzip(limit);
        } else if is_identity(encoding) || begins_as_json(&self.bytes) {
        } else if is_deflate(encoding) {
            self.inflate(limit);
        } else {
            self.leave_alone();
        }
    }

    fn gunzip(&mut self, limit: usize) {
        let bytes = std::mem::take(&mut self.bytes);
        self.decode(flate2::bufread::MultiGzDecoder::new(&bytes[..]), limit);
    }

    /// `deflate` is the zlib format (RFC 9110, 8.4.1.2), and what some send without its header.
    fn inflate(&mut self, limit: usize) {
        let bytes = std::mem::take(&mut self.bytes);
        match is_zlib(&bytes) {
            true => self.decode(flate2::bufread::ZlibDecoder::new(&bytes[..]), limit),
            false => self.decode(flate2::bufread::DeflateDecoder::new(&bytes[..]), limit),
        }
    }

    /// Keeps what the bytes decode to, cut at the same limit.
    fn decode(&mut self, reader: impl std::io::Read, limit: usize) {
        use std::io::Read;
        let mut decoded = Vec::new();
        // An error (cut input, broken stream) leaves what could be decoded before it.
        let failed = reader.take(limit as u64 + 1).read_to_end(&mut decoded).is_err();
        if decoded.len() > limit {
            decoded.truncate(limit);
            self.cut = true;
        }
        // Of a cut body, the part that was seen may be too short for a first byte.
        self.undecodable = failed && decoded.is_empty() && !self.cut;
        self.cut |= failed;
        self.bytes = decoded;
    }

    fn leave_alone(&mut self) {
        self.undecodable = true;
        self.cut = true;
        self.bytes.clear();
    }

    /// What of it points may read.
    ///
    /// At most `limit` bytes of it.
    pub(super) fn body<'b>(
        &'b self,
        content_type: &'b [u8],
        types: &JsonTypes,
        limit: usize,
    ) -> Option<Body<'b>> {
        let seen = self.bytes.get(..limit).unwrap_or(&self.bytes);
        if seen.is_empty() {
            return None;
        }
        let is_whole = !self.cut && self.ended && seen.len() == self.bytes.len();
        Some(Body::new(seen, content_type, is_whole, types))
    }

    /// Why not all of the body that was kept could be looked at.
    pub(super) fn undetected(&self) -> Option<Unread> {
        match (self.undecodable, self.cut) {
            (true, _) => Some(Unread::Encoding),
            (false, true) => Some(Unread::Size),
            _ => None,
        }
    }

    /// All of it was kept, and its end was seen.
    pub(super) fn is_whole(&self) -> bool {
        self.ended && !self.cut && !self.bytes.is_empty()
    }

    /// Why points cannot read the body, or not all of it. `may_read`: one of them reads its type;
    /// `misses_json`: one of them reads JSON, which this is not by its type; `limit`: of its bytes, they see so many.
    pub(super) fn unread(&self, may_read: bool, misses_json: bool, limit: usize) -> Option<Unread> {
        if misses_json && (self.of_other_type || begins_as_json(&self.bytes)) {
            return Some(Unread::Type);
        }
        match (may_read, self.undecodable, self.cut || self.bytes.len() > limit) {
            (true, true, _) => Some(Unread::Encoding),
            (true, false, true) => Some(Unread::Size),
            _ => None,
        }
    }
}

impl Head<'_> {
    fn may_be_json(&self) -> bool {
        match self.content_type {
            Some(content_type) => self.types.may_be_json(content_type),
            None => *self.types == JsonTypes::Any,
        }
    }
}

fn is_identity(encoding: &[u8]) -> bool {
    encoding.is_empty() || encoding.eq_ignore_ascii_case(b"identity")
}

fn is_gzip(encoding: &[u8]) -> bool {
    encoding.eq_ignore_ascii_case(b"gzip") || encoding.eq_ignore_ascii_case(b"x-gzip")
}

fn is_deflate(encoding: &[u8]) -> bool {
    encoding.eq_ignore_ascii_case(b"deflate")
}

/// The header of zlib (RFC 1950, 2.2): method 8, and a check over both bytes.
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..]
        if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}
