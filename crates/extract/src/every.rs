//! Every value that a point may yield: each repetition of a header, cookie or argument, as sent, decoded, and encoded.

use super::builtin::each_spelling;
use super::exchange::{Exchange, Side};
use super::scratch::Scratch;
use super::source::PointSource;
use super::{Point, cookie, query};
use crate::limits::{MAX_REPEATS, MAX_VALUE_BYTES};

impl Point {
    /// Passes to `take` what [`Point::read`] yields, and what it would yield for each repetition of the same header,
    /// cookie or argument. A value may occur more than once.
    pub fn read_each<X: Exchange + ?Sized>(
        &self,
        exchange: &X,
        scratch: &mut Scratch,
        take: &mut dyn FnMut(&[u8]),
    ) {
        if let Some(value) = self.read(exchange, scratch) {
            take(value);
        }
        let mut offer = |raw: &[u8]| {
            each_spelling(raw, &mut |value| {
                if let Some(value) = self.decode(value, scratch) {
                    take(value);
                }
            });
        };
        match self.source() {
            PointSource::Header { side: Side::Request, name: wanted, .. } => {
                exchange.headers(Side::Request, &mut |name, value| {
                    if name.eq_ignore_ascii_case(wanted) {
                        offer(value);
                    }
                    true
                });
            }
            PointSource::HeaderLike(begin) => {
                exchange.headers(Side::Request, &mut |name, value| {
                    if name.get(..begin.len()).is_some_and(|head| head.eq_ignore_ascii_case(begin))
                    {
                        offer(value);
                    }
                    true
                })
            }
            PointSource::Cookie(wanted) => {
                each_cookie(exchange, |name| *name == **wanted, &mut offer)
            }
            PointSource::CookieLike(begin) => {
                each_cookie(exchange, |name| name.starts_with(begin), &mut offer);
            }
            PointSource::Query { name, .. } => {
                let values = (0..).map_while(|nth| query::find(exchange.query(), name, nth));
                values.take(MAX_REPEATS).for_each(offer);
            }
            PointSource::Form(name) => {
                let Some(body) = exchange.body(Side::Request).filter(super::Body::is_form) else {
                    return;
                };
                let values = (0..).map_while(|nth| query::find(body.bytes, name, nth));
                values.take(MAX_REPEATS).for_each(offer);
            }
            _ => {}
        }
    }

    /// Applies the decoders to a value of the source.
    fn decode<'v>(&'v self, value: &'v [u8], scratch: &'v mut Scratch) -> Option<&'v [u8]> {
        let Scratch { value: current, output, document, carry } = scratch;
        current.clear();
        current.extend_from_slice(value.get(..MAX_VALUE_BYTES).unwrap_or(value).trim_ascii());
        for decoder in self.decoders() {
            let next = decoder.decode(current, output, document)?.trim_ascii();
            carry.clear();
            carry.extend_from_slice(next);
            std::mem::swap(current, carry);
        }
        (!current.is_empty()).then_some(&**current)
    }
}

fn each_cookie<X: Exchange + ?Sized>(
    exchange: &X,
    is_wanted: impl Fn(&[u8]) -> bool,
    take: &mut dyn FnMut(&[u8]),
) {
    exchange.headers(Side::Request, &mut |name, value| {
        if name.eq_ignore_ascii_case(b"cookie") {
            cookie::pairs(value)
                .filter(|(name, _)| is_wanted(name))
                .for_each(|(_, value)| take(value));
        }
        true
    });
}
