//! Filters by byte classes and little else. Most values contain nothing that a detector could find and are
//! skipped.

use crate::find;
use api_sessions_values::{Input, Mask, Place, forms, has_letters, has_operator, has_pair};

/// Byte classes of which an attack has at least one, except in a path or a `User-Agent`.
const NEEDED: Mask = Mask::QUOTE
    .and(Mask::ANGLE)
    .and(Mask::PAREN)
    .and(Mask::BRACE)
    .and(Mask::DOLLAR)
    .and(Mask::SLASH)
    .and(Mask::BACKSLASH)
    .and(Mask::SEPARATOR)
    .and(Mask::LINE)
    .and(Mask::SIGN)
    .and(Mask::CONTROL)
    .and(Mask::COLON)
    .and(Mask::BRACKET);
/// Byte classes of encoded values.
const ENCODED: Mask = Mask::PERCENT.and(Mask::HIGH).and(Mask::PLUS);

/// Whether a value, in any of its forms, may contain anything for a detector.
pub(crate) fn concerns(input: Input<'_>, mask: Mask) -> bool {
    let Input { place, name, value, .. } = input;
    if mask == Mask::NONE && value.len() < 10 && !matches!(place, Place::Argument | Place::Agent) {
        return false;
    }
    match place {
        Place::Path => !is_plain_path(value, mask),
        Place::Agent => true,
        Place::Link => !is_link(value, mask),
        _ => {
            mask.has(NEEDED.and(ENCODED))
                || reads_words(value, mask, place)
                || mask.has(Mask::DOT) && has_pair(value, b'.', b'.')
                || forms::may_be_base64(value, mask)
                || place == Place::Argument && has_operator(name)
        }
    }
}

/// Whether a form of a value may contain anything for a detector.
pub(crate) fn is_read(text: &[u8], mask: Mask, place: Place) -> bool {
    mask.has(NEEDED)
        || matches!(place, Place::Path | Place::Agent)
        || reads_words(text, mask, place)
}

/// Whether a path consists of plain words and names no file or page that attackers request.
fn is_plain_path(path: &[u8], mask: Mask) -> bool {
    mask.is_within(find::IN_PLAIN_PATH)
        && !has_pair(path, b'/', b'/')
        && !has_pair(path, b'/', b'.')
        && !has_pair(path, b'.', b'.')
        && !has_pair(path, b'0', b'x')
        && !find::names_probe(path)
        && !forms::is_base64_path(path)
}

/// Whether a value of a `Referer` is the URL of a page, or a part of its query, of plain words.
fn is_link(value: &[u8], mask: Mask) -> bool {
    const SIGNS: Mask = NEEDED.and(ENCODED);
    const OF_URL: Mask = Mask::SLASH.and(Mask::COLON);
    !mask.has(SIGNS.without(OF_URL))
        && (!mask.has(OF_URL) || value.starts_with(b"http") && !has_pair(value, b'0', b'x'))
        && !has_pair(value, b'.', b'.')
        && !has_pair(value, b'-', b'm')
        && !forms::may_be_base64(value, mask)
}

/// Whether words without special characters may be an attack: SQL after a number, a program, a class or a
/// callback host.
fn reads_words(text: &[u8], mask: Mask, place: Place) -> bool {
    const IN_NAMES: Mask = Mask::DOT.and(Mask::UNDERSCORE).and(Mask::DASH);
    mask.has(IN_NAMES)
        && (find::names_code(text) || has_pair(text, b' ', b'-') || has_pair(text, b'-', b'-'))
        || mask.has(Mask::BLANK)
            && (text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
                || has_letters(text, *b"nio")
                || find::may_be_redis(text)
                || find::begins_clause(text))
        || find::may_be_command(text, place)
        || find::is_object(text)
}
