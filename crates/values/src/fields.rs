//! The values of a request, one after the other.

mod json;
mod xml;

use crate::class::Mask;
use crate::input::{Input, InputKind, Place};
use api_sessions_extract::multipart::Piece;
use api_sessions_extract::{Body, Exchange, MediaType, Side, cookie, media_type, multipart, query};

/// Buffers for decoding, reused across requests.
#[derive(Debug, Default)]
pub struct Buffers {
    unescaped: Vec<u8>,
    name: Vec<u8>,
}

/// Headers that are structured by a protocol, or long and opaque: they hold no values of an application, unless
/// [`is_foreign`]. Sorted by length.
const SKIPPED: &[&[u8]] = &[
    b"te",
    b"date",
    b"range",
    b"accept",
    b"cookie",
    b"expect",
    b"upgrade",
    b"if-match",
    b"if-range",
    b"priority",
    b"connection",
    b"keep-alive",
    b"tracestate",
    b"traceparent",
    b"content-type",
    b"authorization",
    b"cache-control",
    b"if-none-match",
    b"accept-charset",
    b"content-length",
    b"accept-encoding",
    b"accept-language",
    b"if-modified-since",
    b"transfer-encoding",
    b"if-unmodified-since",
    b"proxy-authorization",
    b"upgrade-insecure-requests",
    b"access-control-request-method",
    b"access-control-request-headers",
];
/// Client hints and fetch metadata: structured, with quotes.
const SKIPPED_PREFIX: &[u8] = b"sec-";

/// Calls `take` with each non-empty value and its byte classes, until it returns false. Of files, only those
/// that `wants_file` accepts.
pub fn each<X: Exchange + ?Sized>(
    exchange: &X,
    wants_file: fn(&[u8]) -> bool,
    buffers: &mut Buffers,
    take: &mut dyn FnMut(Input<'_>, Mask) -> bool,
) {
    let mut give = |input: Input<'_>, mask| input.value.is_empty() || take(input, mask);
    let go_on = path(exchange.path(), &mut give)
        && arguments(InputKind::Query, exchange.query(), &mut give)
        && headers(exchange, &mut give);
    if go_on && let Some(body) = exchange.body(Side::Request) {
        in_body(&body, wants_file, buffers, &mut give);
    }
}

type Give<'g> = dyn FnMut(Input<'_>, Mask) -> bool + 'g;

fn hand(give: &mut Give<'_>, input: Input<'_>) -> bool {
    give(input, Mask::of(input.value))
}

fn unnamed(source: InputKind, place: Place, value: &[u8]) -> Input<'_> {
    Input { source, place, name: b"", value }
}

/// The whole path, and the part from the first segment on that contains more than a plain name.
fn path(path: &[u8], give: &mut Give<'_>) -> bool {
    const OF_NAMES: Mask = Mask::SLASH
        .and(Mask::UNDERSCORE)
        .and(Mask::DASH)
        .and(Mask::DOT)
        .and(Mask::PLUS)
        .and(Mask::COLON);
    let mask = Mask::of(path);
    if !give(unnamed(InputKind::Path, Place::Path, path), mask) {
        return false;
    }
    if mask.is_within(OF_NAMES) {
        return true;
    }
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.~+:@,".contains(byte);
    let Some(first) = path.iter().position(|byte| !is_plain(byte)) else { return true };
    let start = memchr::memrchr(b'/', &path[..first]).map_or(0, |slash| slash + 1);
    hand(give, unnamed(InputKind::Path, Place::Cookie, &path[start..]))
}

fn arguments(source: InputKind, query: &[u8], give: &mut Give<'_>) -> bool {
    // `id' OR '1'='1` is not a pair of name and value.
    let is_odd = |piece: &&[u8]| {
        let end = piece.iter().position(|byte| !is_of_name(*byte) || *byte == b'=');
        end.is_some_and(|end| piece[end] != b'=' && piece[end..].contains(&b'='))
    };
    let mut pieces = query.split(|byte| *byte == b'&').filter(is_odd);
    let whole = |value| Input { source, place: Place::Argument, name: b"", value };
    pieces.all(|piece| hand(give, whole(piece)))
        && query::pairs(query).all(|(name, value)| {
            let place = if value.is_empty() { Place::Argument } else { Place::Name };
            // A name without a value may be a value.
            hand(give, Input { source, place, name: b"", value: name })
                && hand(give, Input { source, place: Place::Argument, name, value })
        })
}

