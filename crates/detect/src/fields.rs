//! The values of a request, one by one.

use super::MAX_FIELDS;
use super::finding::{Input, Source};
use api_sessions_extract::{
    Body, Exchange, MediaType, Side, cookie, json, media_type, multipart, query,
};

/// Where a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The whole path.
    Path,
    /// Value of the query or of a form.
    Argument,
    /// Name of an argument, or of a member of a JSON object.
    Name,
    Cookie,
    /// `User-Agent`.
    Agent,
    /// A header in which applications look for values.
    Header,
    /// A string of a JSON body, or a field of a multipart body.
    Text,
    /// A body of another type, as it is.
    Whole,
}

impl Place {
    /// A value that an application might put into SQL or HTML.
    pub(super) fn is_value(self) -> bool {
        !matches!(self, Self::Name | Self::Whole | Self::Agent)
    }

    pub(super) fn is_encoded(self) -> bool {
        matches!(self, Self::Path | Self::Argument | Self::Name | Self::Cookie)
    }

    pub(super) fn has_plus(self) -> bool {
        matches!(self, Self::Argument | Self::Name)
    }
}

#[derive(Debug, Default)]
pub(super) struct Buffers {
    unescaped: Vec<u8>,
}

/// Headers whose values are structured by protocol, or long and opaque: nothing of an application's.
const SKIPPED: &[&[u8]] = &[
    b"accept",
    b"accept-charset",
    b"accept-encoding",
    b"accept-language",
    b"access-control-request-headers",
    b"access-control-request-method",
    b"authorization",
    b"cache-control",
    b"connection",
    b"content-length",
    b"content-type",
    b"cookie",
    b"date",
    b"expect",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"keep-alive",
    b"priority",
    b"proxy-authorization",
    b"range",
    b"te",
    b"traceparent",
    b"tracestate",
    b"transfer-encoding",
    b"upgrade",
    b"upgrade-insecure-requests",
];
/// Client hints and fetch metadata: structured, with quotes.
const SKIPPED_PREFIX: &[u8] = b"sec-";

/// Hands out values until there are none, [`MAX_FIELDS`] were handed out, or `take` has enough.
pub(super) fn each<X: Exchange + ?Sized>(
    exchange: &X,
    buffers: &mut Buffers,
    take: &mut dyn FnMut(Input<'_>) -> bool,
) {
    let mut left = MAX_FIELDS;
    let mut give = |input: Input<'_>| {
        if input.value.is_empty() {
            return true;
        }
        left = left.saturating_sub(1);
        left > 0 && take(input)
    };
    let _ = give(unnamed(Source::Path, Place::Path, exchange.path()))
        && arguments(Source::Query, exchange.query(), &mut give)
        && headers(exchange, &mut give)
        && exchange
            .body(Side::Request)
            .is_none_or(|body| in_body(&body, &mut buffers.unescaped, &mut give));
}

type Give<'g> = dyn FnMut(Input<'_>) -> bool + 'g;

fn unnamed(source: Source, place: Place, value: &[u8]) -> Input<'_> {
    Input { source, place, name: b"", value }
}

fn arguments(source: Source, query: &[u8], give: &mut Give<'_>) -> bool {
    query::pairs(query).all(|(name, value)| {
        give(Input { source, place: Place::Name, name, value: name })
            && give(Input { source, place: Place::Argument, name, value })
    })
}

fn headers<X: Exchange + ?Sized>(exchange: &X, give: &mut Give<'_>) -> bool {
    let mut go_on = true;
    exchange.headers(Side::Request, &mut |name, value| {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        let header = |place| Input { source: Source::Header, place, name, value };
        go_on = if is(b"cookie") {
            cookie::pairs(value).all(|(name, value)| {
                give(Input { source: Source::Cookie, place: Place::Cookie, name, value })
            })
        } else if is(b"user-agent") {
            give(header(Place::Agent))
        } else if is(b"referer") {
            referer(name, value, give)
        } else if SKIPPED.iter().any(|skipped| is(skipped)) || starts_with(name, SKIPPED_PREFIX) {
            true
        } else {
            give(header(Place::Header))
        };
        go_on
    });
    go_on
}

/// A URL: what an application reads of it are its arguments.
fn referer(name: &[u8], url: &[u8], give: &mut Give<'_>) -> bool {
    let (path, query) = match memchr::memchr(b'?', url) {
        Some(at) => (&url[..at], &url[at + 1..]),
        None => (url, &url[..0]),
    };
    let part = |place, value| Input { source: Source::Header, place, name, value };
    give(part(Place::Path, path))
        && query::pairs(query).all(|(argument, value)| {
            give(part(Place::Name, argument)) && give(part(Place::Argument, value))
        })
}

fn starts_with(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn in_json(body: &Body<'_>, unescaped: &mut Vec<u8>, give: &mut Give<'_>) -> bool {
    json::strings(body.bytes, unescaped, &mut |is_name, text| {
        let place = if is_name { Place::Name } else { Place::Text };
        give(unnamed(Source::Json, place, text))
    })
}

fn in_body(body: &Body<'_>, unescaped: &mut Vec<u8>, give: &mut Give<'_>) -> bool {
    match MediaType::of(body.content_type) {
        // A body of no stated type may be anything.
        kind if body.json && kind != MediaType::Unstated => in_json(body, unescaped, give),
        MediaType::Form => arguments(Source::Form, body.bytes, give),
        MediaType::Json => in_json(body, unescaped, give),
        MediaType::Multipart => multipart::parts(body, &mut |content| {
            give(unnamed(Source::Multipart, Place::Text, content))
        }),
        MediaType::Other if is_opaque(media_type::essence(body.content_type)) => true,
        MediaType::Other | MediaType::Unstated => {
            give(unnamed(Source::Body, Place::Whole, body.bytes))
        }
    }
}

/// Bytes that nobody reads as text.
fn is_opaque(essence: &[u8]) -> bool {
    const PREFIXES: &[&[u8]] =
        &[b"application/octet-stream", b"image/", b"video/", b"audio/", b"application/grpc"];
    PREFIXES.iter().any(|prefix| starts_with(essence, prefix))
}
