//! Tokens that responses issue in JSON and that clients send back in headers and bodies.

use super::followed_value::{Class, Followed, is_strong};
use super::{jwt, lookup};
use crate::limits::MAX_TOKEN_NAME_BYTES;
use crate::{Body, Exchange, Side, json, percent, query};

/// The name under which all tokens are stored, since they come back in other places than they were issued in.
const NAME: &[u8] = b"\x01token";
/// Substrings of the names of members that contain tokens.
const WANTED: &[&str] = &["token", "jwt", "session"];
/// Substrings of the names of members that contain no token although they match [`WANTED`].
const UNWANTED: &[&str] = &["csrf", "type", "expires"];

/// Methods whose request bodies are examined.
pub fn may_carry_tokens(method: &[u8]) -> bool {
    matches!(method, b"POST" | b"PUT")
}

pub(super) fn each_brought<X: Exchange + ?Sized>(
    exchange: &X,
    take: &mut dyn FnMut(&[u8], Followed<'_>),
) {
    if let Some(authorization) = exchange.header(Side::Request, b"authorization") {
        let authorization = authorization.trim_ascii();
        if let Some(token) = lookup::opaque(authorization).filter(|token| is_strong(token)) {
            take(b"Authorization", followed(Class::Opaque, token));
        }
    }
    lookup::each_token_header(exchange, &mut |token| {
        take(b"Authorization", followed(Class::Token, token));
        true
    });
    if !may_carry_tokens(exchange.method()) {
        return;
    }
    let Some(body) = exchange.body(Side::Request) else { return };
    if body.json {
        each_in_json(&body, &mut |name, token| take(name, followed(Class::Token, token)));
    } else if body.is_form() {
        let mut buffer = Vec::new();
        for (name, value) in query::pairs(body.bytes).filter(|(name, _)| is_wanted(name)) {
            let token = percent::decode(value, true, &mut buffer);
            if let Some(token) = token.filter(|token| is_token(token)) {
                take(name, followed(Class::Token, token));
            }
        }
    }
}

pub(super) fn each_issued<X: Exchange + ?Sized>(exchange: &X, take: &mut dyn FnMut(Followed<'_>)) {
    if !may_carry_tokens(exchange.method()) {
        return;
    }
    if let Some(body) = exchange.body(Side::Response).filter(|body| body.json) {
        each_in_json(&body, &mut |_, token| take(followed(Class::Token, token)));
    }
}

fn followed(class: Class, value: &[u8]) -> Followed<'_> {
    Followed { class, name: NAME, value, entry: None }
}

fn each_in_json(body: &Body<'_>, take: &mut dyn FnMut(&[u8], &[u8])) {
    let mut buffer = Vec::new();
    json::strings_under(body.bytes, &mut buffer, &is_wanted, |name, value, is_named| {
        let is_named = is_named && !holds(name, UNWANTED);
        if (is_named && is_token(value)) || (jwt::is_shaped(value) && !holds(name, UNWANTED)) {
            take(name, value);
        }
    });
}

fn is_token(value: &[u8]) -> bool {
    is_strong(value)
}

fn is_wanted(name: &[u8]) -> bool {
    holds(name, WANTED) && !holds(name, UNWANTED)
}

/// Whether a name contains one of these words, case-insensitively.
fn holds(name: &[u8], words: &[&str]) -> bool {
    name.len() <= MAX_TOKEN_NAME_BYTES
        && words.iter().any(|word| {
            name.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
        })
}
