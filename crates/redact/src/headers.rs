//! Headers and cookies: shown if known to be harmless or if the value is plain, and hashed otherwise.

use api_sessions_extract::builtin;

use super::cuts::{Cuts, Mark};
use super::harmless::{self, Known};
use super::names::{Class, class};
use super::text::Redactor;
use super::{plain, token_patterns};
use crate::limits::MAX_ENCODINGS;

impl Redactor<'_> {
    /// Adds the ranges of a header value that must not be shown.
    pub(crate) fn header(&mut self, name: &[u8], value: &[u8], cuts: &mut Cuts) {
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        if self.hidden.header(name) {
            return cuts.push(0, value.len(), Mark::Hidden);
        }
        if self.shown.header(name) {
            return self.only_hidden(value, cuts);
        }
        if is(b"cookie") {
            return self.cookies(value, cuts);
        }
        if builtin::is_credentials(value) || is(b"authorization") || is(b"proxy-authorization") {
            return self.credentials(value, cuts);
        }
        if is(b"sec-websocket-protocol") {
            return self.protocols(value, cuts);
        }
        match harmless::header(name) {
            Some(Known::Text) => self.value(value, Class::Plain, 0, cuts),
            Some(Known::Url) => self.url(value, 0, cuts),
            Some(Known::Random) => {
                self.only_hidden(value, cuts);
                let mut add = |range: std::ops::Range<usize>| {
                    let mark = self.hash(value.get(range.clone()).unwrap_or_default());
                    cuts.push(range.start, range.end, mark);
                };
                token_patterns::certain(value, &mut add);
            }
            None => {
                let class = match builtin::is_credential_header(name) {
                    true => Class::Secret,
                    false => class(name),
                };
                self.plain_or_hashed(class, value, cuts);
            }
        }
    }

    /// Hides credentials, but not the name of their scheme.
    fn credentials(&self, value: &[u8], cuts: &mut Cuts) {
        let scheme =
            value.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-').count();
        let start = match value.get(scheme) {
            Some(b' ') if scheme <= 16 => scheme + 1,
            _ => 0,
        };
        let secret = value.get(start..).unwrap_or_default();
        cuts.push(start, value.len(), self.hash(secret));
    }

    /// A list of WebSocket subprotocols, among which some clients send a token.
    fn protocols(&mut self, list: &[u8], cuts: &mut Cuts) {
        let mut start = 0;
        let mut is_behind_name = false;
        for item in list.split(|byte| *byte == b',') {
            let trimmed = item.trim_ascii();
            let first = cuts.len();
            match is_behind_name {
                true => self.plain_or_hashed(Class::Secret, trimmed, cuts),
                false => self.plain_or_hashed(Class::Plain, trimmed, cuts),
            }
            let blanks = item.len() - item.trim_ascii_start().len();
            cuts.shift(first, start + blanks);
            start += item.len() + 1;
            is_behind_name = class(trimmed) == Class::Secret;
        }
    }

    /// Handles each cookie by itself; the text between them stays as it was sent.
    fn cookies(&mut self, header: &[u8], cuts: &mut Cuts) {
        let mut start = 0;
        for piece in header.split(|byte| *byte == b';') {
            let blanks = piece.len() - piece.trim_ascii_start().len();
            let pair = piece.trim_ascii();
            let base = start + blanks;
            start += piece.len() + 1;
            let (name, value) = match memchr::memchr(b'=', pair) {
                Some(at) => pair.split_at(at),
                None => (&b""[..], pair),
            };
            let first = cuts.len();
            self.free(name, cuts);
            cuts.shift(first, base);
            let equals = usize::from(
                value.starts_with(b"=") && pair.len() != value.len() || pair.starts_with(b"="),
            );
            let value = value.get(equals..).unwrap_or_default();
            // Keeps the quotes around the value.
            let (quote, value) = match value {
                [b'"', inner @ .., b'"'] => (1, inner),
                value => (0, value),
            };
            let first = cuts.len();
            self.cookie(name.trim_ascii_end(), value.trim_ascii(), cuts);
            let leading = value.len() - value.trim_ascii_start().len();
            cuts.shift(first, base + name.len() + equals + quote + leading);
        }
    }

    fn cookie(&mut self, name: &[u8], value: &[u8], cuts: &mut Cuts) {
        if self.hidden.cookie(name) {
            cuts.push(0, value.len(), Mark::Hidden);
        } else if self.shown.cookie(name) {
            self.only_hidden(value, cuts);
        } else if harmless::is_cookie(name) {
            self.encoded(value, Class::Plain, MAX_ENCODINGS, cuts);
        } else {
            let class = match builtin::is_credential_cookie(name) {
                true => Class::Secret,
                false => class(name),
            };
            self.plain_or_hashed(class, value, cuts);
        }
    }

    fn plain_or_hashed(&mut self, class: Class, value: &[u8], cuts: &mut Cuts) {
        if value.is_empty() {
            return;
        }
        let is_hidden = self.secrets.shown_in(value)
            || self.secrets.has_short() && self.secrets.equal_any(value);
        if is_hidden {
            cuts.push(0, value.len(), self.mark_of_hidden(value));
        } else if !plain::fits(class, value)
            || !plain::is_plain(value) && !plain::is_void(value)
            || token_patterns::is_in(value)
        {
            cuts.push(0, value.len(), self.hash(value));
        }
    }
}