fn headers<X: Exchange + ?Sized>(exchange: &X, give: &mut Give<'_>) -> bool {
    let mut go_on = true;
    exchange.headers(Side::Request, &mut |name, value| {
        let is = |other: &[u8]| is_same(name, other);
        let header = |place| Input { source: InputKind::Header, place, name, value };
        go_on = if is(b"cookie") {
            (!is_cut(value) || hand(give, unnamed(InputKind::Cookie, Place::Cookie, value)))
                && odd_cookies(value)
                    .all(|piece| hand(give, unnamed(InputKind::Cookie, Place::Cookie, piece)))
                && cookie::pairs(value).all(|(name, value)| {
                    hand(
                        give,
                        Input { source: InputKind::Cookie, place: Place::Cookie, name, value },
                    )
                })
        } else if is(b"user-agent") {
            hand(give, header(Place::Agent))
        } else if is(b"referer") {
            referer(name, value, give)
        } else if starts_with(name, SKIPPED_PREFIX)
            || is_skipped(name)
                && (!is_foreign(value) || is(b"authorization") || is(b"proxy-authorization"))
        {
            true
        } else {
            hand(give, header(Place::Header))
        };
        go_on
    });
    go_on
}

/// Parts of a `Cookie` header that are no pair, or whose name is invalid (RFC 6265, 4.1.1).
fn odd_cookies(header: &[u8]) -> impl Iterator<Item = &[u8]> {
    header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|piece| {
        let end = piece.iter().position(|byte| !is_of_name(*byte) || *byte == b'=');
        end.is_none_or(|end| piece[end] != b'=')
    })
}

/// Whether the first part of a `Cookie` header is no pair, but the start of a value that a semicolon cuts.
fn is_cut(header: &[u8]) -> bool {
    let first = header.iter().position(|byte| *byte == b';').unwrap_or(header.len());
    first < header.len()
        && header[..first]
            .iter()
            .any(|byte| matches!(byte, b'\'' | b'"' | b')' | b'>' | b'<' | b'&'))
        && odd_cookies(&header[..first]).next().is_some()
}

/// Whether a byte may occur in names of arguments and cookies.
fn is_of_name(byte: u8) -> bool {
    static TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let odd = b"\"'`()<>;|&{}%+\\=,/";
            let mut at = 0;
            table[byte] = byte > 0x20 && byte < 0x7F;
            while at < odd.len() {
                if odd[at] as usize == byte {
                    table[byte] = false;
                }
                at += 1;
            }
            byte += 1;
        }
        table
    };
    TABLE[usize::from(byte)]
}

/// Compares header names, eight bytes at a time and ignoring case; `lower` must be in lower case.
fn is_same(name: &[u8], lower: &[u8]) -> bool {
    const CASE: u64 = 0x2020_2020_2020_2020;
    let eight =
        |bytes: &[u8]| bytes.first_chunk().map_or(0, |eight| u64::from_ne_bytes(*eight) | CASE);
    if name.len() != lower.len() {
        return false;
    }
    let Some(last) = name.len().checked_sub(8) else { return name.eq_ignore_ascii_case(lower) };
    eight(&name[last..]) == eight(&lower[last..])
        && name
            .chunks_exact(8)
            .zip(lower.chunks_exact(8))
            .all(|(one, two)| eight(one) == eight(two))
}

