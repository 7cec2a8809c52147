//! Keeping what is to be hidden out of everything that is exported.
//!
//! A value that a key or parameter hashes, or that a mask hides, may stand elsewhere as well: in a path
//! segment, in another parameter, in the `User-Agent`. Where it is found, all of the text around it
//! goes: more is cut, never less.

mod base64;
mod forms;
mod needles;
mod references;

use forms::Forms;
use needles::Needles;

pub(crate) use references::resolve as resolve_references;

use crate::wide::is_wide;
use api_sessions_extract::builtin;

/// What stands in place of something hidden.
pub const HIDDEN: &str = "[hidden]";

/// The values of one request that nobody may see. Buffers are used again.
#[derive(Debug, Default)]
pub struct Secrets {
    needles: Needles,
    forms: Forms,
    /// Those whose hash is exported anyway.
    hashed: Vec<u8>,
    hashed_list: Vec<std::ops::Range<usize>>,
}

impl Secrets {
    /// Forgets the values of the request before.
    pub fn clear(&mut self) {
        self.needles.clear();
        self.hashed.clear();
        self.hashed_list.clear();
    }

    /// The hash of the value is exported as a parameter: where the value is a whole text, it may stand there too.
    pub fn show_hash_of(&mut self, value: &[u8]) {
        let start = self.hashed.len();
        self.hashed.extend_from_slice(value);
        self.hashed_list.push(start..self.hashed.len());
    }

    /// Whether a text is a value whose hash is exported.
    pub(crate) fn is_hashed(&self, text: &[u8]) -> bool {
        self.hashed_list.iter().any(|value| self.hashed.get(value.clone()) == Some(text))
    }

    /// Adds a value that nobody may see.
    pub fn add(&mut self, value: &[u8]) {
        self.needles.add(value);
    }

    /// One is too short to be searched for: it counts where it is a whole text.
    pub(crate) fn has_short(&self) -> bool {
        self.needles.has_short()
    }

    /// Whether a text is one of the values, however it is encoded.
    pub(crate) fn are(&mut self, text: &[u8]) -> bool {
        let Self { needles, forms, .. } = self;
        let plus = needles.have_spaces();
        needles.may_be_in(text) && forms.any(text, plus, |form| needles.are(form))
    }

    /// Whether a text shows one of the values, in any form that a request may carry it in: as it is,
    /// percent-encoded once or twice, in base64 at any alignment and in both alphabets, with JSON escapes, with
    /// HTML's character references or `%uXXXX`.
    #[inline]
    pub fn shown_in(&mut self, text: &[u8]) -> bool {
        let Self { needles, forms, .. } = self;
        let plus = needles.have_spaces();
        needles.may_be_in(text) && forms.any(text, plus, |form| needles.found_in(form))
    }

    /// As [`Secrets::shown_in`], and whether it shows what is a live credential by its looks or by its name:
    /// a JWT, the argument of a URL.
    pub(crate) fn credential_in(&mut self, text: &[u8]) -> bool {
        let Self { needles, forms, .. } = self;
        let plus = needles.have_spaces();
        forms.any(text, plus, |form| {
            needles.found_in(form)
                || builtin::find_token(form).is_some()
                || builtin::credential_argument_in(form)
        })
    }

    /// Whether `found` says yes to what a text stands for in any form but the text itself.
    pub(crate) fn derived(&mut self, text: &[u8], mut found: impl FnMut(&[u8]) -> bool) -> bool {
        let mut is_first = true;
        self.forms.any(text, false, |form| !std::mem::take(&mut is_first) && found(form))
    }

    /// The text, or a placeholder where it shows one of the values or a live credential.
    pub(crate) fn without_credentials<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        if self.credential_in(text) { HIDDEN.as_bytes() } else { text }
    }

    /// As [`Secrets::credential_in`], for a body.
    pub(crate) fn credential_in_body(&mut self, body: &[u8], complete: bool) -> bool {
        if self.credential_in(body) || self.shown_only_in_body(body, complete) {
            return true;
        }
        // In UTF-16, as well.
        is_wide(body) && {
            let narrow: Vec<u8> = body.iter().copied().filter(|byte| *byte != 0).collect();
            self.credential_in(&narrow)
        }
    }

    /// As [`Secrets::shown_in`], for a body.
    pub(crate) fn shown_in_body(&mut self, body: &[u8], complete: bool) -> bool {
        self.shown_in(body) || self.shown_only_in_body(body, complete)
    }

    /// What bodies have beside the forms of any text: UTF-16, base64 of several lines, and a value that the
    /// end cut off.
    fn shown_only_in_body(&mut self, body: &[u8], complete: bool) -> bool {
        let Self { needles, forms, .. } = self;
        if forms.joined(body).is_some_and(|joined| needles.found_in(joined)) {
            return true;
        }
        let plus = needles.have_spaces();
        !complete && forms.any(body, plus, |form| needles.begun_at_end(form))
    }

    /// The text, or a placeholder where it shows one of the values or a token: which is no part of what every
    /// record shows, no matter who sent it.
    pub fn hide_field<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        let hide = self.shown_in(text) || builtin::find_token(text).is_some();
        if hide { HIDDEN.as_bytes() } else { text }
    }
}

#[cfg(test)]
mod tests;
