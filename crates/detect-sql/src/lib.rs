//! Detection of SQL injection: a value is split into tokens, which are read as the continuation of a query
//! after a quote or a number.
//!
//! Prose does not match: two adjacent words without a role in SQL end a reading.

#![forbid(unsafe_code)]

mod limits;
mod parsers;
mod rules;
mod tokens;
mod xpath;

pub use parsers::ParserPanics;
pub use tokens::Tokens;

use std::ops::Range;

use api_sessions_values::{Mask, Place, View};

use crate::limits::MAX_PARSED_BYTES;

/// Range of the first SQL in a value that should hold none.
pub fn find(view: &View<'_>, tokens: &mut Tokens) -> Option<Range<usize>> {
    const SIGNS: Mask =
        Mask::QUOTE.and(Mask::PAREN).and(Mask::SEPARATOR).and(Mask::SIGN).and(Mask::ANGLE);
    if matches!(view.place, Place::Raw | Place::Name) {
        return None;
    }
    if let Some(at) = xpath::find(view) {
        return Some(at);
    }
    let has_signs = view.mask.has(SIGNS) || view.find(b"--").is_some();
    // Without any special character, only `1 or true`, `1 union select null` or `1 order by 9` are possible.
    let is_numeric = view.at(0).is_ascii_digit() || view.at(0) == b'-';
    let is_clause = view.mask.has(Mask::BLANK) && begins_clause(view.low);
    if !(has_signs
        || is_clause
        || is_numeric && view.mask.has(Mask::BLANK)
        || view.find(b"union").is_some())
    {
        return None;
    }
    if view.place == Place::Agent && !view.mask.has(Mask::QUOTE) && view.find(b"select").is_none() {
        return None;
    }
    // Code that people post begins with a letter, not with the end of a value.
    if view.is_page() && view.low.trim_ascii_start().first().is_some_and(u8::is_ascii_alphabetic) {
        return None;
    }
    tokens::cut(view, tokens);
    if let Some(at) = rules::find(view, tokens.all()) {
        return Some(at);
    }
    (parses(view)).then(|| 0..view.low.len().min(64))
}

/// Whether a text begins with the first word of a clause or statement, in any case.
pub fn begins_clause(text: &[u8]) -> bool {
    const WORDS: &[&[u8]] =
        &[b"and", b"or", b"order", b"group", b"having", b"where", b"select", b"xor"];
    let text = text.trim_ascii_start();
    let length = text.iter().take(8).take_while(|byte| byte.is_ascii_alphabetic()).count();
    WORDS.iter().any(|word| text[..length].eq_ignore_ascii_case(word))
}

/// libinjection reports prose and code: it is used only if a quote within the first bytes is followed by an
/// operator or a keyword.
fn parses(view: &View<'_>) -> bool {
    if view.low.len() > MAX_PARSED_BYTES || view.is_prose() || view.place == Place::Path {
        return false;
    }
    let head = view.window(0, 24);
    let Some(quote) = head.iter().position(|byte| matches!(byte, b'\'' | b'"')) else {
        return false;
    };
    let plain = head[..quote].iter().all(|byte| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'@' | b'%')
    });
    let mut next = view.behind_blanks(quote + 1);
    while view.at(next) == b')' && next < quote + 12 {
        next += 1;
    }
    let next = view.behind_blanks(next);
    let goes_on = matches!(
        view.at(next),
        b'|' | b'&' | b'-' | b'+' | b'#' | b';' | b'=' | b'<' | b'>' | b'*' | b'^' | b'/' | b'%'
    ) || [
        &b"or"[..],
        b"and",
        b"union",
        b"having",
        b"xor",
        b"order",
        b"group",
        b"like",
        b"in",
        b"between",
        b"rlike",
        b"limit",
        b"into",
        b"is",
        b"not",
        b"div",
        b"mod",
    ]
    .contains(&view.word(next));
    let odd = view.low.iter().filter(|byte| **byte == view.at(quote)).count() % 2 == 1;
    view.spend(view.low.len() * 2);
    let is_json = matches!(view.at(0), b'{' | b'[' | b'<');
    plain
        && goes_on
        && odd
        && !is_json
        && !view.place.eq(&Place::Header)
        && parsers::SQLI.finds(view.low)
}
