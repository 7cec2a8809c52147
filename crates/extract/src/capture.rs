//! The first bytes of a body, copied as they pass through a filter.

use crate::exchange::Body;
use crate::json;
use crate::json_encoding::{begins_as_json, is_blank, to_utf8};
use crate::json_types::JsonTypes;

/// Magic number of gzip (RFC 1952, 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A chunk of a body, as it passes through a filter.
pub struct Chunk<'c> {
    /// Bytes in memory; empty for a buffer that only carries a flag.
    pub bytes: &'c [u8],
    /// The bytes are only in a file and were not read.
    pub in_file: bool,
    /// This is the last chunk.
    pub last: bool,
}

/// The first bytes of a body.
#[derive(Default)]
pub struct Capture {
    bytes: Vec<u8>,
    /// Part of the body was not kept: it is over the limit, or only in a file.
    cut: bool,
    /// The last buffer was seen.
    ended: bool,
    /// The bytes have been decompressed.
    decoded: bool,
    /// The bytes could not be decompressed.
    undecodable: bool,
    /// The bytes were read ahead and have yet to pass through the filter.
    to_pass: bool,
    /// For a response: whether to keep it, decided by its first byte.
    kept: Option<bool>,
    /// For a response that is not kept: it begins as JSON all the same.
    of_other_type: bool,
}

/// Headers of a response that decide whether its body is kept.
#[derive(Clone, Copy)]
pub struct Head<'h> {
    /// `Content-Type`.
    pub content_type: Option<&'h [u8]>,
    /// `Content-Encoding`; empty if there is none.
    pub content_encoding: &'h [u8],
    /// Media types that count as JSON.
    pub types: &'h JsonTypes,
}

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    /// It begins as JSON but has another media type.
    Type,
    /// Its content encoding is unknown, or the compressed stream is broken.
    Encoding,
    /// The value was not in the part that was kept.
    Size,
    /// It is not a single JSON text: it is malformed, or a sequence such as NDJSON.
    Syntax,
}

/// What the configured points do with a body of this media type.
#[derive(Debug, Clone, Copy, Default)]
pub struct Readers {
    /// Some points read bodies of this type.
    pub may_read: bool,
    /// Some points read JSON, but this body is not JSON by its type or first character.
    pub misses_json: bool,
    /// As `misses_json`, but the type may be a JSON type.
    pub may_miss_json: bool,
    /// Some points read the body as JSON, but none found a value.
    pub reads_json: bool,
}

impl Capture {
    /// Bytes that were read ahead, before the body passes through the filter; replaced by what passes.
    pub fn looked_at(bytes: Vec<u8>, complete: bool) -> Self {
        Self { bytes, cut: !complete, ended: complete, to_pass: true, ..Self::default() }
    }

