//! The evidence of the detectors: listed, and highlighted in the content.

use std::ops::Range;

use api_sessions_protocol::Evidence;
use maud::{Markup, html};

use crate::html::visible;

/// Renders the list of evidence; nothing if there is none.
pub(super) fn list(all: &[Evidence<'_>]) -> Markup {
    html! {
        @if !all.is_empty() {
            h2 { "Why it is malicious" }
            div.scroll tabindex="0" role="region" aria-label="Why it is malicious" { table {
                thead { tr { th { "Type" } th { "In" } th { "Match" } } }
                tbody { @for one in all { tr {
                    td { span.badge.bad { (visible(&one.kind)) } }
                    td { (visible(&one.place)) @if let Some(name) = &one.name { " " code { (visible(name)) } } }
                    td { code.text { (visible(&one.matched)) } }
                } } }
            } }
            @if all.iter().any(|one| one.matched.contains('\u{2026}')) {
                p.quiet { "… stands for words of a value that is hidden, or beyond what is kept of the body." }
            }
        }
    }
}

/// The matches to highlight in a text.
pub(super) struct Marks<'e> {
    matches: Vec<&'e str>,
}

impl<'e> Marks<'e> {
    pub(super) fn new(all: &'e [Evidence<'_>]) -> Self {
        Self { matches: all.iter().map(|one| &*one.matched).filter(|it| !it.is_empty()).collect() }
    }

    /// The text, with the first occurrence of each match highlighted.
    pub(super) fn show(&self, text: &str) -> Markup {
        let mut places = self.places(text);
        places.sort_by_key(|place| (place.start, usize::MAX - place.end));
        let mut pieces = Vec::new();
        let mut from = 0;
        for place in places {
            let Some(before) = text.get(from..place.start) else { continue };
            pieces.push((before, text.get(place.clone()).unwrap_or_default()));
            from = place.end;
        }
        let rest = text.get(from..).unwrap_or_default();
        html! {
            @for (before, marked) in pieces { (visible(before)) mark { (visible(marked)) } }
            (visible(rest))
        }
    }

    fn places(&self, text: &str) -> Vec<Range<usize>> {
        if self.matches.is_empty() {
            return Vec::new();
        }
        let decoded = Decoded::new(text);
        let find = |wanted: &&str| {
            let as_it_is = text.find(*wanted).map(|at| at..at + wanted.len());
            as_it_is.or_else(|| in_json(text, wanted)).or_else(|| decoded.find(wanted))
        };
        self.matches.iter().filter_map(find).collect()
    }
}

/// Finds the match in the strings of a JSON text.
fn in_json(text: &str, wanted: &str) -> Option<Range<usize>> {
    let quoted = serde_json::to_string(wanted).ok()?;
    let inner = quoted.strip_prefix('"')?.strip_suffix('"')?;
    text.find(inner).map(|at| at..at + inner.len())
}

/// Decodes a percent-encoded text. Also returns the offset that each byte came from.
struct Decoded {
    bytes: Vec<u8>,
    from: Vec<usize>,
}

impl Decoded {
    fn new(text: &str) -> Self {
        let raw = text.as_bytes();
        let (mut bytes, mut from) = (Vec::with_capacity(raw.len()), Vec::with_capacity(raw.len()));
        let mut at = 0;
        while let Some(byte) = raw.get(at) {
            from.push(at);
            let digits = text.get(at + 1..at + 3).filter(|_| *byte == b'%');
            match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(decoded) => {
                    bytes.push(decoded);
                    at += 3;
                }
                None => {
                    bytes.push(if *byte == b'+' { b' ' } else { *byte });
                    at += 1;
                }
            }
        }
        from.push(raw.len());
        Self { bytes, from }
    }

    fn find(&self, wanted: &str) -> Option<Range<usize>> {
        let at = self.bytes.windows(wanted.len()).position(|it| it == wanted.as_bytes())?;
        Some(*self.from.get(at)?..*self.from.get(at + wanted.len())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, matches: &[&str]) -> String {
        Marks { matches: matches.to_vec() }.show(text).into_string()
    }

    #[test]
    fn a_match_is_marked_as_it_was_sent() {
        assert_eq!(shown("a=1' or 1", &["' or 1"]), "a=1<mark>' or 1</mark>");
        assert_eq!(shown("/?q=%27+or%201&b", &["' or 1"]), "/?q=<mark>%27+or%201</mark>&amp;b");
        assert_eq!(
            shown(r#"{"a":"\"x"}"#, &["\"x"]),
            r#"{&quot;a&quot;:&quot;\<mark>&quot;x</mark>&quot;}"#
        );
        assert_eq!(
            shown(r#"{"a":"a\"x"}"#, &["a\"x"]),
            r#"{&quot;a&quot;:&quot;<mark>a\&quot;x</mark>&quot;}"#
        );
        assert_eq!(shown("<b>", &["<b>", "b"]), "<mark>&lt;b&gt;</mark>");
        assert_eq!(shown("é%zz%", &["none"]), "é%zz%");
    }
}
