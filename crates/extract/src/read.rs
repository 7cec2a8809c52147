//! Reading a point's value.

use super::exchange::{Body, Exchange, Side};
use super::scratch::Scratch;
use super::source::PointSource;
use super::{Point, cookie, json, percent, query};
use crate::limits::MAX_VALUE_BYTES;

impl Point {
    /// The value: trimmed, never empty, at most [`MAX_VALUE_BYTES`] long. If it is missing or does not parse, `None`.
    pub fn read<'v, X: Exchange + ?Sized>(
        &'v self,
        exchange: &'v X,
        scratch: &'v mut Scratch,
    ) -> Option<&'v [u8]> {
        let Scratch { value, output, document, carry } = scratch;
        let Some((last, before)) = self.decoders.split_last() else {
            return present(self.source.read(exchange, value)?);
        };
        let read = present(self.source.read(exchange, output)?)?;
        value.clear();
        value.extend_from_slice(read);
        for decoder in before {
            let next = present(decoder.decode(value, output, document)?)?;
            // It may lie in any of the other buffers, so it is copied to a fourth one.
            carry.clear();
            carry.extend_from_slice(next);
            std::mem::swap(value, carry);
        }
        present(last.decode(value, output, document)?)
    }
}

/// The value trimmed and cut, unless it is empty.
fn present(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    let value = &value[..value.len().min(MAX_VALUE_BYTES)];
    (!value.is_empty()).then_some(value)
}

impl PointSource {
    /// The value in the source, decoded according to the syntax of the source.
    #[inline]
    pub(super) fn read<'v, X: Exchange + ?Sized>(
        &'v self,
        exchange: &'v X,
        buffer: &'v mut Vec<u8>,
    ) -> Option<&'v [u8]> {
        match self {
            PointSource::Header { side, name, nth: 0 } => exchange.header(*side, name),
            PointSource::Header { side, name, nth } => nth_header(exchange, *side, name, *nth),
            PointSource::HeaderLike(begin) => header_like(exchange, begin),
            PointSource::Cookie(name) => request_cookie(exchange, |found| *found == **name),
            PointSource::CookieLike(begin) => {
                request_cookie(exchange, |found| found.starts_with(begin))
            }
            PointSource::SetCookie(name) => response_cookie(exchange, name),
            PointSource::Query { name, nth } => {
                percent::decode(query::find(exchange.query(), name, *nth)?, true, buffer)
            }
            PointSource::Path(nth) => {
                let path = exchange.path();
                let path = path.strip_prefix(b"/").unwrap_or(path);
                let segment = path.split(|byte| *byte == b'/').nth(*nth as usize)?;
                percent::decode(segment, false, buffer)
            }
            PointSource::Form(name) => {
                let body = exchange.body(Side::Request).filter(Body::is_form)?;
                percent::decode(query::find(body.bytes, name, 0)?, true, buffer)
            }
            PointSource::Multipart(name) => {
                super::multipart::field(&exchange.body(Side::Request)?, name)
            }
            PointSource::Json { side, path } => {
                let body = exchange.body(*side).filter(|body| body.json)?;
                if body.complete {
                    json::find(body.bytes, path, buffer)
                } else {
                    json::find_in_part(body.bytes, path, buffer)
                }
            }
            PointSource::Ip => Some(exchange.ip()),
            PointSource::Host => exchange.host(),
            PointSource::Method => Some(exchange.method()),
            PointSource::Ja4(form) => exchange.ja4(*form),
            PointSource::Status => {
                use std::io::Write;
                buffer.clear();
                write!(buffer, "{}", exchange.status()?).ok()?;
                Some(buffer)
            }
            PointSource::Variable(id) => exchange.variable(*id),
        }
    }
}

fn nth_header<'v, X: Exchange + ?Sized>(
    exchange: &'v X,
    side: Side,
    wanted: &[u8],
    nth: u32,
) -> Option<&'v [u8]> {
    let (mut left, mut found) = (nth, None);
    exchange.headers(side, &mut |name, value| {
        if name.eq_ignore_ascii_case(wanted) {
            if left == 0 {
                found = Some(value);
            } else {
                left -= 1;
            }
        }
        found.is_none()
    });
    found
}

/// The first request header whose name has this prefix.
fn header_like<'v, X: Exchange + ?Sized>(exchange: &'v X, begin: &[u8]) -> Option<&'v [u8]> {
    let mut found = None;
    exchange.headers(Side::Request, &mut |name, value| {
        if name.get(..begin.len()).is_some_and(|head| head.eq_ignore_ascii_case(begin)) {
            found = Some(value);
        }
        found.is_none()
    });
    found
}

/// The first cookie whose name matches.
fn request_cookie<X: Exchange + ?Sized>(
    exchange: &X,
    is_wanted: impl Fn(&[u8]) -> bool,
) -> Option<&[u8]> {
    let mut found = None;
    exchange.cookies(&mut |name, value| {
        if is_wanted(name) {
            found = Some(value);
        }
        found.is_none()
    });
    found
}

fn response_cookie<'v, X: Exchange + ?Sized>(exchange: &'v X, wanted: &[u8]) -> Option<&'v [u8]> {
    let mut found = None;
    exchange.headers(Side::Response, &mut |name, value| {
        if name.eq_ignore_ascii_case(b"set-cookie") {
            found = cookie::set_cookie(value).filter(|(name, _)| *name == wanted).map(|(_, v)| v);
        }
        found.is_none()
    });
    found
}
