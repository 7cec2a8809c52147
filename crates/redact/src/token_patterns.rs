//! Secrets by their token_patterns, whatever their name: tokens of known kinds, long random texts, private keys,
//! payment card numbers.

use std::ops::Range;

use api_sessions_extract::{builtin, percent};

use super::cuts::HASH_START;
use super::plain::is_word;
use crate::limits::{
    MAX_BASE64_LAYERS, MAX_ID_DIGITS, MAX_NUMBER_DIGITS, MIN_BEHIND_PREFIX, MIN_IRREGULAR_BYTES,
    MIN_RANDOM_BYTES,
};
use crate::secrets::resolve_references;

/// Prefixes of tokens of known issuers.
const PREFIXES: &[&[u8]] = &[
    b"ghp_",
    b"gho_",
    b"ghu_",
    b"ghs_",
    b"ghr_",
    b"github_pat_",
    b"glpat-",
    b"gldt-",
    b"glrt-",
    b"glptt-",
    b"sk_live_",
    b"sk_test_",
    b"rk_live_",
    b"rk_test_",
    b"whsec_",
    b"AKIA",
    b"ASIA",
    b"xoxb-",
    b"xoxp-",
    b"xoxa-",
    b"xoxr-",
    b"xoxs-",
    b"xoxe.",
    b"xapp-",
    b"AIza",
    b"ya29.",
    b"GOCSPX-",
    b"SG.",
    b"sk-ant-",
    b"sk-proj-",
    b"sk-or-",
    b"hvs.",
    b"hvb.",
    b"npm_",
    b"pypi-",
    b"dop_v1_",
    b"shpat_",
    b"shpss_",
    b"shpca_",
    b"shppa_",
    b"lin_api_",
    b"PMAK-",
    b"dapi",
    b"glsa_",
    b"NRAK-",
    b"ATATT3",
    b"hf_",
    b"gsk_",
    b"figd_",
    b"v2.local.",
    b"v4.local.",
    b"v4.public.",
    b"v2.public.",
    b"sq0atp-",
    b"sq0csp-",
    b"EAAA",
    b"rubygems_",
    b"tskey-",
    b"secret_",
    b"pat_",
    b"ntn_",
    b"cfut_",
    b"$2a$",
    b"$2b$",
    b"$2y$",
    b"$argon2",
    b"pbkdf2_sha",
    b"$pbkdf2",
    b"{SSHA",
    b"{PBKDF2",
    b"$scrypt$",
    b"s%3A",
    b"s:",
];
/// Prefixes of card numbers and the lengths that they have.
const CARDS: &[(&[u8], &[usize])] = &[
    (b"4", &[13, 16, 19]),
    (b"51", &[16]),
    (b"52", &[16]),
    (b"53", &[16]),
    (b"54", &[16]),
    (b"55", &[16]),
    (b"22", &[16]),
    (b"23", &[16]),
    (b"24", &[16]),
    (b"25", &[16]),
    (b"26", &[16]),
    (b"27", &[16]),
    (b"34", &[15]),
    (b"37", &[15]),
    (b"30", &[14]),
    (b"36", &[14]),
    (b"38", &[14]),
    (b"39", &[14]),
    (b"35", &[16]),
    (b"6", &[16, 17, 18, 19]),
    (b"50", &[16]),
    (b"81", &[16]),
];

/// Calls `found` with the ranges of secrets in a text, unordered and with duplicates.
pub(crate) fn each(text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
    each_in(text, MAX_BASE64_LAYERS, found);
}

/// Decodes at most `layers` layers of base64.
fn each_in(text: &[u8], layers: u8, found: &mut dyn FnMut(Range<usize>)) {
    certain(text, found);
    runs(text, |run| judge_run(text, run, layers, found));
}