fn is_skipped(name: &[u8]) -> bool {
    /// Index in [`SKIPPED`] of the first name of each length.
    const STARTS: [u8; 34] = {
        let (mut starts, mut length) = ([0; 34], 0);
        while length < starts.len() {
            let mut at = 0;
            while at < SKIPPED.len() && SKIPPED[at].len() < length {
                at += 1;
            }
            starts[length] = at as u8;
            length += 1;
        }
        starts
    };
    let bounds = (STARTS.get(name.len()), STARTS.get(name.len() + 1));
    let (Some(from), Some(to)) = bounds else { return false };
    let known = SKIPPED.get(usize::from(*from)..usize::from(*to)).unwrap_or_default();
    known.iter().any(|skipped| is_same(name, skipped))
}

/// Whether the value of a protocol's header has signs that no such header has: servers log these headers, and some
/// take a path or an expression from them.
fn is_foreign(value: &[u8]) -> bool {
    /// A shorter value holds no more than one word.
    const MIN_BYTES: usize = 12;
    value.first().is_some_and(|first| b"./$(;|`".contains(first))
        || value.len() >= MIN_BYTES && memchr::memchr3(b'{', b'<', b'\'', value).is_some()
}

/// Values of a `Referer` header. Of a URL, applications read its arguments.
fn referer(name: &[u8], url: &[u8], give: &mut Give<'_>) -> bool {
    let is_url =
        starts_with(url, b"http") || starts_with(url, b"android-app:") || url.starts_with(b"/");
    if !is_url {
        return hand(
            give,
            Input { source: InputKind::Header, place: Place::Header, name, value: url },
        );
    }
    let (path, query) = match memchr::memchr(b'?', url) {
        Some(at) => (&url[..at], &url[at + 1..]),
        None => (url, &url[..0]),
    };
    let part = |place, value| Input { source: InputKind::Header, place, name, value };
    hand(give, part(Place::Link, path))
        && query::pairs(query).all(|(name, value)| {
            hand(give, part(Place::Link, if value.is_empty() { name } else { value }))
        })
}

fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn in_body(
    body: &Body<'_>,
    wants_file: fn(&[u8]) -> bool,
    buffers: &mut Buffers,
    give: &mut Give<'_>,
) -> bool {
    match MediaType::of(body.content_type) {
        // The content of a body without a stated type is unknown.
        kind if body.json && kind != MediaType::Unstated => in_json(body.bytes, buffers, give),
        MediaType::Form if !looks_like(body.bytes, b"{<") => form(body.bytes, give),
        MediaType::Json => in_json(body.bytes, buffers, give),
        MediaType::Multipart => in_multipart(body, wants_file, give),
        MediaType::Other if is_opaque(media_type::essence(body.content_type)) => true,
        MediaType::Other => untyped(body.bytes, false, buffers, give),
        MediaType::Form | MediaType::Unstated => untyped(body.bytes, true, buffers, give),
    }
}

/// Whether the first byte after blanks is one of these.
fn looks_like(bytes: &[u8], first: &[u8]) -> bool {
    bytes.trim_ascii_start().first().is_some_and(|byte| first.contains(byte))
}

/// Reads a body by its content.
///
/// `is_markup`: the body's type does not promise markup, so that text that begins like markup may be a plain
/// value.
fn untyped(bytes: &[u8], is_markup: bool, buffers: &mut Buffers, give: &mut Give<'_>) -> bool {
    if looks_like(bytes, b"{[") {
        return (begins_json(bytes) || hand(give, unnamed(InputKind::Body, Place::Whole, bytes)))
            && in_json(bytes, buffers, give);
    }
    if looks_like(bytes, b"<") || bytes.starts_with(b"+ADw") || bytes.contains(&0) {
        return (!is_markup
            || is_document(bytes)
            || hand(give, unnamed(InputKind::Body, Place::Whole, bytes)))
            && in_xml(bytes, give);
    }
    let name = bytes
        .iter()
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.[]%".contains(byte))
        .count();
    let is_form = name > 0 && bytes.get(name) == Some(&b'=');
    (!is_form || form(bytes, give)) && hand(give, unnamed(InputKind::Body, Place::Whole, bytes))
}

