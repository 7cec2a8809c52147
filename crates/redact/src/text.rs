//! Finds the secrets in a value, however it is nested and encoded.

use api_sessions_extract::percent;

use super::cuts::{Cuts, Mark, PERCENT};
use super::names::{Class, class};
use super::utf16::is_wide;
use super::{base64, json, multipart, named_values, plain, token_patterns, userinfo, xml};
use crate::limits::{MAX_ENCODINGS, MIN_HASHED_BYTES};
use crate::places::Places;
use crate::secrets::Secrets;
use api_sessions_identity::Hasher;

/// Judges values by the operator's settings, by their names and by their looks.
pub(crate) struct Redactor<'r> {
    /// Values that the operator hides anywhere.
    pub(crate) secrets: &'r mut Secrets,
    pub(crate) hasher: &'r Hasher,
    /// Places that the operator hides.
    pub(crate) hidden: &'r Places<'r>,
    /// Places that the operator shows.
    pub(crate) shown: &'r Places<'r>,
    /// Whether a value was hidden as a whole because it does not parse.
    pub(crate) has_unparsed: bool,
}

/// Place of a list of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arguments {
    Query,
    Form,
    /// In a value, which no point reads.
    Nested,
}

impl Redactor<'_> {
    /// The replacement of a value.
    pub(super) fn mark(&self, value: &[u8]) -> Mark {
        if value.len() < MIN_HASHED_BYTES { Mark::Hidden } else { self.hash(value) }
    }

    /// The replacement of a value that contains a hidden one.
    pub(super) fn mark_of_hidden(&self, value: &[u8]) -> Mark {
        if self.secrets.is_hashed(value) { self.hash(value) } else { Mark::Hidden }
    }

    /// Like [`Redactor::mark`], for values that are hard to guess.
    pub(crate) fn hash(&self, value: &[u8]) -> Mark {
        Mark::Hash(self.hasher.parameter(value))
    }

    /// Adds the secret ranges of a decoded value.
    pub(crate) fn value(&mut self, value: &[u8], class: Class, depth: u8, cuts: &mut Cuts) {
        if value.is_empty() {
            return;
        }
        if self.secrets.has_short() && self.secrets.equal_any(value) {
            return cuts.push(0, value.len(), Mark::Hidden);
        }
        if !plain::fits(class, value) {
            return match self.secrets.shown_in(value) {
                true => cuts.push(0, value.len(), self.mark_of_hidden(value)),
                false => cuts.push(0, value.len(), self.mark(value)),
            };
        }
        if is_wide(value) {
            self.has_unparsed = true;
            return cuts.push(0, value.len(), self.mark(value));
        }
        if depth < MAX_ENCODINGS && self.structure(value, depth + 1, cuts) {
            return;
        }
        if depth >= MAX_ENCODINGS && self.is_too_deep(value) {
            return cuts.push(0, value.len(), self.mark(value));
        }
        self.free(value, cuts);
    }

    /// Whether a value at the maximum depth is a document that names a secret.
    fn is_too_deep(&mut self, value: &[u8]) -> bool {
        match base64::text_of(value) {
            Some(text) => {
                token_patterns::in_any_layer(&text, names_or_shows)
                    || self.secrets.derived(&text, names_or_shows)
            }
            None => self.is_broken(value),
        }
    }

    /// Whether a text that does not parse begins like a document, so that the end of a secret in it is
    /// unknown: JSON with a member name, multipart, or markup that names a secret.
    pub(crate) fn is_broken(&mut self, text: &[u8]) -> bool {
        match text.trim_ascii_start().first() {
            Some(b'{' | b'[') => json::begins(text),
            // A part without an end.
            Some(b'-') => multipart::boundary(text).is_some(),
            Some(b'<') => {
                token_patterns::in_any_layer(text, named_values::markup_names_secret)
                    || self.secrets.derived(text, named_values::markup_names_secret)
            }
            _ => false,
        }
    }

    /// Handles a value that is a document, a URL, a form or base64 of a text. Returns whether it is one of
    /// them.
    fn structure(&mut self, value: &[u8], depth: u8, cuts: &mut Cuts) -> bool {
        let trimmed = value.trim_ascii_start();
        let first = cuts.len();
        let is_document = match trimmed.first() {
            Some(b'{' | b'[') => json::cut(self, value, json::Whole::Value, depth, cuts),
            Some(b'<') => xml::cut(self, value, true, depth, cuts),
            Some(b'-') => multipart::boundary(value).is_some_and(|boundary| {
                multipart::cut_at(self, value, boundary, true, depth, cuts)
            }),
            _ => false,
        };
        if is_document {
            return true;
        }
        cuts.truncate(first);
        if self.is_broken(value) {
            self.has_unparsed = true;
            cuts.push(0, value.len(), self.mark(value));
            return true;
        }
        if base64::is_wide(value) {
            self.has_unparsed = true;
            cuts.push(0, value.len(), self.mark(value));
            return true;
        }
        if let Some(text) = base64::text_of(value) {
            if base64::is_user_and_password(&text) {
                cuts.push(0, value.len(), self.hash(value));
                return true;
            }
            let mut inner = Cuts::default();
            self.value(&text, Class::Plain, depth, &mut inner);
            if inner.has_too_many() {
                cuts.push(0, value.len(), self.hash(value));
            } else if !inner.is_empty() {
                let mut shown = Vec::with_capacity(text.len());
                inner.apply(&text, &mut shown);
                cuts.push(0, value.len(), Mark::Text(base64::again(&shown, value).into()));
            }
            return true;
        }
        if is_url(trimmed) {
            self.url(value, depth, cuts);
            return true;
        }
        if is_form(value) {
            self.arguments(value, Arguments::Nested, depth, cuts);
            return true;
        }
        false
    }

    /// Unstructured text: hides values after secret names and what looks like a secret.
    pub(super) fn free(&mut self, text: &[u8], cuts: &mut Cuts) {
        if self.secrets.shown_in(text) {
            return cuts.push(0, text.len(), self.mark_of_hidden(text));
        }
        let first = cuts.len();
        let mut add = |this: &Self, range: std::ops::Range<usize>| {
            let mark = this.mark(text.get(range.clone()).unwrap_or_default());
            cuts.push(range.start, range.end, mark);
        };
        named_values::each(text, &mut |range| add(self, range));
        userinfo::each(text, &mut |range| add(self, range));
        token_patterns::each(text, &mut |range| add(self, range));
        // The text may be encoded once more.
        if memchr::memchr3(b'%', b'&', b'\\', text).is_some() {
            let mut rest = Vec::with_capacity(text.len());
            let mut own = cuts.split_off(first);
            own.apply(text, &mut rest);
            cuts.append(own);
            if self.secrets.derived(&rest, shows_secret) {
                cuts.truncate(first);
                let mark = self.mark(text);
                cuts.push(0, text.len(), mark);
            }
        }
    }

    /// A URL: its path is judged by token_patterns; its arguments, also those after `#`, by name.
    pub(crate) fn url(&mut self, url: &[u8], depth: u8, cuts: &mut Cuts) {
        self.users(url, cuts);
        let path_end = memchr::memchr3(b'?', b'#', b';', url).unwrap_or(url.len());
        let (path, rest) = url.split_at(path_end);
        self.free(path, cuts);
        let mut start = path_end;
        for piece in rest.split(|byte| matches!(byte, b'?' | b'#' | b';')) {
            let first = cuts.len();
            self.arguments(piece, Arguments::Nested, depth, cuts);
            cuts.shift(first, start);
            start += piece.len() + 1;
        }
    }

    /// Hides passwords in URLs.
    fn users(&self, text: &[u8], cuts: &mut Cuts) {
        userinfo::each(text, &mut |range| {
            let mark = self.mark(text.get(range.clone()).unwrap_or_default());
            cuts.push(range.start, range.end, mark);
        });
    }

    /// Arguments of a query or a form, percent-encoded.
    pub(crate) fn arguments(&mut self, list: &[u8], which: Arguments, depth: u8, cuts: &mut Cuts) {
        // A URL outside of an argument value may contain the separators of the list.
        self.users(list, cuts);
        let mut start = 0;
        for piece in list.split(|byte| *byte == b'&') {
            let len = memchr::memchr(b'=', piece).unwrap_or(piece.len());
            let (name, value) = piece.split_at(len);
            self.argument_name(name, start, cuts);
            if let Some(value) = value.get(1..) {
                let at = start + len + 1;
                let first = cuts.len();
                match which {
                    Arguments::Query if self.hidden.argument(name) => {
                        cuts.push(0, value.len(), Mark::Hidden)
                    }
                    Arguments::Form if self.hidden.field(name) => {
                        cuts.push(0, value.len(), Mark::Hidden)
                    }
                    Arguments::Query if self.shown.argument(name) => self.only_hidden(value, cuts),
                    Arguments::Form if self.shown.field(name) => self.only_hidden(value, cuts),
                    _ => self.encoded(value, argument_class(name), depth, cuts),
                }
                cuts.shift(first, at);
            }
            start += piece.len() + 1;
        }
    }

    fn argument_name(&mut self, name: &[u8], base: usize, cuts: &mut Cuts) {
        let first = cuts.len();
        self.encoded(name, Class::Plain, MAX_ENCODINGS, cuts);
        cuts.shift(first, base);
    }

    /// Hides only what the operator hides, for a place that the operator shows.
    pub(super) fn only_hidden(&mut self, value: &[u8], cuts: &mut Cuts) {
        if self.secrets.shown_in(value) || self.secrets.has_short() && self.secrets.equal_any(value)
        {
            cuts.push(0, value.len(), Mark::Hidden);
        }
    }

    /// A percent-encoded value.
    pub(super) fn encoded(&mut self, raw: &[u8], class: Class, depth: u8, cuts: &mut Cuts) {
        let first = cuts.len();
        // Browsers encode spaces as `+`; a literal plus would break the grammar of a document.
        if memchr::memchr(b'+', raw).is_some() && depth < MAX_ENCODINGS && class == Class::Plain {
            let mut buffer = Vec::new();
            let decoded = percent::decode_whole(raw, true, &mut buffer).unwrap_or(raw);
            let is_document =
                matches!(decoded.trim_ascii_start().first(), Some(b'{' | b'[' | b'<'));
            if is_document && self.structure(decoded, depth + 1, cuts) {
                return cuts.translate(first, 0, raw, PERCENT);
            }
            cuts.truncate(first);
        }
        let mut buffer = Vec::new();
        let decoded = percent::decode_whole(raw, false, &mut buffer).unwrap_or(raw);
        self.value(decoded, class, depth, cuts);
        if decoded.len() != raw.len() {
            cuts.translate(first, 0, raw, PERCENT);
        }
    }
}