    /// Copies as much of each chunk as fits within `limit` bytes.
    pub fn take<'c>(&mut self, chunks: impl Iterator<Item = Chunk<'c>>, limit: usize) {
        for chunk in chunks {
            self.take_chunk(&chunk, limit);
        }
    }

    /// As [`Self::take`], for a response. It is kept only if it may be JSON, so neither event streams nor downloads are
    /// copied.
    pub fn take_response<'c>(
        &mut self,
        chunks: impl Iterator<Item = Chunk<'c>>,
        limit: usize,
        head: Head<'_>,
    ) {
        for chunk in chunks {
            if self.kept.is_none() && !chunk.in_file {
                if chunk.bytes.trim_ascii_start().is_empty() {
                    // Leading whitespace does not decide anything.
                    self.ended |= chunk.last;
                    continue;
                }
                self.decide(chunk.bytes, head);
                if self.kept == Some(true) {
                    let bytes = without_blanks(chunk.bytes);
                    self.take_chunk(&Chunk { bytes, ..chunk }, limit);
                    continue;
                }
            }
            match self.kept {
                Some(false) => return,
                // The bytes are only in a file: the type decides.
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

    /// Decodes a request body according to `Content-Encoding`, once. A body that cannot be decoded here is neither read
    /// by points nor exported, since nobody can tell what it conceals.
    pub fn decode_request<'e>(&mut self, encoding: impl FnOnce() -> &'e [u8], limit: usize) {
        if self.bytes.is_empty() || std::mem::replace(&mut self.decoded, true) {
            return;
        }
        let encoding = encoding();
        if is_identity(encoding) {
        } else if is_gzip(encoding) {
            self.gunzip(limit);
        } else if is_deflate(encoding) {
            self.inflate(limit);
        } else {
            self.leave_alone();
        }
        self.transcode(limit);
    }

    /// Decodes a response body, once. The header does not tell what passed here: NGINX's own `gzip` sets it when it
    /// compresses the body later, and `gunzip` removes it. The bytes do tell: no JSON text begins like gzip (RFC 1952,
    /// 2.3.1; RFC 8259, 2) or zlib.
    pub fn decode_response<'e>(&mut self, encoding: impl FnOnce() -> &'e [u8], limit: usize) {
        if self.bytes.is_empty() || std::mem::replace(&mut self.decoded, true) {
            return;
        }
        let encoding = encoding();
        if self.bytes.starts_with(&GZIP_MAGIC) {
            self.gunzip(limit);
        } else if is_identity(encoding) || begins_as_json(&self.bytes) {
        } else if is_deflate(encoding) {
            self.inflate(limit);
        } else {
            self.leave_alone();
        }
        self.transcode(limit);
    }

    /// Converts JSON in UTF-16 or UTF-32 to UTF-8.
    fn transcode(&mut self, limit: usize) {
        if let Some(mut utf8) = to_utf8(&self.bytes) {
            self.cut |= utf8.len() > limit;
            utf8.truncate(limit);
            self.bytes = utf8;
        }
    }

    fn gunzip(&mut self, limit: usize) {
        let bytes = std::mem::take(&mut self.bytes);
        self.decode(flate2::bufread::MultiGzDecoder::new(&bytes[..]), limit);
    }

    /// `deflate` is the zlib format (RFC 9110, 8.4.1.2), which some senders use without its header.
    fn inflate(&mut self, limit: usize) {
        let bytes = std::mem::take(&mut self.bytes);
        match is_zlib(&bytes) {
            true => self.decode(flate2::bufread::ZlibDecoder::new(&bytes[..]), limit),
            false => self.decode(flate2::bufread::DeflateDecoder::new(&bytes[..]), limit),
        }
    }

    /// Keeps the decoded bytes, cut at the same limit.
    fn decode(&mut self, reader: impl std::io::Read, limit: usize) {
        use std::io::Read;
        let mut decoded = Vec::new();
        // An error (truncated input, broken stream) leaves what was decoded before it.
        let failed = reader.take(limit as u64 + 1).read_to_end(&mut decoded).is_err();
        if decoded.len() > limit {
            decoded.truncate(limit);
            self.cut = true;
        }
        // The captured part of a cut body may be too short to decode a single byte.
        self.undecodable = failed && decoded.is_empty() && !self.cut;
        self.cut |= failed;
        self.bytes = decoded;
    }

    fn leave_alone(&mut self) {
        self.undecodable = true;
        self.cut = true;
        self.bytes.clear();
    }

    /// The part of the body that points may read, at most `limit` bytes.
    pub fn body<'b>(
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

    /// Why the body could not be read in full.
    pub fn undetected(&self) -> Option<Unread> {
        match (self.undecodable, self.cut) {
            (true, _) => Some(Unread::Encoding),
            (false, true) => Some(Unread::Size),
            _ => None,
        }
    }

    /// Whether the whole body was kept.
    pub fn is_whole(&self) -> bool {
        self.ended && !self.cut && !self.bytes.is_empty()
    }

    /// Whether no body arrived or none was needed, so that [`Self::unread`] has nothing to report.
    pub fn is_untouched(&self) -> bool {
        self.bytes.is_empty() && !self.cut && !self.undecodable && !self.of_other_type
    }

    /// Why points, which see `limit` bytes, cannot read the body or not all of it.
    pub fn unread(&self, reader: Readers, limit: usize) -> Option<Unread> {
        let seen = self.bytes.get(..limit).unwrap_or(&self.bytes);
        let is_cut = self.cut || self.bytes.len() > limit;
        if reader.misses_json && (self.of_other_type || begins_as_json(seen)) {
            return Some(Unread::Type);
        }
        // The first character may lie beyond the part that was read.
        let is_blank = reader.may_miss_json && is_cut && seen.iter().all(|byte| is_blank(*byte));
        if !reader.may_read {
            return (is_blank && !self.undecodable).then_some(Unread::Size);
        }
        match (self.undecodable, is_cut) {
            (true, _) => Some(Unread::Encoding),
            (false, true) => Some(Unread::Size),
            (false, false) => {
                let is_broken = reader.reads_json && !seen.is_empty() && !json::is_document(seen);
                is_broken.then_some(Unread::Syntax)
            }
        }
    }
}

impl Head<'_> {
    fn may_be_json(&self) -> bool {
        self.types.may_be_json_response(self.content_type.unwrap_or_default())
    }
}

