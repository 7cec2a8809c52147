//! Characters written as numbers or names: `&#65;`, `&#x41;` and `&amp;` of HTML, `%u0041` of JavaScript's
//! `escape` and of old IIS versions.

use crate::limits::MAX_REFERENCE_DIGITS;

/// The names that escaping functions write; others stand for characters that need no escaping.
const NAMED: &[(&[u8], char)] =
    &[(b"amp", '&'), (b"lt", '<'), (b"gt", '>'), (b"quot", '"'), (b"apos", '\'')];

/// Whether a text may contain a reference. Only looks at ampersands and percent signs.
pub(super) fn may_be_in(text: &[u8]) -> bool {
    memchr::memchr2_iter(b'&', b'%', text).any(|at| match text.get(at..) {
        Some([b'%', b'u' | b'U', ..] | [b'&', b'#', ..]) => true,
        Some([b'&', behind @ ..]) => named(behind).is_some(),
        _ => false,
    })
}

/// Writes the text to `out` with its references resolved.
pub(crate) fn resolve(text: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'&', b'%', rest) {
        let (plain, reference) = rest.split_at(at);
        out.extend_from_slice(plain);
        rest = match character(reference) {
            Some((character, behind)) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                behind
            }
            None => {
                out.extend(reference.first());
                reference.get(1..).unwrap_or_default()
            }
        };
    }
    out.extend_from_slice(rest);
}

/// The character of a reference, and the rest of the text.
fn character(reference: &[u8]) -> Option<(char, &[u8])> {
    match reference {
        [b'%', ..] => surrogates(reference, |text| {
            let digits = text.strip_prefix(b"%u").or_else(|| text.strip_prefix(b"%U"))?;
            let (digits, behind) = digits.split_at_checked(4)?;
            Some((number(digits, 16)?, behind))
        }),
        [b'&', b'#', b'x' | b'X', digits @ ..] => numbered(digits, 16),
        [b'&', b'#', digits @ ..] => numbered(digits, 10),
        [_, name @ ..] => named(name),
        [] => None,
    }
}

/// The character of one or two UTF-16 units, and the rest of the text; `unit` reads one unit.
pub(super) fn surrogates(
    text: &[u8],
    unit: impl Fn(&[u8]) -> Option<(u32, &[u8])>,
) -> Option<(char, &[u8])> {
    let (first, behind) = unit(text)?;
    if let Some(character) = char::from_u32(first) {
        return Some((character, behind));
    }
    let (second, behind) = unit(behind)?;
    let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    let character = char::decode_utf16(pair).next()?.ok()?;
    Some((character, behind))
}

/// The character of a numeric reference. The semicolon is optional, as in browsers.
fn numbered(text: &[u8], radix: u32) -> Option<(char, &[u8])> {
    let zeros = text.iter().take_while(|byte| **byte == b'0').count();
    let digits = text.get(zeros..)?;
    let is_digit = |byte: &&u8| char::from(**byte).is_digit(radix);
    let len = digits.iter().take_while(is_digit).take(MAX_REFERENCE_DIGITS + 1).count();
    let (digits, behind) = digits.split_at_checked(len)?;
    let character = char::from_u32(number(digits, radix).filter(|_| len <= MAX_REFERENCE_DIGITS)?)?;
    Some((character, behind.strip_prefix(b";").unwrap_or(behind)))
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    let add = |value: u32, digit: &u8| {
        value.checked_mul(radix)?.checked_add(char::from(*digit).to_digit(radix)?)
    };
    (!digits.is_empty()).then(|| digits.iter().try_fold(0, add))?
}

/// The character of a named reference. The semicolon is optional, as in browsers.
fn named(text: &[u8]) -> Option<(char, &[u8])> {
    NAMED.iter().find_map(|(name, character)| {
        let (head, behind) = text.split_at_checked(name.len())?;
        let behind = behind.strip_prefix(b";").unwrap_or(behind);
        head.eq_ignore_ascii_case(name).then_some((*character, behind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_as_browsers_and_escape_have_them() {
        for (text, plain) in [
            ("&#65;&#066;&#x43;&#X64;", "ABCd"),
            ("&#65-&#x41.", "A-A."),
            ("a&amp;b&lt;&GT;&quot&apos;", "a&b<>\"'"),
            ("%u0041%U0062%ud83d%uDE00", "Ab😀"),
            ("&#128512;", "😀"),
            ("%u00", "%u00"),
            ("%u00zz%ud83dx", "%u00zz%ud83dx"),
            ("&#xd800;&#99999999;&#;&#x;&", "&#xd800;&#99999999;&#;&#x;&"),
            ("a=1&b=2%41", "a=1&b=2%41"),
        ] {
            let mut out = Vec::new();
            resolve(text.as_bytes(), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), plain, "{text}");
            assert!(may_be_in(text.as_bytes()) || text == plain, "{text}");
        }
        assert!(!may_be_in(b"a=1&b=2&color=3%41"));
    }
}