/// Like [`each`], but ignores random texts: for values that are random by nature (`X-Request-Id`).
pub(crate) fn certain(text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
    let mut from = 0;
    while let Some(token) = text.get(from..).and_then(builtin::find_token) {
        found(from + token.start..from + token.end);
        from += token.end;
    }
    pem(text, found);
    cards(text, found);
    let is_inside = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.=+/$:%".contains(byte);
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let behind = at.checked_sub(1).and_then(|at| text.get(at));
        if behind.is_none_or(|byte| !byte.is_ascii_alphanumeric())
            && let Some(prefix) = prefix_of(rest)
        {
            let len = rest.iter().take_while(|byte| is_inside(byte)).count();
            if len >= prefix.len() + MIN_BEHIND_PREFIX
                && is_opaque_behind(prefix, rest.get(prefix.len()..len))
            {
                found(at..at + len);
                at += len;
                continue;
            }
        }
        // The next position where a token may begin.
        let skip = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        at += skip.max(1);
    }
}

/// Whether a text contains a secret.
pub(crate) fn is_in(text: &[u8]) -> bool {
    let mut is_found = false;
    each(text, &mut |_| is_found = true);
    is_found
}

/// Extensions of files whose names contain digests.
const STATIC: &[&[u8]] = &[
    b"js", b"mjs", b"css", b"map", b"png", b"jpg", b"jpeg", b"gif", b"svg", b"webp", b"avif",
    b"ico", b"woff", b"woff2", b"ttf", b"json", b"html", b"htm", b"xml", b"pdf", b"mp4", b"webm",
    b"zip", b"gz", b"wasm", b"txt", b"deb", b"rpm", b"jar", b"whl",
];

/// Whether a path segment looks like a secret. Most segments are ruled out by their first bytes or their
/// length.
pub(crate) fn is_secret_segment(segment: &[u8]) -> bool {
    if is_id(segment) || is_word(segment) {
        return false;
    }
    let extension = segment.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let mut is_found = false;
    let mut found = |_| is_found = true;
    // `sha256:…` is an object of a registry.
    if STATIC.contains(&extension)
        || segment.starts_with(b"sha256:")
        || segment.starts_with(b"sha512:")
    {
        certain(segment, &mut found);
    } else {
        each(segment, &mut found);
    }
    is_found
}

fn prefix_of(rest: &[u8]) -> Option<&'static [u8]> {
    let first = rest.first()?;
    PREFIXES
        .iter()
        .copied()
        .find(|prefix| prefix.first() == Some(first) && rest.starts_with(prefix))
}

/// `secret_of_success` consists of words; a token does not after its prefix.
fn is_opaque_behind(prefix: &[u8], behind: Option<&[u8]>) -> bool {
    let behind = behind.unwrap_or_default();
    prefix.starts_with(b"$") || !behind.split(|byte| !byte.is_ascii_alphanumeric()).all(is_regular)
}

/// A PEM key or certificate, to its end or to the end of the text.
fn pem(text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
    let mut from = 0;
    while let Some(at) =
        text.get(from..).and_then(|rest| memchr::memmem::find(rest, b"-----BEGIN "))
    {
        let start = from + at;
        let behind = text.get(start..).unwrap_or_default();
        let end = memchr::memmem::find(behind, b"-----END ").map(|end| {
            let tail = behind.get(end + 9..).unwrap_or_default();
            end + 9 + memchr::memmem::find(tail, b"-----").map_or(tail.len(), |at| at + 5)
        });
        let end = start + end.unwrap_or(behind.len());
        found(start..end);
        from = end;
    }
}

