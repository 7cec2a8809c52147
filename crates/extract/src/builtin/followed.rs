//! Values that a response issues and a client sends back: which of them are followed, by class.

use super::cookies::{each_cookie, entry_of, stable_value};
use super::credentials::holds_state_by_name;
use super::followed_value::{Class, Followed, is_strong};
use super::jwt;
use super::lookup::{self, path_parameters};
use super::placeholder::is_placeholder;
use super::state::is_sealed;
use super::table::{Group, Rule, TABLE};
use super::tokens;
use super::value::{has_length, stable_part};
use crate::{Exchange, Scratch, Side, cookie, percent};

/// What a response does to a cookie.
#[derive(Debug, Clone, Copy)]
pub enum Issued<'v> {
    /// Sets it to a value.
    Value(Followed<'v>),
    /// Deletes it.
    Deletion,
}

/// The session header of MCP.
const MCP: &[u8] = b"mcp-session-id";
/// The path parameter of servlets, followed like the cookie.
const JSESSIONID: &str = "jsessionid";

/// Passes values in a request that a response may have issued to `take`, with the name under which they were sent. With
/// `with_tokens`, includes tokens in headers and bodies.
pub fn each_brought<X: Exchange + ?Sized>(
    exchange: &X,
    with_tokens: bool,
    take: &mut dyn FnMut(&[u8], Followed<'_>),
) {
    if with_tokens {
        tokens::each_brought(exchange, take);
    }
    let mut buffer = Vec::new();
    each_cookie(exchange, &mut |name, value| {
        if let Some(followed) = followed_cookie(name, value, &mut buffer) {
            take(name, followed);
        }
        true
    });
    if let Some(value) = exchange.header(Side::Request, MCP) {
        take_header(value.trim_ascii(), &mut |followed| take(MCP, followed));
    }
    if memchr::memchr(b';', exchange.path()).is_some() {
        take_path(exchange.path(), &mut |followed| take(b";jsessionid", followed));
    }
}

/// Passes the cookies of a request with wanted names to `take`, as [`each_brought`] does, until it returns `false`.
pub fn each_brought_cookie<X: Exchange + ?Sized>(
    exchange: &X,
    is_wanted: &dyn Fn(&[u8]) -> bool,
    take: &mut dyn FnMut(Followed<'_>) -> bool,
) {
    let mut buffer = Vec::new();
    each_cookie(exchange, &mut |name, value| {
        !is_wanted(name) || followed_cookie(name, value, &mut buffer).is_none_or(&mut *take)
    });
}

/// Passes what a response issues at `now_s` (seconds since 1970) to `take`: `Set-Cookie`, `Mcp-Session-Id`, and
/// `;jsessionid=` in `Location`. With `with_tokens`, includes tokens in its JSON body.
pub fn each_issued<X: Exchange + ?Sized>(
    exchange: &X,
    now_s: u32,
    with_tokens: bool,
    take: &mut dyn FnMut(Issued<'_>),
) {
    if with_tokens {
        tokens::each_issued(exchange, &mut |followed| take(Issued::Value(followed)));
    }
    if exchange.method() == b"DELETE"
        && exchange.status().is_some_and(|status| (200..300).contains(&status))
        && exchange.header(Side::Request, MCP).is_some()
    {
        // This is how an MCP client ends its session.
        take(Issued::Deletion);
    }
    let mut buffer = Vec::new();
    exchange.headers(Side::Response, &mut |name, header| {
        if name.eq_ignore_ascii_case(b"set-cookie") {
            if let Some((name, value)) = cookie::set_cookie(header) {
                if is_placeholder(value) || cookie::is_expired(header, now_s) {
                    take(Issued::Deletion);
                } else if let Some(followed) = followed_cookie(name, value, &mut buffer) {
                    take(Issued::Value(followed));
                }
            }
        } else if name.eq_ignore_ascii_case(MCP) {
            take_header(header.trim_ascii(), &mut |value| take(Issued::Value(value)));
        } else if name.eq_ignore_ascii_case(b"location") {
            let end = header.iter().position(|byte| *byte == b'?').unwrap_or(header.len());
            let path = header.get(..end).unwrap_or_default();
            take_path(path, &mut |value| take(Issued::Value(value)));
        }
        true
    });
}

fn take_header(value: &[u8], take: &mut dyn FnMut(Followed<'_>)) {
    if has_length(value) {
        let entry = TABLE.iter().find(|entry| entry.group == Group::Protocol);
        take(Followed { class: Class::Header, name: MCP, value, entry });
    }
}

fn take_path(path: &[u8], take: &mut dyn FnMut(Followed<'_>)) {
    let (mut decoded, mut buffer) = (Vec::new(), Vec::new());
    for raw in path_parameters(path, JSESSIONID) {
        if let Some(value) = percent::decode(raw, false, &mut decoded)
            && let Some(value) = stable_part(JSESSIONID.as_bytes(), value, &mut buffer)
            && has_length(value)
        {
            let entry = TABLE.iter().find(|entry| matches!(entry.rule, Rule::PathParameter(_)));
            take(Followed { class: Class::Set, name: b"JSESSIONID", value, entry });
        }
    }
}

/// A cookie in the form in which it is followed: one of the set by the stable part of its value, under the name of its
/// entry; any other one unchanged.
pub fn followed_cookie<'v>(
    name: &'v [u8],
    value: &'v [u8],
    buffer: &'v mut Vec<u8>,
) -> Option<Followed<'v>> {
    if let Some((at, _)) = entry_of(name)
        && let Some(entry) = TABLE.get(at)
        && !matches!(entry.rule, Rule::CookiePair(..))
    {
        if !has_length(value) {
            return None;
        }
        let name = entry.name.as_bytes();
        let value =
            stable_value(at, value, buffer).filter(|value| has_length(value)).unwrap_or(value);
        return Some(Followed { class: Class::Set, name, value, entry: Some(entry) });
    }
    if !is_strong(value) {
        return None;
    }
    let class = if is_balancer(name) {
        Class::Balancer
    } else if holds_state_by_name(name) || is_sealed(value) {
        Class::State
    } else {
        Class::Other
    };
    Some(Followed { class, name, value, entry: None })
}

/// Prefixes of the lower-case names of cookies from load balancers and bot protection.
const BALANCERS: &[&str] = &[
    "awsalb",
    "awselb",
    "arraffinity",
    "bigip",
    "incap_ses_",
    "visid_incap_",
    "nlbi_",
    "__cf",
    "_cfuvid",
    "cf_clearance",
    "_abck",
    "ak_bmsc",
    "bm_",
    "datadome",
    "reese84",
    "_px",
    "ts01",
    "aws-waf-token",
    "ingresscookie",
    "serverid",
    "route",
    "applicationgatewayaffinity",
    "citrix_ns_id",
    "srv_id",
];

fn is_balancer(name: &[u8]) -> bool {
    BALANCERS.iter().any(|known| {
        name.get(..known.len()).is_some_and(|head| head.eq_ignore_ascii_case(known.as_bytes()))
    })
}

/// The user that a request claims to come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal {
    /// A user, named by a JWT or by Basic credentials.
    User,
    /// The holder of an opaque token, who may have replaced an earlier one.
    Token,
}

/// Writes what identifies the user of a JWT to `found`, as [`principal`] does.
pub fn user_of_token(token: &[u8], scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
    jwt::is_shaped(token) && jwt::user(token, scratch, found)
}

/// Writes what the claims of a JWT identify to `found`: its session, else its user, as for a request with that token.
pub fn session_of_token(token: &[u8], scratch: &mut Scratch, found: &mut Vec<u8>) -> bool {
    jwt::is_shaped(token) && (jwt::sid(token, scratch, found) || jwt::sub(token, scratch, found))
}

/// Writes what identifies the user of a request to `found`: claims of a JWT, else the user name of Basic credentials,
/// else an opaque token.
pub fn principal<X: Exchange + ?Sized>(
    exchange: &X,
    scratch: &mut Scratch,
    found: &mut Vec<u8>,
) -> Option<Principal> {
    let mut hit = false;
    lookup::each_token_header(exchange, &mut |token| {
        hit = jwt::user(token, scratch, found);
        !hit
    });
    let cookies = super::cookies::Cookies::collect(exchange);
    if !hit && cookies.may_have_jwt() {
        cookies.each_jwt(exchange, &mut |token| {
            hit = jwt::user(token, scratch, found);
            !hit
        });
    }
    if hit {
        return Some(Principal::User);
    }
    let authorization = exchange.header(Side::Request, b"authorization")?.trim_ascii();
    found.clear();
    if lookup::basic_user(authorization, &mut scratch.output, found) {
        return Some(Principal::User);
    }
    found.clear();
    let token = lookup::opaque(authorization).or_else(|| lookup::api_key(authorization))?;
    found.extend_from_slice(token);
    Some(Principal::Token)
}
