//! Bodies, by their content type, or by their content if the type is wrong or missing.

use api_sessions_extract::{Body, MediaType, media_type};

use super::cuts::Cuts;
use super::json::{self, Whole};
use super::names::Class;
use super::text::{Arguments, Redactor};
use super::utf16::is_wide;
use super::{multipart, xml};

/// Adds the secret ranges of a body. Returns false if the body is not what it claims to be; the added ranges
/// are invalid then.
pub(crate) fn body(r: &mut Redactor<'_>, body: &Body<'_>, cuts: &mut Cuts) -> bool {
    let (bytes, essence) = (body.bytes, media_type::essence(body.content_type));
    let whole = if body.complete { Whole::Body } else { Whole::Part };
    let trimmed = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
    let kind = MediaType::of(body.content_type);
    let is_multipart = kind == MediaType::Multipart || starts_with(essence, b"multipart/");
    if !is_multipart && is_wide(bytes) {
        return false;
    }
    let is_xml = ends_with(essence, b"/xml") || ends_with(essence, b"+xml");
    match kind {
        MediaType::Other if body.json => {
            return json::cut(r, bytes, whole, 0, cuts);
        }
        MediaType::Json => return json::cut(r, bytes, whole, 0, cuts),
        MediaType::Multipart | MediaType::Other if is_multipart => {
            return multipart::cut(r, bytes, body.content_type, body.complete, cuts);
        }
        MediaType::Other if is_xml => return xml::cut(r, bytes, body.complete, 0, cuts),
        MediaType::Other if is_packed(essence) => return false,
        MediaType::Form | MediaType::Multipart | MediaType::Other | MediaType::Unstated => {}
    }
    let before = cuts.len();
    let is_read = match trimmed.first() {
        Some(b'{' | b'[') => json::cut(r, bytes, whole, 0, cuts),
        Some(b'<') => xml::cut(r, bytes, body.complete, 0, cuts),
        Some(b'-') => multipart::boundary(bytes)
            .is_some_and(|boundary| multipart::cut_at(r, bytes, boundary, body.complete, 0, cuts)),
        _ => false,
    };
    if is_read {
        return true;
    }
    cuts.truncate(before);
    if r.is_broken(trimmed) {
        return false;
    }
    if kind == MediaType::Form {
        r.arguments(bytes, Arguments::Form, 0, cuts);
    } else {
        r.value(bytes, Class::Plain, 0, cuts);
    }
    true
}

/// Binary formats that pack names and values; nothing can be cut out of them.
fn is_packed(essence: &[u8]) -> bool {
    const WORDS: &[&[u8]] =
        &[b"grpc", b"protobuf", b"msgpack", b"cbor", b"bson", b"thrift", b"avro", b"amf"];
    let lower = essence.to_ascii_lowercase();
    WORDS.iter().any(|word| memchr::memmem::find(&lower, word).is_some())
}

fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

fn ends_with(text: &[u8], end: &[u8]) -> bool {
    let tail = text.len().checked_sub(end.len()).and_then(|start| text.get(start..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}