/// Payment card numbers: digits, also in groups, with a valid check digit (ISO/IEC 7812-1).
fn cards(text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
    let mut at = 0;
    while let Some(skip) = text.get(at..).and_then(|rest| rest.iter().position(u8::is_ascii_digit))
    {
        let start = at + skip;
        let (mut digits, mut len, mut end) = ([0_u8; 20], 0, start);
        while let Some(byte) = text.get(end) {
            if byte.is_ascii_digit() {
                if let Some(place) = digits.get_mut(len) {
                    *place = *byte;
                }
                len += 1;
            } else if !(matches!(byte, b' ' | b'-')
                && text.get(end + 1).is_some_and(u8::is_ascii_digit))
            {
                break;
            }
            end += 1;
        }
        let is_alone = |at: Option<&u8>| at.is_none_or(|byte| !byte.is_ascii_alphabetic());
        let before = start.checked_sub(1).and_then(|at| text.get(at));
        if is_alone(before) && is_alone(text.get(end)) && digits.get(..len).is_some_and(is_card) {
            found(start..end);
        }
        at = end;
    }
}

fn is_card(digits: &[u8]) -> bool {
    let is_known =
        CARDS.iter().any(|(start, lens)| digits.starts_with(start) && lens.contains(&digits.len()));
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0');
            match at % 2 {
                0 => digit,
                _ if digit > 4 => digit * 2 - 9,
                _ => digit * 2,
            }
        })
        .sum();
    is_known && sum.is_multiple_of(10) && digits.iter().any(|digit| Some(digit) != digits.first())
}

/// Runs of base64 and URL characters that are long enough for a secret.
fn runs(text: &[u8], mut each: impl FnMut(Range<usize>)) {
    let is_run =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_');
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let len = rest.iter().take_while(|byte| is_run(byte)).count();
        // Hashes are not hashed again.
        let is_hash = text.get(..at).is_some_and(|before| before.ends_with(HASH_START));
        if len >= MIN_RANDOM_BYTES && !is_hash {
            each(at..at + len);
        }
        at += len + 1;
    }
}

fn judge_run(text: &[u8], run: Range<usize>, layers: u8, found: &mut dyn FnMut(Range<usize>)) {
    let bytes = text.get(run.clone()).unwrap_or_default();
    // Padding belongs to the run.
    let padding =
        text.get(run.end..).unwrap_or_default().iter().take_while(|byte| **byte == b'=').count();
    let (mut irregular, mut all, mut any) = (0, 0, false);
    let mut start = run.start;
    for segment in bytes.split(|byte| *byte == b'/') {
        let end = start + segment.len();
        if is_random(segment) && !is_readable(segment, layers) {
            found(start..if end == run.end { end + padding } else { end });
            any = true;
        }
        irregular += if is_id(segment) { 0 } else { irregular_bytes(segment) };
        all += segment.len();
        start = end + 1;
    }
    // Base64 that contains slashes.
    if has_variety(bytes)
        && irregular >= MIN_RANDOM_BYTES
        && irregular * 2 >= all
        && !is_readable(bytes, layers)
    {
        found(run.start..run.end + padding);
    } else if any && padding > 0 {
        found(run.end..run.end + padding);
    }
}

/// Whether a run is base64 of a text without secrets.
fn is_readable(run: &[u8], layers: u8) -> bool {
    let Some(layers) = layers.checked_sub(1) else { return false };
    let Some(text) = super::base64::text_of(run) else { return false };
    let shows = |text: &[u8]| {
        let mut is_found = super::base64::is_user_and_password(text)
            || super::named_values::markup_names_secret(text);
        each_in(text, layers, &mut |_| is_found = true);
        is_found
    };
    !in_any_layer(&text, shows)
}

/// Whether `found` returns true for a text or one of its decoded forms. Decodes percent-encoding and
/// references up to three times, the depth of a form in a document.
pub(crate) fn in_any_layer(text: &[u8], found: impl Fn(&[u8]) -> bool) -> bool {
    const MAX_DECODED: usize = 3;
    if found(text) {
        return true;
    }
    let (mut text, mut buffer) = (text.to_vec(), Vec::new());
    for _ in 0..MAX_DECODED {
        let decoded = percent::decode_whole(&text, true, &mut buffer).unwrap_or(&text);
        let mut next = Vec::new();
        resolve_references(decoded, &mut next);
        if next == text {
            return false;
        }
        if found(&next) {
            return true;
        }
        text = next;
    }
    false
}

