//! Finding the first entry that yields a value.

use super::jwt;
use super::table::{Entry, Rule, TABLE};
use super::value::{identifies, is_placeholder, stable_part};
use crate::{Exchange, Scratch, Side, cookie, percent, query, strip_scheme};

/// Longest cookie name that is compared, bytes.
pub(super) const MAX_NAME_BYTES: usize = 64;
/// Most cookies of a request that are looked at.
const MAX_COOKIES: usize = 256;

/// Writes the value of the first entry that yields one to `found`.
pub fn find<X: Exchange + ?Sized>(
    exchange: &X,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> Option<&'static Entry> {
    let cookies = Cookies::collect(exchange);
    TABLE.iter().enumerate().find_map(|(at, entry)| {
        found.clear();
        let hit = match entry.rule {
            Rule::CookiePair(..) => cookies.take_pair(found),
            Rule::Cookie(_)
            | Rule::CookieExcept { .. }
            | Rule::CookieExact(_)
            | Rule::CookieLike(_) => cookies.take(at, scratch, found),
            Rule::Header(name) => take(exchange.header(Side::Request, name.as_bytes()), found),
            Rule::JwtSid => jwt_in(exchange, &cookies, |token| jwt::sid(token, scratch, found)),
            Rule::JwtSub => jwt_in(exchange, &cookies, |token| jwt::sub(token, scratch, found)),
            Rule::OpaqueAuthorization => {
                let token = authorization(exchange).filter(|token| !jwt::is_shaped(token));
                take(token, found)
            }
            Rule::PathParameter(name) => {
                // As a cookie of that name: where a client takes none, it is the same session.
                let Scratch { output, document, .. } = scratch;
                let raw = path_parameter(exchange.path(), name);
                let id = raw.and_then(|raw| percent::decode(raw, false, output));
                take(id.and_then(|id| stable_part(name.as_bytes(), id, document)), found)
            }
            Rule::Query(name) => {
                let raw = query::find(exchange.query(), name.as_bytes(), 0);
                take(raw.and_then(|raw| percent::decode(raw, true, &mut scratch.output)), found)
            }
        };
        hit.then_some(entry)
    })
}

fn take(value: Option<&[u8]>, found: &mut Vec<u8>) -> bool {
    // A JWT changes whenever it is refreshed: its claims count, or nothing of it.
    let counts = |value: &&[u8]| identifies(value) && !jwt::is_raw(value);
    match value.map(<[u8]>::trim_ascii).filter(counts) {
        Some(value) => {
            found.extend_from_slice(value);
            true
        }
        None => false,
    }
}

/// Token of `Authorization: Bearer` or `Token`.
fn authorization<X: Exchange + ?Sized>(exchange: &X) -> Option<&[u8]> {
    let value = exchange.header(Side::Request, b"authorization")?.trim_ascii();
    strip_scheme(value, b"bearer").or_else(|| strip_scheme(value, b"token"))
}

/// The JWT of `Authorization`, then each in a cookie, until one is read.
fn jwt_in<X: Exchange + ?Sized>(
    exchange: &X,
    cookies: &Cookies<'_>,
    mut read: impl FnMut(&[u8]) -> bool,
) -> bool {
    let bearer = authorization(exchange).filter(|token| jwt::is_shaped(token));
    if bearer.is_some_and(&mut read) {
        return true;
    }
    let mut hit = false;
    if cookies.have_jwt {
        each_cookie(exchange, &mut |_, value| {
            hit = jwt::is_shaped(value) && read(value);
            !hit
        });
    }
    hit
}

/// Calls `each` with name and value of every cookie that is looked at, until it returns `false`.
pub(super) fn each_cookie<'x, X: Exchange + ?Sized>(
    exchange: &'x X,
    each: &mut dyn FnMut(&'x [u8], &'x [u8]) -> bool,
) {
    let mut left = MAX_COOKIES;
    exchange.headers(Side::Request, &mut |name, value| {
        if name.eq_ignore_ascii_case(b"cookie") {
            for (name, value) in cookie::pairs(value).take(left) {
                left -= 1;
                if !each(name, value) {
                    left = 0;
                    break;
                }
            }
        }
        left > 0
    });
}

/// Value of `;name=value` behind a path segment (RFC 3986, 3.3).
fn path_parameter<'p>(path: &'p [u8], lower_case_name: &str) -> Option<&'p [u8]> {
    memchr::memchr(b';', path)?;
    path.split(|byte| matches!(byte, b';' | b'/')).find_map(|piece| {
        let at = memchr::memchr(b'=', piece)?;
        piece[..at].eq_ignore_ascii_case(lower_case_name.as_bytes()).then(|| &piece[at + 1..])
    })
}

/// What one pass over the cookies found.
#[derive(Default)]
struct Cookies<'x> {
    /// The cookie of the earliest entry, with that entry's place.
    first: Option<(usize, &'x [u8])>,
    /// The cookies of all entries after it that may be asked for when its value does not identify.
    others: Vec<(usize, &'x [u8])>,
    pair: [Option<&'x [u8]>; 2],
    /// Some look like a JWT.
    have_jwt: bool,
}

impl<'x> Cookies<'x> {
    fn collect<X: Exchange + ?Sized>(exchange: &'x X) -> Self {
        let mut all = Self::default();
        each_cookie(exchange, &mut |name, value| {
            all.look(name, value);
            true
        });
        all
    }

    fn look(&mut self, name: &'x [u8], value: &'x [u8]) {
        self.have_jwt |= jwt::is_shaped(value);
        let name = without_prefix(name);
        let mut buffer = [0; MAX_NAME_BYTES];
        let Some(lower) = buffer.get_mut(..name.len()) else { return };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        for (at, entry) in TABLE.iter().enumerate() {
            match (entry.rule.cookie(name, lower), entry.rule) {
                (None, _) => {}
                (Some(place), Rule::CookiePair(..)) => {
                    if let Some(slot) = self.pair.get_mut(place) {
                        slot.get_or_insert(value);
                    }
                    return;
                }
                (Some(_), _) => return self.keep(at, value),
            }
        }
    }

    /// The first of two cookies of one name counts.
    fn keep(&mut self, at: usize, value: &'x [u8]) {
        match self.first {
            None => self.first = Some((at, value)),
            Some((first, _)) if first == at => {}
            Some(_) if self.others.iter().any(|(other, _)| *other == at) => {}
            Some(_) => self.others.push((at, value)),
        }
    }

    fn take(&self, at: usize, scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
        let Some((_, value)) =
            self.first.iter().chain(&self.others).find(|(entry, _)| *entry == at)
        else {
            return false;
        };
        let name = match TABLE.get(at).map(|entry| entry.rule) {
            Some(Rule::Cookie(name)) => name.as_bytes(),
            _ => b"",
        };
        take(stable_part(name, value, &mut scratch.output), found)
    }

    fn take_pair(&self, found: &mut Vec<u8>) -> bool {
        let [Some(one), Some(two)] = self.pair else { return false };
        if is_placeholder(one) || is_placeholder(two) {
            return false;
        }
        found.extend_from_slice(one);
        found.push(b':');
        found.extend_from_slice(two);
        identifies(found)
    }
}

pub(super) fn without_prefix(name: &[u8]) -> &[u8] {
    for prefix in [&b"__Host-"[..], b"__Secure-"] {
        if let Some((head, rest)) = name.split_at_checked(prefix.len())
            && head.eq_ignore_ascii_case(prefix)
        {
            return rest;
        }
    }
    name
}
