//! Evidence: the detectors' matches, as far as they may be shown.
//!
//! Evidence shows nothing that the content does not show as well: a match is searched for in what is left of the
//! request line, headers and body after secrets are cut out. If it is not there, because its value is hidden or lies
//! beyond the kept part of a body, only the grammar of the attack is shown: punctuation, and words that attacks are
//! written in.

mod vocabulary;

use std::borrow::Cow;
use std::ops::Range;

use api_sessions_detect::Finding;
use api_sessions_protocol::{Evidence, FullRequest};
use base64::Engine;
use memchr::memmem;

use api_sessions_redact::HIDDEN;

use crate::limits::MAX_MATCH_BYTES;

/// Bytes of it before the match, if there is room.
const BYTES_BEFORE: usize = 16;
/// Replaces a word that is not shown.
const WORD: &str = "\u{2026}";

/// Evidence for each finding, in the same order.
pub(super) fn of(findings: &[Finding], full: &FullRequest<'_>) -> Vec<Evidence<'static>> {
    if findings.is_empty() {
        return Vec::new();
    }
    let content = Content::new(full);
    findings.iter().map(|finding| evidence(finding, &content)).collect()
}

fn evidence(finding: &Finding, content: &Content<'_>) -> Evidence<'static> {
    let name = (!finding.name.is_empty()).then(|| match content.shows(&finding.name) {
        true => lossy(&finding.name),
        false => HIDDEN.to_owned(),
    });
    let around = around(&finding.text, &finding.matched);
    let excerpt = finding.text.get(around.clone()).unwrap_or_default();
    let is_shown = match finding.is_raw {
        true => content.shows(excerpt),
        // The encoded form, which a reader can decode.
        false => !finding.raw.is_empty() && content.shows(&finding.raw),
    };
    let matched = match is_shown {
        true => lossy(excerpt),
        false => grammar(&finding.text, around),
    };
    Evidence {
        kind: Cow::Borrowed(finding.kind.as_str()),
        place: Cow::Borrowed(finding.source.as_str()),
        name: name.map(Cow::Owned),
        matched: Cow::Owned(matched),
    }
}

/// What a record shows of a request.
struct Content<'f> {
    parts: Vec<Cow<'f, [u8]>>,
}

impl<'f> Content<'f> {
    fn new(full: &'f FullRequest<'_>) -> Self {
        let binary = full.body_base64.as_deref().and_then(|text| {
            base64::engine::general_purpose::STANDARD.decode(text.as_bytes()).ok()
        });
        let body = full.body.as_deref().map(|text| Cow::Borrowed(text.as_bytes()));
        let headers = full.headers.iter().flat_map(|(name, value)| [name, value]);
        let texts = std::iter::once(&full.line).chain(headers);
        let texts = texts.map(|text| Cow::Borrowed(text.as_bytes()));
        Self { parts: texts.chain(body).chain(binary.map(Cow::Owned)).collect() }
    }

    /// Whether the text is there, as it is or as escaped in a JSON string.
    fn shows(&self, text: &[u8]) -> bool {
        let is_in = |text: &[u8]| {
            let finder = memmem::Finder::new(text);
            self.parts.iter().any(|part| finder.find(part).is_some())
        };
        is_in(text) || json_escaped(text).is_some_and(|escaped| is_in(&escaped))
    }
}

/// The text as escaped in a JSON string, if that differs.
fn json_escaped(text: &[u8]) -> Option<Vec<u8>> {
    let quoted = serde_json::to_string(std::str::from_utf8(text).ok()?).ok()?;
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?.as_bytes();
    (inner != text).then(|| inner.to_vec())
}

/// The match and its surroundings, without half a character at either end.
fn around(text: &[u8], matched: &Range<usize>) -> Range<usize> {
    let room = MAX_MATCH_BYTES.saturating_sub(matched.len());
    let mut start = matched.start.saturating_sub(room.min(BYTES_BEFORE));
    let mut end = text.len().min(start + MAX_MATCH_BYTES);
    let is_inner = |at: usize| text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80);
    while start < end && is_inner(start) {
        start += 1;
    }
    while start < end && is_inner(end) {
        end -= 1;
    }
    start..end
}

/// Part of a text, with unknown words replaced.
fn grammar(text: &[u8], part: Range<usize>) -> String {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
    let is_word_at = |at: usize| text.get(at).is_some_and(is_word);
    let mut shown = String::new();
    let mut at = part.start;
    while let Some(first) = text.get(at..part.end).and_then(<[u8]>::first) {
        let rest = text.get(at..part.end).unwrap_or_default();
        let is_of_word = is_word(first);
        let len = rest.iter().take_while(|byte| is_word(byte) == is_of_word).count();
        let run = rest.get(..len).unwrap_or_default();
        // A part of a word is not a known word.
        let is_piece = at > 0 && is_word_at(at - 1) || is_word_at(at + len);
        if !is_of_word || !is_piece && vocabulary::is_known(&run.to_ascii_lowercase()) {
            shown.push_str(&String::from_utf8_lossy(run));
        } else {
            shown.push_str(WORD);
        }
        at += len;
    }
    shown
}

fn lossy(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(test)]
mod tests;