fn names_or_shows(text: &[u8]) -> bool {
    token_patterns::is_in(text) || named_values::markup_names_secret(text)
}

fn shows_secret(text: &[u8]) -> bool {
    let mut is_found = token_patterns::is_in(text);
    if !is_found {
        named_values::each(text, &mut |_| is_found = true);
        userinfo::each(text, &mut |_| is_found = true);
    }
    is_found
}

/// Class of an argument name, decoded up to two times.
pub(super) fn argument_class(name: &[u8]) -> Class {
    use api_sessions_extract::builtin;
    let (mut once, mut twice) = (Vec::new(), Vec::new());
    let name = percent::decode_whole(name, true, &mut once).unwrap_or(name);
    let name = percent::decode_whole(name, true, &mut twice).unwrap_or(name);
    if builtin::is_credential_argument(name) { Class::Secret } else { class(name) }
}

/// Whether a text has a scheme, or a path with arguments.
fn is_url(text: &[u8]) -> bool {
    let has_blank = || text.iter().any(u8::is_ascii_whitespace);
    let scheme = text
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(byte))
        .count();
    let has_scheme = scheme > 0 && text.get(scheme..).is_some_and(|rest| rest.starts_with(b"://"));
    let has_path = text.starts_with(b"/") && memchr::memchr3(b'?', b'#', b';', text).is_some();
    (has_scheme || has_path) && !has_blank()
}

/// Whether a text consists of `name=value` pairs.
fn is_form(text: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]%".contains(byte);
    text.split(|byte| *byte == b'&').all(|piece| {
        let name = memchr::memchr(b'=', piece).and_then(|at| piece.get(..at));
        name.is_some_and(|name| !name.is_empty() && name.iter().all(is_name))
    })
}
