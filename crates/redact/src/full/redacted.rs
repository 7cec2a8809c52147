//! Shows what is known to be harmless or plain; cuts out what is secret by its name or its looks.

use std::borrow::Cow;

use super::{Rule, authority};
use crate::body::body as redact_body;
use crate::bounded::text;
use crate::cuts::Cuts;
use crate::limits::MAX_LINE_BYTES;
use crate::path;
use crate::secrets::{HIDDEN, Secrets};
use crate::text::{Arguments, Redactor};
use api_sessions_extract::{Body, Exchange};

/// A body, or a value in the request, is hidden as a whole because it does not parse as what it claims to be.
pub(super) const UNPARSED: &str = "unparsed";
/// A body is hidden as a whole because hidden values remain in it, or because it has too many secrets.
const WHOLE: &str = "whole";

fn redactor<'r>(rule: &Rule<'r>, secrets: &'r mut Secrets) -> Redactor<'r> {
    Redactor {
        secrets,
        hasher: rule.hasher,
        hidden: rule.hidden,
        shown: rule.shown,
        has_unparsed: false,
    }
}

pub(super) fn line<X: Exchange + ?Sized>(
    exchange: &X,
    rule: &Rule<'_>,
    secrets: &mut Secrets,
    has_unparsed: &mut bool,
) -> Vec<u8> {
    let mut line = secrets.without_credentials(exchange.method()).to_vec();
    line.push(b' ');
    authority(exchange.origin(), rule.hidden, secrets, &mut line);
    let (hidden, shown) = (rule.hidden.segments(), rule.shown.segments());
    line.extend_from_slice(&path::hide(exchange.path(), &hidden, &shown, secrets));
    if !exchange.query().is_empty() {
        line.push(b'?');
        let mut cuts = Cuts::default();
        let mut redactor = redactor(rule, secrets);
        redactor.arguments(exchange.query(), Arguments::Query, 0, &mut cuts);
        *has_unparsed |= redactor.has_unparsed;
        apply(&mut cuts, exchange.query(), &mut line);
    }
    if !rule.proto.is_empty() {
        line.push(b' ');
        line.extend_from_slice(secrets.without_credentials(rule.proto));
    }
    // A value may span several parts of the line.
    if secrets.shown_in(&line) { HIDDEN.as_bytes().to_vec() } else { line }
}

pub(super) fn header<'v>(
    name: &[u8],
    value: &'v [u8],
    rule: &Rule<'_>,
    secrets: &mut Secrets,
    has_unparsed: &mut bool,
) -> Cow<'v, str> {
    let mut cuts = Cuts::default();
    let mut redactor = redactor(rule, secrets);
    redactor.header(name, value, &mut cuts);
    *has_unparsed |= redactor.has_unparsed;
    if cuts.is_empty() {
        return match secrets.shown_in(value) {
            true => Cow::Borrowed(HIDDEN),
            false => text(value, MAX_LINE_BYTES),
        };
    }
    let mut shown = Vec::with_capacity(value.len());
    apply(&mut cuts, value, &mut shown);
    if secrets.shown_in(&shown) {
        return Cow::Borrowed(HIDDEN);
    }
    Cow::Owned(text(&shown, MAX_LINE_BYTES).into_owned())
}

/// The body as it is shown, and the reason why it, or a value in it, is hidden as a whole.
pub(super) fn body<'b>(
    body: &Body<'b>,
    rule: &Rule<'_>,
    secrets: &mut Secrets,
) -> (Cow<'b, [u8]>, Option<&'static str>) {
    let hidden = |why| (Cow::Borrowed(HIDDEN.as_bytes()), why);
    if body.bytes.is_empty() {
        return (Cow::Borrowed(body.bytes), None);
    }
    if rule.hidden.whole_body() {
        return hidden(None);
    }
    let mut cuts = Cuts::default();
    let mut redactor = redactor(rule, secrets);
    if !redact_body(&mut redactor, body, &mut cuts) {
        return hidden(Some(UNPARSED));
    }
    let why = redactor.has_unparsed.then_some(UNPARSED);
    if cuts.has_too_many() {
        return hidden(Some(WHOLE));
    }
    let shown = match cuts.is_empty() {
        true => Cow::Borrowed(body.bytes),
        false => {
            let mut shown = Vec::with_capacity(body.bytes.len());
            apply(&mut cuts, body.bytes, &mut shown);
            Cow::Owned(shown)
        }
    };
    if secrets.shown_in_body(&shown, body.complete) {
        return hidden(Some(WHOLE));
    }
    (shown, why)
}

/// Appends the text with its secrets replaced; only a placeholder if there are too many.
fn apply(cuts: &mut Cuts, text: &[u8], out: &mut Vec<u8>) {
    match cuts.has_too_many() {
        true => out.extend_from_slice(HIDDEN.as_bytes()),
        false => cuts.apply(text, out),
    }
}