/// Whether a segment is long and consists neither of words nor of an id.
pub(crate) fn is_random(segment: &[u8]) -> bool {
    if segment.len() < MIN_RANDOM_BYTES || is_id(segment) {
        return false;
    }
    let irregular = irregular_bytes(segment);
    has_variety(segment) && irregular >= MIN_IRREGULAR_BYTES && irregular * 10 >= segment.len() * 6
}

/// Whether a segment has more than a few different characters, unlike padding.
fn has_variety(segment: &[u8]) -> bool {
    const MIN_DIFFERENT: u32 = 4;
    let seen = segment.iter().fold(0_u128, |seen, byte| seen | 1 << (byte & 127));
    seen.count_ones() >= MIN_DIFFERENT
}

fn irregular_bytes(segment: &[u8]) -> usize {
    let pieces = segment.split(|byte| matches!(byte, b'-' | b'_' | b'+'));
    pieces.filter(|piece| !is_regular(piece)).map(<[u8]>::len).sum()
}

/// Whether a piece is a word, a number, `model2024`, `100px` or a hexadecimal id.
fn is_regular(piece: &[u8]) -> bool {
    const MAX_DIGITS_OF_WORD: usize = 4;
    const MAX_UNIT: usize = 3;
    let digits = piece.iter().filter(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return is_word(piece) || is_compound_word(piece);
    }
    if digits == piece.len() {
        return digits <= MAX_NUMBER_DIGITS;
    }
    if piece.len() <= 5 || is_hex_id(piece) {
        return true;
    }
    let letters = piece.len() - digits;
    let leading = piece.iter().take_while(|byte| !byte.is_ascii_digit()).count();
    match piece.split_at_checked(leading) {
        Some((word, _)) if leading == letters => digits <= MAX_DIGITS_OF_WORD && is_word(word),
        Some(_) => {
            leading == 0
                && letters <= MAX_UNIT
                && piece.get(..digits).is_some_and(|d| d.iter().all(u8::is_ascii_digit))
        }
        None => false,
    }
}

/// Whether a piece is a compound (`getUserAccountInformation`) or a long word.
fn is_compound_word(piece: &[u8]) -> bool {
    let humps = piece
        .windows(2)
        .filter(|pair| matches!(pair, [one, two] if one.is_ascii_lowercase() && two.is_ascii_uppercase()))
        .count();
    let vowels = piece.iter().filter(|byte| b"aeiouyAEIOUY".contains(byte)).count();
    humps * 5 <= piece.len() && vowels * 5 >= piece.len()
}

fn is_hex_id(piece: &[u8]) -> bool {
    piece.len() <= MAX_ID_DIGITS
        && piece.iter().all(u8::is_ascii_hexdigit)
        && !(piece.iter().any(u8::is_ascii_uppercase) && piece.iter().any(u8::is_ascii_lowercase))
}

/// Whether a segment is an id in a usual form: UUID, ULID, cuid, hexadecimal or a number.
fn is_id(segment: &[u8]) -> bool {
    let is_number = segment.len() <= MAX_NUMBER_DIGITS && segment.iter().all(u8::is_ascii_digit);
    is_number || is_hex_id(segment) || is_uuid(segment) || is_ulid(segment) || is_cuid(segment)
}

/// `8-4-4-4-12` hexadecimal digits (RFC 9562).
fn is_uuid(segment: &[u8]) -> bool {
    segment.len() == 36
        && segment.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn is_ulid(segment: &[u8]) -> bool {
    segment.len() == 26
        && matches!(segment, [b'0', b'0'..=b'7', ..])
        && segment.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

fn is_cuid(segment: &[u8]) -> bool {
    segment.len() == 25
        && matches!(segment, [b'c', b'i'..=b'm', ..])
        && segment.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
}

#[cfg(test)]
mod tests;
