//! Hides what is known to be a credential and shows everything else.
//!
//! There are three checks. The places that hidden points read are hidden as a whole (header, cookie,
//! argument, path segment or body), even for short values. So are the places of known credentials, whether or
//! not they identified the session. Then every text is searched for hidden values (plain, percent-encoded, in
//! base64, JSON-escaped and as HTML references) and for tokens; on a match, the surrounding text is hidden.
//! In doubt, more is hidden.
//!
//! A list (arguments, cookies) is first searched as one text. Only on a match are its items searched one by
//! one, up to a limit, so that no request can be made expensive on purpose.

use std::borrow::Cow;

use super::{Rule, authority};
use crate::bounded::text;
use crate::limits::{MAX_LINE_BYTES, MAX_SEARCHED_ITEMS};
use crate::path;
use crate::places::Places;
use crate::secrets::{HIDDEN, Secrets};
use crate::utf16::is_wide;
use api_sessions_extract::builtin;
use api_sessions_extract::{Body, Exchange, cookie, query};

pub(super) fn line<X: Exchange + ?Sized>(
    exchange: &X,
    rule: &Rule<'_>,
    secrets: &mut Secrets,
) -> Vec<u8> {
    let places = rule.hidden;
    let mut line = secrets.without_credentials(exchange.method()).to_vec();
    line.push(b' ');
    authority(exchange.origin(), rule.hidden, secrets, &mut line);
    line.extend_from_slice(&path::hide(exchange.path(), &places.segments(), &[], secrets));
    if !exchange.query().is_empty() {
        line.push(b'?');
        arguments(exchange.query(), places, secrets, &mut line);
    }
    if !rule.proto.is_empty() {
        line.push(b' ');
        line.extend_from_slice(secrets.without_credentials(rule.proto));
    }
    // A value may span several parts of the line.
    if secrets.shown_in(&line) { HIDDEN.as_bytes().to_vec() } else { line }
}

/// Handles each argument of a query or form by itself. Empty arguments and those without a value stay as they
/// were sent.
fn arguments(query: &[u8], places: &Places<'_>, secrets: &mut Secrets, out: &mut Vec<u8>) {
    let mut items = Items::of(query, query::pairs(query).count(), secrets);
    for (at, piece) in query.split(|byte| *byte == b'&').enumerate() {
        if at > 0 {
            out.push(b'&');
        }
        let Some((name, value)) = query::pairs(piece).next() else { continue };
        out.extend_from_slice(items.name(name));
        if name.len() < piece.len() {
            out.push(b'=');
            let is_known = places.argument(name) || builtin::is_credential_argument(name);
            out.extend_from_slice(items.value(value, is_known));
        }
    }
}

pub(super) fn header<'v>(
    name: &[u8],
    value: &'v [u8],
    places: &Places<'_>,
    secrets: &mut Secrets,
) -> Cow<'v, str> {
    let is_credential = builtin::is_credential_header(name) || builtin::is_credentials(value);
    if places.header(name) || is_credential {
        return Cow::Borrowed(HIDDEN);
    }
    if name.eq_ignore_ascii_case(b"cookie") {
        return cookies(value, places, secrets);
    }
    if secrets.credential_in(value) {
        return Cow::Borrowed(HIDDEN);
    }
    text(value, MAX_LINE_BYTES)
}

/// Handles each cookie by itself.
fn cookies<'v>(header: &'v [u8], places: &Places<'_>, secrets: &mut Secrets) -> Cow<'v, str> {
    let mut shown = Vec::with_capacity(header.len());
    let mut items = Items::of(header, cookie::pairs(header).count(), secrets);
    for (name, value) in cookie::pairs(header) {
        if !shown.is_empty() {
            shown.extend_from_slice(b"; ");
        }
        shown.extend_from_slice(items.name(name));
        shown.push(b'=');
        let is_known = places.cookie(name) || builtin::is_credential_cookie(name);
        shown.extend_from_slice(items.value(value, is_known));
    }
    if secrets.shown_in(&shown) {
        return Cow::Borrowed(HIDDEN);
    }
    Cow::Owned(text(&shown, MAX_LINE_BYTES).into_owned())
}

/// Names and values of a list, with secrets replaced.
struct Items<'s> {
    secrets: &'s mut Secrets,
    /// Whether the list contains a secret.
    shows: bool,
    /// Whether there are too many items to search each of them.
    many: bool,
}

impl<'s> Items<'s> {
    fn of(list: &[u8], count: usize, secrets: &'s mut Secrets) -> Self {
        let shows = secrets.credential_in(list);
        Self { secrets, shows, many: count > MAX_SEARCHED_ITEMS }
    }

    fn name<'t>(&mut self, name: &'t [u8]) -> &'t [u8] {
        match self.shows {
            true if self.many => HIDDEN.as_bytes(),
            true => self.secrets.without_credentials(name),
            false => name,
        }
    }

    fn value<'t>(&mut self, value: &'t [u8], is_known: bool) -> &'t [u8] {
        let hide = is_known
            || self.shows && (self.many || self.secrets.credential_in(value))
            || self.secrets.has_short() && self.secrets.equal_any(value);
        if hide { HIDDEN.as_bytes() } else { value }
    }
}

/// Handles a form argument by argument; cuts tokens out of other bodies, or hides them as a whole.
pub(super) fn body<'b>(
    body: &Body<'b>,
    places: &Places<'_>,
    secrets: &mut Secrets,
) -> Cow<'b, [u8]> {
    let hidden = Cow::Borrowed(HIDDEN.as_bytes());
    if places.body() {
        return hidden;
    }
    if !secrets.credential_in_body(body.bytes, body.complete) {
        return Cow::Borrowed(body.bytes);
    }
    if is_wide(body.bytes) {
        return hidden;
    }
    let mut shown = Vec::with_capacity(body.bytes.len());
    if body.is_form() {
        arguments(body.bytes, places, secrets, &mut shown);
    } else {
        let mut rest = body.bytes;
        while let Some(token) = builtin::find_token(rest) {
            shown.extend_from_slice(rest.get(..token.start).unwrap_or_default());
            shown.extend_from_slice(HIDDEN.as_bytes());
            rest = rest.get(token.end..).unwrap_or_default();
        }
        shown.extend_from_slice(rest);
    }
    // Names of credentials remain in a form before `[hidden]`, so only values and tokens are checked.
    let hide = match body.is_form() {
        true => {
            secrets.shown_in_body(&shown, body.complete) || builtin::find_token(&shown).is_some()
        }
        false => secrets.credential_in_body(&shown, body.complete),
    };
    if hide { hidden } else { Cow::Owned(shown) }
}
