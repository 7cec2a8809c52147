//! Short, plain values: numbers, words, versions, media types, languages, dates, plain URLs.

use super::names::Class;
use crate::limits::{
    MAX_ALL_DIGITS, MAX_MIXED_BYTES, MAX_MIXED_PIECES, MAX_PLAIN_BYTES, MAX_PLAIN_DIGITS,
    MAX_PLAIN_WORD_BYTES, MAX_SHORT_DIGITS,
};

/// Whether a value means no value, for any name.
pub(crate) fn is_void(value: &[u8]) -> bool {
    const VOID: &[&[u8]] = &[
        b"",
        b"true",
        b"false",
        b"null",
        b"none",
        b"undefined",
        b"nil",
        b"yes",
        b"no",
        b"on",
        b"off",
        b"0",
        b"1",
    ];
    VOID.iter().any(|word| value.trim_ascii().eq_ignore_ascii_case(word))
}

/// Whether a value may be shown with a name of that class, apart from its looks.
pub(crate) fn fits(class: Class, value: &[u8]) -> bool {
    match class {
        Class::Plain => true,
        Class::Numbers => is_void(value) || is_plain(value),
        Class::Words => is_void(value) || is_plain(value) && has_few_digits(value),
        Class::Secret => is_void(value),
    }
}

fn has_few_digits(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits <= MAX_SHORT_DIGITS
}

/// Whether a value consists of words and numbers, and characters that join them.
pub(crate) fn is_plain(value: &[u8]) -> bool {
    if value.len() > MAX_PLAIN_BYTES {
        return false;
    }
    let (mut digits, mut mixed) = (0, 0);
    let mut rest = value;
    while let Some((first, behind)) = rest.split_first() {
        if is_joint(*first) {
            rest = behind;
            continue;
        }
        let len = rest.iter().take_while(|byte| is_piece(**byte)).count();
        let (piece, behind) = rest.split_at(len);
        // Any other character: quotes, brackets, control characters.
        if piece.is_empty() {
            return false;
        }
        rest = behind;
        let numbers = piece.iter().filter(|byte| byte.is_ascii_digit()).count();
        digits += numbers;
        let is_fine = match numbers {
            0 => is_word(piece),
            all if all == piece.len() => all <= MAX_PLAIN_DIGITS,
            _ if is_time(piece) => true,
            _ => {
                mixed += 1;
                piece.len() <= MAX_MIXED_BYTES
            }
        };
        if !is_fine {
            return false;
        }
    }
    digits <= MAX_ALL_DIGITS && mixed <= MAX_MIXED_PIECES
}

fn is_piece(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

fn is_joint(byte: u8) -> bool {
    b" ,;=/.:_-+*@?&|~!()".contains(&byte)
}

/// `02T15` of a date.
fn is_time(piece: &[u8]) -> bool {
    matches!(piece, [a, b, b'T' | b't', c, d] if [a, b, c, d].iter().all(|digit| digit.is_ascii_digit()))
}

/// Whether letters look like a word: in one case except for initial capitals, also within a name, and without
/// a long run of consonants.
pub(crate) fn is_word(piece: &[u8]) -> bool {
    if piece.len() > MAX_PLAIN_WORD_BYTES {
        return false;
    }
    let upper = piece.iter().filter(|byte| byte.is_ascii_uppercase()).count();
    let humps =
        piece.windows(2).filter(|w| w[0].is_ascii_lowercase() && w[1].is_ascii_uppercase()).count();
    let is_cased = upper <= 1 + humps && humps * 3 <= piece.len()
        || upper == piece.len()
        || upper <= 4 && humps <= 1;
    is_cased && longest_row_of_consonants(piece) <= 5 && (piece.len() <= 5 || has_vowel(piece))
}

fn has_vowel(piece: &[u8]) -> bool {
    piece.iter().any(|byte| is_vowel(*byte))
}

fn is_vowel(byte: u8) -> bool {
    b"aeiouy".contains(&byte.to_ascii_lowercase()) || byte >= 0x80
}

fn longest_row_of_consonants(piece: &[u8]) -> usize {
    piece.split(|byte| is_vowel(*byte)).map(<[u8]>::len).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_dates_languages_and_media_types_are_plain() {
        for value in [
            "",
            "dark",
            "en-US,en;q=0.9",
            "text/html, application/xhtml+xml;q=0.9",
            "gzip, deflate, br",
            "42",
            "1700000000000",
            "v2.3.1",
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "2024-01-02T03:04:05Z",
            "keep-alive",
            "bytes=0-1023",
            "Europe/Berlin",
            "no-cache",
            "alice@example.com",
            "https://example.com/about/us",
            "application/vnd.api+json",
            "return=minimal",
            "mobile app 3.2",
            "utf-8",
            "MacOS",
            "iPhone",
            "192.0.2.1, 198.51.100.1",
            "Zürich",
        ] {
            assert!(is_plain(value.as_bytes()), "{value}");
        }
        for value in [
            "Zq000000000000000000000000000007",
            "0123456789abcdef",
            "s3cret-value9",
            "hunter2x",
            "a1b2c3d4",
            "SplxlOBeZQQYbYS6WxSbIA",
            "xkqjwzvprt",
            "550e8400-e29b-41d4-a716-446655440000",
            "WqPxRtZvBnMk",
            "abc123def456",
            "{\"a\":1}",
            "1' OR '1'='1",
            "12345678901234",
            "qWeRtYuIoP",
            "dXNlcjpwYXNz",
            "<svg>",
        ] {
            assert!(!is_plain(value.as_bytes()), "{value}");
        }
    }
}
