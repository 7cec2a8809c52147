//! Candidates: values of a request that might be keys.

use std::ops::ControlFlow;

use api_sessions_extract::{
    Exchange, NoVariables, Point, PointSource, SessionKey, Side, builtin, cookie, query,
};

use super::excluded_names;
use super::place::Place;
use crate::limits::{MAX_CANDIDATE_NAME_BYTES, MAX_CANDIDATES, MIN_CANDIDATE_VALUE_BYTES};

/// Calls `take` with place, name and value of each candidate.
#[inline]
pub(crate) fn each<X: Exchange + ?Sized>(exchange: &X, mut take: impl FnMut(Place, &[u8], &[u8])) {
    let mut left = MAX_CANDIDATES;
    let mut offer = |place: Place, name: &[u8], value: &[u8]| {
        if value.len() < MIN_CANDIDATE_VALUE_BYTES || name.len() > MAX_CANDIDATE_NAME_BYTES {
            return ControlFlow::Continue(());
        }
        let Some(next) = left.checked_sub(1) else { return ControlFlow::Break(()) };
        left = next;
        take(place, name, value);
        ControlFlow::Continue(())
    };
    exchange.headers(Side::Request, &mut |name, value| {
        let step = match name.len() {
            _ if value.len() < MIN_CANDIDATE_VALUE_BYTES => return true,
            6 if name.eq_ignore_ascii_case(b"cookie") => {
                cookie::pairs(value).try_for_each(|(name, value)| offer(Place::Cookie, name, value))
            }
            _ => offer(Place::Header, name, value),
        };
        step.is_continue()
    });
    if exchange.query().len() > MIN_CANDIDATE_VALUE_BYTES {
        let _ = query::pairs(exchange.query())
            .try_for_each(|(name, value)| offer(Place::Query, name, value));
    }
}

/// The point that reads a candidate. `None`: there is none, a key reads it already, or it is never a key.
pub(crate) fn new_point(
    place: Place,
    name: &[u8],
    keys: &[SessionKey],
    set: bool,
) -> Option<String> {
    let lower = match place {
        Place::Header => name.to_ascii_lowercase(),
        Place::Cookie | Place::Query | Place::Claim => name.to_vec(),
    };
    let (name, text) = (&*lower, std::str::from_utf8(&lower).ok()?);
    if place == Place::Claim {
        return claim(text, keys, set);
    }
    if excluded_names::is_never(place, text)
        || keys.iter().any(|key| reads(key.point.source(), place, name))
    {
        return None;
    }
    let text = point_of(place, text);
    let point = Point::parse(&text, &mut NoVariables).ok()?;
    (!set || !builtin::covers(&point)).then_some(text)
}

/// The point of a claim; `None` as in [`new_point`].
fn claim(name: &str, keys: &[SessionKey], set: bool) -> Option<String> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_plain
        || excluded_names::is_never(Place::Claim, name)
        || set && excluded_names::is_of_the_set(name)
    {
        return None;
    }
    let text = point_of(Place::Claim, name);
    let point = Point::parse(&text, &mut NoVariables).ok()?;
    let reads = |key: &SessionKey| {
        key.point.source() == point.source()
            && key.point.decoders().last() == point.decoders().last()
    };
    // A claim with the name of a decoder would be parsed as that decoder.
    (point.decoders().len() == 1 && !keys.iter().any(reads)).then_some(text)
}

/// The point that reads a candidate, as text.
pub fn point_of(place: Place, name: &str) -> String {
    let place = match place {
        Place::Cookie => "cookie",
        Place::Header => "header",
        Place::Query => "query",
        Place::Claim => return format!("request.header.authorization.jwt.payload.{name}"),
    };
    quoted_point(place, name)
}

/// The point for a name in `cookie`, `header` or `query`, as text.
pub fn quoted_point(place: &str, name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match name.chars().all(is_plain) {
        true => format!("request.{place}.{name}"),
        false => format!("request.{place}[\"{name}\"]"),
    }
}

/// Whether a key reads the place, however it decodes the value.
fn reads(source: &PointSource, place: Place, wanted: &[u8]) -> bool {
    match (place, source) {
        (Place::Cookie, PointSource::Cookie(name)) => **name == *wanted,
        (Place::Cookie, PointSource::CookieLike(begin)) => wanted.starts_with(begin),
        (Place::Header, PointSource::Header { side: Side::Request, name, .. }) => **name == *wanted,
        (Place::Header, PointSource::HeaderLike(begin)) => wanted.starts_with(begin),
        (Place::Query, PointSource::Query { name, .. }) => **name == *wanted,
        _ => false,
    }
}
