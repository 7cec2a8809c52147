//! XPath 1.0 and 2.0: an axis step where a value is expected, or a whole path with a predicate.

use std::ops::Range;

use api_sessions_values::{Mask, Place, View};

/// Without `self` and `parent`, which also occur in program code.
const AXES: &[&[u8]] = &[
    b"ancestor",
    b"ancestor-or-self",
    b"attribute",
    b"child",
    b"descendant",
    b"descendant-or-self",
    b"following",
    b"following-sibling",
    b"preceding",
    b"preceding-sibling",
];
/// Functions that occur in a predicate or an argument.
const FUNCTIONS: &[&[u8]] = &[
    b"contains(",
    b"starts-with(",
    b"string-length(",
    b"substring(",
    b"position()",
    b"text()",
    b"last()",
    b"name()",
    b"name(/",
    b"count(/",
    b"node()",
];

/// Values that select every node.
const ALL: &[&[u8]] = &[b"//*", b"//@*", b"//node()", b"//text()", b"//*|//@*"];

pub(crate) fn find(view: &View<'_>) -> Option<Range<usize>> {
    const SIGNS: Mask = Mask::COLON.and(Mask::BRACKET).and(Mask::PAREN);
    if !view.mask.has(SIGNS)
        || !matches!(view.place, Place::Argument | Place::Text | Place::Cookie | Place::Header)
        || view.is_prose()
    {
        return None;
    }
    let path = || axis(view).or_else(|| whole(view));
    view.mask.has(Mask::SLASH).then(path).flatten().or_else(|| continued(view))
}

/// `/ancestor::*`, `|child::node()`.
fn axis(view: &View<'_>) -> Option<Range<usize>> {
    memchr::memmem::find_iter(view.low, b"::").take(8).find_map(|at| {
        let head = &view.low[at.saturating_sub(24)..at];
        let is_name = |byte: &&u8| byte.is_ascii_alphabetic() || **byte == b'-';
        let length = head.iter().rev().take_while(is_name).count();
        view.spend(head.len());
        let start = at - length;
        let is_step = start == 0 || matches!(view.at(start - 1), b'/' | b'|' | b'[' | b'(');
        (is_step && AXES.contains(&&view.low[start..at])).then_some(start..at + 2)
    })
}

/// `or string-length(…)`, `') and starts-with(…`: a condition with a function that only XPath has.
fn continued(view: &View<'_>) -> Option<Range<usize>> {
    const OF_XPATH: &[&[u8]] = &[
        b"doc",
        b"doc-available",
        b"local-name",
        b"namespace-uri",
        b"normalize-space",
        b"starts-with",
        b"string-length",
        b"string-to-codepoints",
        b"substring-after",
        b"substring-before",
        b"unparsed-text",
    ];
    if view.is_page() || view.low.len() > 512 {
        return None;
    }
    view.each(b'(').take(16).find_map(|paren| {
        let head = &view.low[paren.saturating_sub(24)..paren];
        let is_name = |byte: &&u8| byte.is_ascii_alphabetic() || **byte == b'-';
        let length = head.iter().rev().take_while(is_name).count();
        view.spend(head.len());
        let start = paren - length;
        if !OF_XPATH.contains(&&view.low[start..paren]) {
            return None;
        }
        let mut end = view.before_blanks(start);
        // `or not((`
        for _ in 0..4 {
            if end > 0 && view.at(end - 1) == b'(' {
                end = view.before_blanks(end - 1);
            } else if view.word_before(end) == b"not" {
                end = view.before_blanks(end - 3);
            }
        }
        let word = view.word_before(end);
        matches!(word, b"and" | b"or").then(|| end - word.len()..paren + 1)
    })
}

/// A value that is a whole expression: `//user[contains(name,'a')]`, `count(/*)`.
fn whole(view: &View<'_>) -> Option<Range<usize>> {
    if view.low.len() > 256 {
        return None;
    }
    let start = view.window(0, 4).iter().take_while(|byte| b"'\" |".contains(byte)).count();
    view.spend(view.low.len());
    let has_function =
        || FUNCTIONS.iter().any(|name| memchr::memmem::find(view.low, name).is_some());
    let counts = [&b"count(/"[..], b"string-length(/", b"name(/", b"substring(/", b"string(/"]
        .iter()
        .any(|name| view.starts(start, name));
    let is_path = view.starts(start, b"//") && memchr::memchr(b'[', view.low).is_some();
    let is_all = ALL.contains(&view.low);
    (counts || is_all || is_path && has_function()).then(|| start..view.low.len().min(start + 64))
}