/// Whether JSON follows the opening bracket, and not an expression of a template.
fn begins_json(bytes: &[u8]) -> bool {
    let bytes = bytes.trim_ascii_start();
    let next = bytes.get(1..).unwrap_or_default().trim_ascii_start().first();
    next.is_none_or(|next| match bytes.first() {
        Some(b'{') => matches!(next, b'"' | b'}'),
        _ => matches!(next, b'"' | b'{' | b'[' | b']' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n'),
    })
}

/// Whether it is XML and not HTML: it has a declaration, a namespace, or ends with its first element.
fn is_document(bytes: &[u8]) -> bool {
    const HTML: &[&[u8]] = &[b"svg", b"math", b"script", b"html", b"body", b"a", b"div", b"style"];
    let text = bytes.trim_ascii();
    let name = text.strip_prefix(b"<").unwrap_or_default();
    let len = name
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte))
        .count();
    let name = &name[..len];
    text.starts_with(b"<?xml")
        || name.contains(&b':')
        || len > 0
            && !HTML.iter().any(|html| name.eq_ignore_ascii_case(html))
            && text.strip_suffix(b">").is_some_and(|text| text.ends_with(name))
}

/// Some clients post a single value under the content type of a form.
fn form(bytes: &[u8], give: &mut Give<'_>) -> bool {
    if !bytes.contains(&b'=') {
        return hand(
            give,
            Input { source: InputKind::Form, place: Place::Argument, name: b"", value: bytes },
        );
    }
    arguments(InputKind::Form, bytes, give)
}

fn in_json(bytes: &[u8], buffers: &mut Buffers, give: &mut Give<'_>) -> bool {
    let has_operators = memchr::memchr(b'$', bytes).is_some()
        || memchr::memmem::find(bytes, b"\\u0024").is_some()
        || memchr::memmem::find(bytes, b"\"prototype\"").is_some();
    let Buffers { unescaped, name } = buffers;
    (!has_operators || hand(give, unnamed(InputKind::Json, Place::Object, bytes)))
        && json::strings(bytes, unescaped, name, &mut |name, is_name, value, mask| {
            let place = if is_name { Place::Name } else { Place::Text };
            give(Input { source: InputKind::Json, place, name, value }, mask)
        })
}

fn in_xml(bytes: &[u8], give: &mut Give<'_>) -> bool {
    hand(give, unnamed(InputKind::Xml, Place::Raw, bytes))
        && xml::values(bytes, &mut |name, value| {
            hand(give, Input { source: InputKind::Xml, place: Place::Text, name, value })
        })
}

fn in_multipart(body: &Body<'_>, wants_file: fn(&[u8]) -> bool, give: &mut Give<'_>) -> bool {
    let mut any = false;
    multipart::parts(body, &mut |piece, value| {
        any = true;
        match piece {
            Piece::File => {
                !wants_file(value) || hand(give, unnamed(InputKind::Multipart, Place::File, value))
            }
            Piece::Field if is_binary(value) => true,
            _ => hand(give, unnamed(InputKind::Multipart, Place::Text, value)),
        }
    }) && (any || hand(give, unnamed(InputKind::Body, Place::Whole, body.bytes)))
}

/// Whether a value is binary: not UTF-8 and with many control characters. UTF-16 has few except NUL.
fn is_binary(value: &[u8]) -> bool {
    const SAMPLE: usize = 1024;
    let sample = &value[..value.len().min(SAMPLE)];
    let is_control = |byte: &&u8| (1..0x20).contains(*byte) && !byte.is_ascii_whitespace();
    sample.iter().filter(is_control).count() * 16 > sample.len()
        && std::str::from_utf8(sample).is_err_and(|error| error.error_len().is_some())
}

/// Content types whose bytes are not read as text.
fn is_opaque(essence: &[u8]) -> bool {
    const PREFIXES: &[&[u8]] =
        &[b"application/octet-stream", b"image/", b"video/", b"audio/", b"application/grpc"];
    PREFIXES.iter().any(|prefix| starts_with(essence, prefix))
}