/// Drops whitespace in front of JSON, unless it is part of wider characters.
fn without_blanks(start: &[u8]) -> &[u8] {
    let text = start.trim_ascii_start();
    if text.first() == Some(&0) { start } else { text }
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

/// Whether the bytes begin with a zlib header (RFC 1950, 2.2): method 8, and a checksum over two bytes.
fn is_zlib(bytes: &[u8]) -> bool {
    matches!(bytes, [method, flags, ..]
        if method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    const JSON: &[u8] = b"{\"user\":\"anna\"}";

    fn chunks<'c>(parts: &[&'c [u8]]) -> impl Iterator<Item = Chunk<'c>> {
        let last = parts.len() - 1;
        let parts: Vec<&[u8]> = parts.to_vec();
        let chunk = move |(at, bytes)| Chunk { bytes, in_file: false, last: at == last };
        parts.into_iter().enumerate().map(chunk)
    }

    fn head(content_type: &[u8]) -> Head<'_> {
        Head { content_type: Some(content_type), content_encoding: b"", types: &JsonTypes::Json }
    }

    /// The bytes that points see, and whether they are the whole body.
    fn seen(capture: &Capture) -> Option<(Vec<u8>, bool)> {
        let body = capture.body(b"application/json", &JsonTypes::Json, usize::MAX)?;
        Some((body.bytes.to_vec(), body.complete))
    }

    #[test]
    fn the_first_bytes_are_kept_whatever_the_pieces() {
        let mut capture = Capture::default();
        capture.take(chunks(&[&JSON[..1], &JSON[1..7], &[], &JSON[7..]]), 64);
        assert_eq!(seen(&capture), Some((JSON.to_vec(), true)));
        let mut cut = Capture::default();
        cut.take(chunks(&[&JSON[..5], &JSON[5..]]), 8);
        assert_eq!(seen(&cut), Some((JSON[..8].to_vec(), false)));
        let readers = Readers { may_read: true, ..Readers::default() };
        assert_eq!(cut.unread(readers, 8), Some(Unread::Size));
    }

    #[test]
    fn what_was_looked_at_gives_way_to_what_passes() {
        let mut capture = Capture::looked_at(JSON[..4].to_vec(), false);
        assert_eq!(seen(&capture), Some((JSON[..4].to_vec(), false)));
        capture.take(chunks(&[JSON]), 64);
        assert_eq!(seen(&capture), Some((JSON.to_vec(), true)));
    }

    #[test]
    fn a_response_is_kept_for_its_type_alone() {
        let mut page = Capture::default();
        page.take_response(chunks(&[b"<html>", b"</html>"]), 64, head(b"text/html"));
        assert_eq!(seen(&page), None);
        assert!(!page.is_whole());
        let mut mistyped = Capture::default();
        mistyped.take_response(chunks(&[b"  ", JSON]), 64, head(b"text/html"));
        let readers = Readers { may_read: true, misses_json: true, ..Readers::default() };
        assert_eq!(mistyped.unread(readers, 64), Some(Unread::Type));
    }

    #[test]
    fn compressed_bodies_are_decoded_within_the_limit() {
        let long = [JSON, &[b' '; 100]].concat();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&long).unwrap();
        let gzip = gzip.finish().unwrap();
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&long).unwrap();
        let zlib = zlib.finish().unwrap();
        for (encoding, bytes) in [(&b"gzip"[..], &gzip), (b"x-gzip", &gzip), (b"deflate", &zlib)] {
            let mut capture = Capture::default();
            capture.take(chunks(&[bytes]), 1024);
            capture.decode_request(|| encoding, 1024);
            assert_eq!(seen(&capture), Some((long.clone(), true)));
            let mut cut = Capture::default();
            cut.take(chunks(&[bytes]), 1024);
            cut.decode_request(|| encoding, 20);
            assert_eq!(seen(&cut), Some((long[..20].to_vec(), false)));
        }
        let mut unknown = Capture::default();
        unknown.take(chunks(&[&gzip]), 1024);
        unknown.decode_request(|| b"br", 1024);
        assert_eq!(seen(&unknown), None);
        assert_eq!(unknown.undetected(), Some(Unread::Encoding));
    }

    #[test]
    fn json_in_wider_characters_is_read_in_utf8() {
        let wide: Vec<u8> =
            "\u{feff}{\"user\":\"anna\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut request = Capture::default();
        request.take(chunks(&[&wide[..5], &wide[5..]]), 64);
        request.decode_request(|| b"", 64);
        assert_eq!(seen(&request), Some((JSON.to_vec(), true)));
        let mut response = Capture::default();
        response.take_response(chunks(&[&wide]), 64, head(b"application/json"));
        response.decode_response(|| b"", 64);
        assert_eq!(seen(&response), Some((JSON.to_vec(), true)));
    }

    #[test]
    fn blanks_in_front_of_an_answer_took_the_room_of_its_json() {
        let long = [&[b' '; 100][..], JSON].concat();
        let mut capture = Capture::default();
        capture.take_response(chunks(&[&long]), 64, head(b"application/json"));
        assert_eq!(seen(&capture), Some((JSON.to_vec(), true)));
    }

    #[test]
    fn a_response_tells_by_its_bytes_whether_it_is_compressed() {
        // NGINX's `gzip` has set the header after the bytes passed.
        let mut plain = Capture::default();
        plain.take_response(chunks(&[JSON]), 64, head(b"application/json"));
        plain.decode_response(|| b"gzip", 64);
        assert_eq!(seen(&plain), Some((JSON.to_vec(), true)));
    }
}
