//! Keeps hidden values out of everything that is exported.
//!
//! A value that a key or parameter hashes, or that a mask hides, may occur elsewhere too: in a path segment,
//! in another parameter, in the `User-Agent`. There, the whole surrounding text is hidden. In doubt, more is
//! hidden.

mod base64;
mod forms;
mod needles;
mod references;

use forms::Forms;
use needles::Needles;

pub(crate) use references::resolve as resolve_references;

use crate::utf16::is_wide;
use api_sessions_extract::builtin;

pub use api_sessions_protocol::HIDDEN;

/// The hidden values of one request. Buffers are reused.
#[derive(Debug, Default)]
pub struct Secrets {
    needles: Needles,
    forms: Forms,
    /// Values whose hash is exported anyway.
    hashed: Vec<u8>,
    hashed_list: Vec<std::ops::Range<usize>>,
}

impl Secrets {
    /// Removes the values of the previous request.
    pub fn clear(&mut self) {
        self.needles.clear();
        self.hashed.clear();
        self.hashed_list.clear();
    }

    /// Allows the hash of this value in place of a text that equals it, since it is exported as a parameter
    /// anyway.
    pub fn show_hash_of(&mut self, value: &[u8]) {
        let start = self.hashed.len();
        self.hashed.extend_from_slice(value);
        self.hashed_list.push(start..self.hashed.len());
    }

    /// Whether a text is a value whose hash is exported.
    pub(crate) fn is_hashed(&self, text: &[u8]) -> bool {
        self.hashed_list.iter().any(|value| self.hashed.get(value.clone()) == Some(text))
    }

    /// Adds a value to hide.
    pub fn add(&mut self, value: &[u8]) {
        self.needles.add(value);
    }

    /// Whether a value is too short to be searched for, so that only whole texts are compared with it.
    pub(crate) fn has_short(&self) -> bool {
        self.needles.has_short()
    }

    /// Whether a text equals one of the values in any encoding.
    pub(crate) fn equal_any(&mut self, text: &[u8]) -> bool {
        let Self { needles, forms, .. } = self;
        let plus = needles.have_spaces();
        needles.may_be_in(text) && forms.any(text, plus, |form| needles.equal_any(form))
    }

    /// Whether a text contains one of the values in any form that a request may carry: plain, percent-encoded
    /// once or twice, in base64 at any alignment and in both alphabets, with JSON escapes, with HTML
    /// character references or as `%uXXXX`.
    #[inline]
    pub fn shown_in(&mut self, text: &[u8]) -> bool {
        let Self { needles, forms, .. } = self;
        let plus = needles.have_spaces();
        needles.may_be_in(text) && forms.any(text, plus, |form| needles.found_in(form))
    }

    /// Like [`Secrets::shown_in`], but also finds credentials by their looks or their names: JWTs, arguments
    /// of URLs.
    pub(crate) fn credential_in(&mut self, text: &[u8]) -> bool {
        let Self { needles, forms, .. } = self;
        let plus = needles.have_spaces();
        forms.any(text, plus, |form| {
            needles.found_in(form)
                || builtin::find_token(form).is_some()
                || builtin::credential_argument_in(form)
        })
    }

    /// Whether `found` returns true for any decoded form of a text, without the text itself.
    pub(crate) fn derived(&mut self, text: &[u8], mut found: impl FnMut(&[u8]) -> bool) -> bool {
        let mut is_first = true;
        self.forms.any(text, false, |form| !std::mem::take(&mut is_first) && found(form))
    }

    /// The text, or a placeholder if it contains one of the values or a credential.
    pub(crate) fn without_credentials<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        if self.credential_in(text) { HIDDEN.as_bytes() } else { text }
    }

    /// Like [`Secrets::credential_in`], for a body.
    pub(crate) fn credential_in_body(&mut self, body: &[u8], complete: bool) -> bool {
        if self.credential_in(body) || self.shown_only_in_body(body, complete) {
            return true;
        }
        // Also in UTF-16.
        is_wide(body) && {
            let narrow: Vec<u8> = body.iter().copied().filter(|byte| *byte != 0).collect();
            self.credential_in(&narrow)
        }
    }

    /// Like [`Secrets::shown_in`], for a body.
    pub(crate) fn shown_in_body(&mut self, body: &[u8], complete: bool) -> bool {
        self.shown_in(body) || self.shown_only_in_body(body, complete)
    }

    /// Forms that only bodies have: UTF-16, base64 in several lines, and a value that is cut at the end.
    fn shown_only_in_body(&mut self, body: &[u8], complete: bool) -> bool {
        let Self { needles, forms, .. } = self;
        if forms.joined(body).is_some_and(|joined| needles.found_in(joined)) {
            return true;
        }
        let plus = needles.have_spaces();
        !complete && forms.any(body, plus, |form| needles.begun_at_end(form))
    }

    /// The text, or a placeholder if it contains one of the values or any token. Used for the fields that
    /// every record has.
    pub fn hide_field<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        let hide = self.shown_in(text) || builtin::find_token(text).is_some();
        if hide { HIDDEN.as_bytes() } else { text }
    }
}

#[cfg(test)]
mod tests;
