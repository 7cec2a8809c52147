//! What is known to be a credential is hidden, and all else is shown.
//!
//! Three nets. The places that hidden points read from go as a whole: that header, cookie, argument, path
//! segment or body, however short the value. So do the places of live credentials, whether or not one of
//! them identified the session. Then every text is searched for the hidden values, as they are,
//! percent-encoded, in base64, JSON-escaped and in references of HTML, and for tokens; where one is found, the text
//! around it goes. More is cut, never less.
//!
//! A list (arguments, cookies) is searched as one text first. Only where that shows something is each of
//! its items searched, and only so many: no request is expensive because somebody wants it to be.

use std::borrow::Cow;

use super::{MAX_LINE_BYTES, Rule, authority};
use crate::bounded::text;
use crate::path;
use crate::places::Places;
use crate::secrets::{HIDDEN, Secrets};
use crate::wide::is_wide;
use api_sessions_extract::builtin;
use api_sessions_extract::{Body, Exchange, cookie, query};

/// Most items of a list that are searched one by one; of a longer one that shows something, no value is
/// left.
const MAX_SEARCHED_ITEMS: usize = 64;

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
    // A value may span parts: then all of it goes.
    if secrets.shown_in(&line) { HIDDEN.as_bytes().to_vec() } else { line }
}

/// Argument by argument, of a query or of a form. What stands between arguments stays as it was sent: empty
/// ones, and those without a value.
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

/// Cookie by cookie.
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

/// Names and values of a list, as they may be seen.
struct Items<'s> {
    secrets: &'s mut Secrets,
    /// The list shows something.
    shows: bool,
    /// Too many items to search each of them.
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
            || self.secrets.has_short() && self.secrets.are(value);
        if hide { HIDDEN.as_bytes() } else { value }
    }
}

/// A form argument by argument; another body without its tokens, or not at all.
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
    // `[hidden]` stands in place of all that a form's names give away.
    let hide = match body.is_form() {
        true => {
            secrets.shown_in_body(&shown, body.complete) || builtin::find_token(&shown).is_some()
        }
        false => secrets.credential_in_body(&shown, body.complete),
    };
    if hide { hidden } else { Cow::Owned(shown) }
}
