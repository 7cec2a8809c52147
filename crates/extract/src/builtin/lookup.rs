//! Finds the first entry that yields a value.

use std::cell::OnceCell;

use memchr::memchr;

use super::cookies::Cookies;
use super::headers::Headers;
use super::jwt;
use super::placeholder::is_placeholder;
use super::table::{Entry, Group, Reads, Rule, TABLE, leading_cookies, places_of};
use super::value::{stable_part, take};
use crate::{Exchange, Scratch, Side, decode_base64, percent, query, strip_scheme};

/// Schemes of `Authorization` whose credentials may be opaque tokens.
const TOKEN_SCHEMES: &[&[u8]] = &[b"bearer", b"token", b"jwt", b"dpop"];
/// Headers besides `Authorization` that may carry a JWT.
const TOKEN_HEADERS: &[&str] = &["x-access-token", "x-auth-token"];

/// Writes the value of the first entry that yields one to `found`, and returns the entry.
pub fn find<X: Exchange + ?Sized>(
    exchange: &X,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> Option<&'static Entry> {
    find_if(exchange, scratch, found, &mut |_, _| true)
}

/// As [`find`], but only for values that `accept` approves.
pub fn find_if<X: Exchange + ?Sized>(
    exchange: &X,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
    accept: &mut dyn FnMut(&'static Entry, &[u8]) -> bool,
) -> Option<&'static Entry> {
    let cookies = Cookies::collect(exchange);
    let parts = Parts { exchange, cookies, headers: OnceCell::new() };
    const LEADING: u128 = leading_cookies();
    parts
        .find_in(parts.cookies.places() & LEADING, scratch, found, accept)
        .or_else(|| parts.find_in(parts.places() & !LEADING, scratch, found, accept))
}

/// The parts of a request that the set reads.
struct Parts<'x, X: Exchange + ?Sized> {
    exchange: &'x X,
    cookies: Cookies<'x>,
    headers: OnceCell<Headers<'x>>,
}

impl<'x, X: Exchange + ?Sized> Parts<'x, X> {
    fn headers(&self) -> &Headers<'x> {
        self.headers.get_or_init(|| Headers::collect(self.exchange))
    }

    /// Positions in the table of the entries whose part of the request is present, one bit each.
    fn places(&self) -> u128 {
        let has_headers = !self.headers().is_empty();
        let has_authorization = authorization(self.exchange).is_some();
        let of = |is_there: bool, places: u128| if is_there { places } else { 0 };
        let jwt = has_headers || has_authorization || self.cookies.may_have_jwt();
        self.cookies.places()
            | of(has_headers, const { places_of(Reads::Header) })
            | of(has_authorization, const { places_of(Reads::Authorization) })
            | of(jwt, const { places_of(Reads::Jwt) })
            | of(memchr(b';', self.exchange.path()).is_some(), const { places_of(Reads::Path) })
            | of(!self.exchange.query().is_empty(), const { places_of(Reads::Query) })
    }

    /// The first entry among these positions that yields a value.
    fn find_in(
        &self,
        mut places: u128,
        scratch: &mut Scratch,
        found: &mut Vec<u8>,
        accept: &mut dyn FnMut(&'static Entry, &[u8]) -> bool,
    ) -> Option<&'static Entry> {
        while places != 0 {
            let at = places.trailing_zeros() as usize;
            places &= places - 1;
            found.clear();
            let entry = TABLE.get(at)?;
            if self.read(at, entry, scratch, found) && accept(entry, found) {
                return Some(entry);
            }
        }
        None
    }

    /// Writes the value of one entry to `found`.
    fn read(&self, at: usize, entry: &Entry, scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
        let Self { exchange, cookies, .. } = self;
        match entry.rule {
            Rule::CookiePair(..) => cookies.take_pair(found),
            Rule::Cookie(_)
            | Rule::CookieExcept { .. }
            | Rule::CookieExact(_)
            | Rule::CookieLike { .. } => cookies.take(at, scratch, found),
            Rule::Header(name) => take(self.headers().get(name), found),
            Rule::JwtSid => jwt_in(*exchange, cookies, |token| jwt::sid(token, scratch, found)),
            Rule::JwtSub => jwt_in(*exchange, cookies, |token| jwt::sub(token, scratch, found)),
            Rule::OpaqueAuthorization => take(authorization(*exchange).and_then(opaque), found),
            Rule::ApiKeyAuthorization => take(authorization(*exchange).and_then(api_key), found),
            Rule::BasicUser => authorization(*exchange)
                .is_some_and(|value| basic_user(value, &mut scratch.output, found)),
            Rule::PathParameter(name) => {
                // The same value as in the cookie of that name, so that a client without cookies stays in the same
                // session.
                let Scratch { output, document, .. } = scratch;
                let raw = path_parameter(exchange.path(), name);
                let id = raw.and_then(|raw| percent::decode(raw, false, output));
                take(id.and_then(|id| stable_part(name.as_bytes(), id, document)), found)
            }
            Rule::Query(name) => {
                let raw = query::find(exchange.query(), name.as_bytes(), 0);
                take(raw.and_then(|raw| percent::decode(raw, true, &mut scratch.output)), found)
            }
        }
    }
}

