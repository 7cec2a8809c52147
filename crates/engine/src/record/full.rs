//! The full content of a malicious request, without what is to be hidden.
//!
//! Two nets. The places that hidden points read from go as a whole: that header, cookie, argument,
//! path segment or body, however short the value. Then every text is searched for the values, as they
//! are, percent-encoded, in base64 and JSON-escaped; where one is found, the text around it goes. More
//! is cut, never less.

use std::borrow::Cow;

use api_sessions_wire::FullRequest;

use super::limits::{cut, text};
use super::redact::{HIDDEN, Secrets};
use crate::point::{Exchange, Point, Side, Source, cookie, percent, query};

/// Longest exported request line, and longest value of a header, bytes.
const MAX_LINE_BYTES: usize = 16 * 1024;
/// Most headers.
const MAX_HEADERS: usize = 128;
/// Headers that are credentials as a whole: never exported in full content.
const CREDENTIALS: &[&[u8]] = &[b"authorization", b"proxy-authorization"];

/// What is known of the request beside the exchange.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin<'o> {
    pub(super) proto: &'o [u8],
}

/// Writes line, headers and body as they may be seen.
pub(super) fn full_request<'r, X: Exchange + ?Sized>(
    exchange: &'r X,
    origin: Origin<'_>,
    hidden: &[&Point],
    secrets: &Secrets,
) -> FullRequest<'r> {
    let mut full = FullRequest::default();
    let line = line(exchange, origin, hidden, secrets);
    full.truncated |= line.len() > MAX_LINE_BYTES;
    full.line = Cow::Owned(text(&line, MAX_LINE_BYTES).into_owned());
    exchange.headers(Side::Request, &mut |name, value| {
        if full.headers.len() == MAX_HEADERS {
            full.truncated = true;
            return false;
        }
        full.truncated |= value.len() > MAX_LINE_BYTES;
        let value = header(name, value, hidden, secrets);
        full.headers.push((text(name, MAX_LINE_BYTES), value));
        true
    });
    if let Some(body) = exchange.body(Side::Request) {
        full.truncated |= !body.complete;
        let reads_body = hidden.iter().any(|point| point.needs().request_body);
        if body.bytes.is_empty() {
            // Nothing of it was seen.
        } else if reads_body || secrets.shown_in(body.bytes) {
            full.body = Some(Cow::Borrowed(HIDDEN));
        } else if let Ok(plain) = std::str::from_utf8(body.bytes) {
            full.body = Some(Cow::Borrowed(plain));
        } else {
            use base64::Engine;
            let encoded = base64::engine::general_purpose::STANDARD.encode(body.bytes);
            full.body_base64 = Some(Cow::Owned(encoded));
        }
    }
    full
}

fn line<X: Exchange + ?Sized>(
    exchange: &X,
    origin: Origin<'_>,
    hidden: &[&Point],
    secrets: &Secrets,
) -> Vec<u8> {
    let mut line = exchange.method().to_vec();
    line.push(b' ');
    let reads_segment = |at: usize| {
        hidden
            .iter()
            .any(|point| matches!(point.source(), Source::Path(nth) if *nth as usize == at))
    };
    let path = secrets.hide_in_path(exchange.path());
    for (at, segment) in path.split(|byte| *byte == b'/').enumerate() {
        if at > 0 {
            line.push(b'/');
        }
        let hide = at > 0 && reads_segment(at - 1) || secrets.shown_in(segment);
        line.extend_from_slice(if hide { HIDDEN.as_bytes() } else { segment });
    }
    for (at, (name, value)) in query::pairs(exchange.query()).enumerate() {
        line.push(if at == 0 { b'?' } else { b'&' });
        let read = hidden.iter().any(|point| match point.source() {
            Source::Query { name: known, .. } => percent::equals(name, true, known),
            _ => false,
        });
        let hide_name = secrets.shown_in(name);
        line.extend_from_slice(if hide_name { HIDDEN.as_bytes() } else { name });
        line.push(b'=');
        let hide = read || secrets.shown_in(value);
        line.extend_from_slice(if hide { HIDDEN.as_bytes() } else { value });
    }
    if !origin.proto.is_empty() {
        line.push(b' ');
        line.extend_from_slice(origin.proto);
    }
    // A value may span parts: then all of it goes.
    if secrets.shown_in(&line) { HIDDEN.as_bytes().to_vec() } else { line }
}

fn header<'v>(name: &[u8], value: &'v [u8], hidden: &[&Point], secrets: &Secrets) -> Cow<'v, str> {
    let read = hidden.iter().any(|point| match point.source() {
        Source::Header { side: Side::Request, name: known, .. } => name.eq_ignore_ascii_case(known),
        // What a complex value reads is not known here: only the search can find it.
        _ => false,
    });
    let credential = CREDENTIALS.iter().any(|known| name.eq_ignore_ascii_case(known));
    if read || credential {
        return Cow::Borrowed(HIDDEN);
    }
    if name.eq_ignore_ascii_case(b"cookie") {
        return cookies(value, hidden, secrets);
    }
    if secrets.shown_in(value) {
        return Cow::Borrowed(HIDDEN);
    }
    text(value, MAX_LINE_BYTES)
}

/// Cookie by cookie.
fn cookies<'v>(value: &'v [u8], hidden: &[&Point], secrets: &Secrets) -> Cow<'v, str> {
    let mut shown = Vec::new();
    for (name, value) in cookie::pairs(cut(value, MAX_LINE_BYTES)) {
        if !shown.is_empty() {
            shown.extend_from_slice(b"; ");
        }
        let read = hidden
            .iter()
            .any(|point| matches!(point.source(), Source::Cookie(known) if **known == *name));
        let hide_name = secrets.shown_in(name);
        shown.extend_from_slice(if hide_name { HIDDEN.as_bytes() } else { name });
        shown.push(b'=');
        let hide = read || secrets.shown_in(value);
        shown.extend_from_slice(if hide { HIDDEN.as_bytes() } else { value });
    }
    if secrets.shown_in(&shown) {
        return Cow::Borrowed(HIDDEN);
    }
    Cow::Owned(String::from_utf8_lossy(&shown).into_owned())
}

#[cfg(test)]
mod tests;
