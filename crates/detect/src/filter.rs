//! The first filter: what a value holds by its classes of bytes, and little else. Most values hold nothing that a
//! detector could read, and none is asked.

use crate::find;
use api_sessions_values::{Input, Mask, Place, forms, has_letters, has_operator, has_pair};

/// Classes of bytes without which there is nothing to find, but in a path or a `User-Agent`.
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
/// What a value may be decoded by.
const ENCODED: Mask = Mask::PERCENT.and(Mask::HIGH).and(Mask::PLUS);

/// Whether a value, in any of its forms, may hold something for a detector.
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

/// Whether one form of a value may hold something for a detector.
pub(crate) fn is_read(text: &[u8], mask: Mask, place: Place) -> bool {
    mask.has(NEEDED)
        || matches!(place, Place::Path | Place::Agent)
        || reads_words(text, mask, place)
}

/// Segments of words that name no file or page that attacks ask for.
fn is_plain_path(path: &[u8], mask: Mask) -> bool {
    mask.is_within(find::IN_PLAIN_PATH)
        && !has_pair(path, b'/', b'/')
        && !has_pair(path, b'/', b'.')
        && !has_pair(path, b'.', b'.')
        && !has_pair(path, b'0', b'x')
        && !find::names_probe(path)
        && !forms::is_base64_path(path)
}

/// The URL of a page, or a part of its query, that is nothing but words.
fn is_link(value: &[u8], mask: Mask) -> bool {
    const SIGNS: Mask = NEEDED.and(ENCODED);
    const OF_URL: Mask = Mask::SLASH.and(Mask::COLON);
    !mask.has(SIGNS.without(OF_URL))
        && (!mask.has(OF_URL) || value.starts_with(b"http") && !has_pair(value, b'0', b'x'))
        && !has_pair(value, b'.', b'.')
        && !has_pair(value, b'-', b'm')
        && !forms::may_be_base64(value, mask)
}

/// Words without any sign that are an attack: SQL behind a number, a program, a class, a host that is called back.
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
