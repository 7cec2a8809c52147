//! Every identifier in a request, whichever of them counts: a session can be denied by any of them.

use super::cookies::{self, Cookies, each_cookie};
use super::lookup::{self, each_token_header};
use super::table::{Rule, TABLE};
use super::value::{has_length, stable_part};
use super::{jwt, table::Entry};
use crate::limits::MAX_REPEATS;
use crate::{Exchange, Scratch, Side, percent, query};

/// Passes every value by which an entry of the set may be found to `take`: each repetition and each spelling of its
/// name, as sent, decoded, and encoded. A value may occur more than once.
pub fn each<X: Exchange + ?Sized>(
    exchange: &X,
    scratch: &mut Scratch,
    take: &mut dyn FnMut(&'static Entry, &[u8]),
) {
    let mut buffer = Vec::new();
    each_cookie(exchange, &mut |name, value| {
        if let Some((at, _)) = cookies::entry_of(name)
            && let Some(entry) = TABLE.get(at)
        {
            each_spelling(value, &mut |value| {
                if let Some(value) = cookies::stable_value(at, value, &mut buffer) {
                    offer(entry, value, take);
                }
            });
        }
        true
    });
    let found_cookies = Cookies::collect(exchange);
    let mut found = Vec::new();
    for entry in TABLE {
        found.clear();
        match entry.rule {
            Rule::CookiePair(..) => {
                if found_cookies.take_pair(&mut found) {
                    take(entry, &found);
                }
            }
            Rule::Header(name) => {
                each_header(exchange, name, &mut |value| offer(entry, value, take));
            }
            Rule::JwtSid | Rule::JwtSub => {
                let mut read = |token: &[u8]| {
                    let is_read = match entry.rule {
                        Rule::JwtSid => jwt::sid(token, scratch, &mut found),
                        _ => jwt::sub(token, scratch, &mut found),
                    };
                    if is_read {
                        take(entry, &found);
                    }
                    true
                };
                each_token_header(exchange, &mut read);
                found_cookies.each_jwt(exchange, &mut read);
            }
            Rule::OpaqueAuthorization => each_header(exchange, "authorization", &mut |value| {
                if let Some(token) = lookup::opaque(value) {
                    offer(entry, token, take);
                }
            }),
            Rule::ApiKeyAuthorization => each_header(exchange, "authorization", &mut |value| {
                if let Some(key) = lookup::api_key(value) {
                    offer(entry, key, take);
                }
            }),
            Rule::BasicUser => each_header(exchange, "authorization", &mut |value| {
                found.clear();
                if lookup::basic_user(value, &mut scratch.output, &mut found) {
                    take(entry, &found);
                }
            }),
            Rule::PathParameter(name) => {
                for value in lookup::path_parameters(exchange.path(), name) {
                    each_spelling(value, &mut |value| {
                        if let Some(value) = stable_part(name.as_bytes(), value, &mut buffer) {
                            offer(entry, value, take);
                        }
                    });
                }
            }
            Rule::Query(name) => {
                let values =
                    (0..).map_while(|nth| query::find(exchange.query(), name.as_bytes(), nth));
                for value in values.take(MAX_REPEATS) {
                    each_spelling(value, &mut |value| offer(entry, value, take));
                }
            }
            Rule::Cookie(_)
            | Rule::CookieExcept { .. }
            | Rule::CookieExact(_)
            | Rule::CookieLike { .. } => {}
        }
    }
}

fn offer(entry: &'static Entry, value: &[u8], take: &mut dyn FnMut(&'static Entry, &[u8])) {
    let value = value.trim_ascii();
    if has_length(value) {
        take(entry, value);
    }
}

fn each_header<X: Exchange + ?Sized>(exchange: &X, wanted: &str, take: &mut dyn FnMut(&[u8])) {
    exchange.headers(Side::Request, &mut |name, value| {
        if name.eq_ignore_ascii_case(wanted.as_bytes()) {
            take(value.trim_ascii());
        }
        true
    });
}

/// The value as sent, decoded, and as encoded by a client.
pub(crate) fn each_spelling(value: &[u8], take: &mut dyn FnMut(&[u8])) {
    take(value);
    let mut buffer = Vec::new();
    let decoded = percent::decode(value, false, &mut buffer).unwrap_or(value);
    if decoded.len() != value.len() {
        take(decoded);
    }
    let encoded = percent::encode(decoded);
    if encoded != value {
        take(&encoded);
    }
}