impl Entry {
    /// Whether it identifies a client rather than a user.
    pub fn is_client(&self) -> bool {
        self.group == Group::Client
    }
}

fn authorization<X: Exchange + ?Sized>(exchange: &X) -> Option<&[u8]> {
    exchange.header(Side::Request, b"authorization").map(<[u8]>::trim_ascii)
}

/// The token of one of [`TOKEN_SCHEMES`], unless it is a JWT.
pub(super) fn opaque(authorization: &[u8]) -> Option<&[u8]> {
    let token = TOKEN_SCHEMES.iter().find_map(|scheme| strip_scheme(authorization, scheme))?;
    (!jwt::is_shaped(token)).then_some(token)
}

/// The key in `Authorization: ApiKey`.
pub(super) fn api_key(authorization: &[u8]) -> Option<&[u8]> {
    strip_scheme(authorization, b"apikey").or_else(|| strip_scheme(authorization, b"api-key"))
}

/// The credentials of any scheme, or a value without a scheme.
pub(super) fn token(authorization: &[u8]) -> &[u8] {
    match authorization.iter().position(|byte| *byte == b' ') {
        Some(at) => authorization.get(at..).unwrap_or_default().trim_ascii(),
        None => authorization,
    }
}

/// Writes what identifies the user of Basic credentials (RFC 7617): the user name or, if that is empty, the whole
/// credentials.
pub(super) fn basic_user(authorization: &[u8], buffer: &mut Vec<u8>, found: &mut Vec<u8>) -> bool {
    let credentials =
        strip_scheme(authorization, b"basic").and_then(|it| decode_base64(it, buffer));
    let Some(credentials) = credentials else { return false };
    let end = credentials.iter().position(|byte| *byte == b':').unwrap_or(credentials.len());
    let name = credentials.get(..end).unwrap_or_default().trim_ascii();
    let user = if is_placeholder(name) { credentials } else { name };
    if is_placeholder(user) || user == b":" {
        return false;
    }
    found.extend_from_slice(b"basic\n");
    found.extend_from_slice(user);
    true
}

/// Passes the JWTs of `Authorization`, of token headers and of cookies to `read`, until it succeeds.
fn jwt_in<X: Exchange + ?Sized>(
    exchange: &X,
    cookies: &Cookies<'_>,
    mut read: impl FnMut(&[u8]) -> bool,
) -> bool {
    let mut hit = false;
    each_token_header(exchange, &mut |token| {
        hit = read(token);
        !hit
    });
    if !hit && cookies.may_have_jwt() {
        cookies.each_jwt(exchange, &mut |token| {
            hit = read(token);
            !hit
        });
    }
    hit
}

/// Calls `each` with every JWT in a header, until it returns `false`.
pub(super) fn each_token_header<X: Exchange + ?Sized>(
    exchange: &X,
    each: &mut dyn FnMut(&[u8]) -> bool,
) {
    let first = authorization(exchange).map(token).filter(|token| jwt::is_shaped(token));
    if first.is_some_and(|token| !each(token)) {
        return;
    }
    let headers = Headers::collect(exchange);
    for value in TOKEN_HEADERS.iter().filter_map(|name| headers.get(name)) {
        let token = token(value);
        if jwt::is_shaped(token) && !each(token) {
            return;
        }
    }
}

/// The first value of `;name=value` after a path segment (RFC 3986, 3.3).
pub(super) fn path_parameter<'p>(path: &'p [u8], lower_case_name: &str) -> Option<&'p [u8]> {
    path_parameters(path, lower_case_name).next()
}

/// All values of the path parameter, in order.
pub(super) fn path_parameters<'p>(
    path: &'p [u8],
    lower_case_name: &str,
) -> impl Iterator<Item = &'p [u8]> {
    let path = if memchr::memchr(b';', path).is_some() { path } else { &[] };
    path.split(|byte| matches!(byte, b';' | b'/')).filter_map(move |piece| {
        let (name, value) = piece.split_at_checked(memchr::memchr(b'=', piece)?)?;
        name.eq_ignore_ascii_case(lower_case_name.as_bytes()).then(|| value.get(1..)).flatten()
    })
}
