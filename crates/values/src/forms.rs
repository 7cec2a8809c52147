//! The forms of a value: the original, the percent-decoded one, and one for each further encoding that its
//! bytes hint at, decoded one after the other.

mod base64;
mod escapes;
mod unicode;

use crate::class::{Mask, has_pair};
use crate::input::Place;
use crate::limits::{MAX_FORMS, MAX_LONG_FORMS, MIN_BASE64_BYTES};

/// Length in bytes above which a value has at most [`MAX_LONG_FORMS`].
const LONG: usize = 8 * 1024;

/// Buffers for decoding, reused across values.
#[derive(Debug, Default)]
pub struct Buffers {
    current: Vec<u8>,
    next: Vec<u8>,
}

impl Buffers {
    /// Decodes percent-encoding and `+`.
    pub fn url(&mut self, text: &[u8]) -> &[u8] {
        escapes::url(text, true, &mut self.current);
        &self.current
    }
}

type Decoder = fn(&[u8], &mut Vec<u8>) -> bool;

/// Decoders, each with the byte classes that it needs and whether later decoders continue with its output.
const DECODERS: &[(Mask, Decoder, bool)] = &[
    (Mask::PERCENT, escapes::percent, true),
    (Mask::PERCENT, escapes::dropped, false),
    (Mask::SEPARATOR, escapes::entities, true),
    (Mask::BACKSLASH, escapes::unslashed, false),
    (Mask::BACKSLASH, escapes::backslashes, true),
    (Mask::HIGH, unicode::folded, true),
    (Mask::HIGH, unicode::seven_bits, false),
    (Mask::CONTROL, unicode::without_nul, true),
    (Mask::QUOTE, base64::quoted, true),
    (Mask::QUOTE, escapes::joined, true),
    (Mask::SLASH, escapes::uncommented, false),
    (Mask::DOLLAR.and(Mask::QUOTE), escapes::unexpanded, false),
    (Mask::PLUS, escapes::plus, false),
    (Mask::ANGLE, escapes::untagged, true),
    (Mask::DOT.and(Mask::SLASH).and(Mask::BACKSLASH).and(Mask::BRACE), escapes::hexadecimal, true),
    (Mask::PLUS, unicode::utf7, true),
];

/// Calls `take` with each form of a value that differs from the one before, its byte classes, and whether it
/// was encoded more often than its place requires. `mask` holds the byte classes of `value`.
pub fn each(
    value: &[u8],
    mut mask: Mask,
    place: Place,
    buffers: &mut Buffers,
    take: &mut dyn FnMut(&[u8], Mask, bool),
) {
    let Buffers { current, next } = buffers;
    let has_plus = place.has_plus() && memchr::memchr(b'+', value).is_some();
    if place.is_encoded() && (mask.has(Mask::PERCENT) || has_plus) {
        escapes::url(value, place.has_plus(), current);
        mask = Mask::of(current);
        take(current, mask, false);
    } else {
        take(value, mask, false);
        if !may_change(value, mask) {
            return;
        }
        current.clear();
        current.extend_from_slice(value);
    }
    let mut left = if value.len() > LONG { MAX_LONG_FORMS } else { MAX_FORMS } - 1;
    // Nested encodings appear in the next round.
    for round in 0..4 {
        let mut changed = false;
        for (trigger, decode, goes_on) in DECODERS {
            if !mask.has(*trigger) || left == 0 || !decode(current, next) || next == current {
                continue;
            }
            if *goes_on {
                std::mem::swap(current, next);
                mask = Mask::of(current);
                take(current, mask, true);
                (changed, left) = (true, left - 1);
            } else if round == 0 || changed {
                take(next, Mask::of(next), true);
                left -= 1;
            }
        }
        if left > 0 && base64::decode(current, next) {
            std::mem::swap(current, next);
            mask = Mask::of(current);
            take(current, mask, true);
            (changed, left) = (true, left - 1);
        }
        if !changed {
            return;
        }
    }
}

/// Whether a value, or the part after its last slash, may be base64 of text.
#[inline]
pub fn may_be_base64(value: &[u8], mask: Mask) -> bool {
    const DIGITS: Mask = Mask::DASH.and(Mask::UNDERSCORE).and(Mask::PLUS).and(Mask::SIGN);
    value.len() >= MIN_BASE64_BYTES
        && (mask.is_within(DIGITS) || mask.has(Mask::SLASH))
        && base64::may_be(value)
        && base64::begins_as_text(value)
}

/// Whether a path, or its last segment, may be base64 of text.
pub fn is_base64_path(path: &[u8]) -> bool {
    base64::may_be(path)
        && (base64::begins_as_text(path) || {
            let last = memchr::memrchr(b'/', path).map_or(path, |at| &path[at + 1..]);
            base64::begins_as_text(last)
        })
}

/// Whether any decoder may change the value.
fn may_change(value: &[u8], mask: Mask) -> bool {
    const TRIGGERS: Mask = Mask::PERCENT
        .and(Mask::BACKSLASH)
        .and(Mask::HIGH)
        .and(Mask::CONTROL)
        .and(Mask::ANGLE)
        .and(Mask::PLUS)
        .and(Mask::DOLLAR)
        .and(Mask::QUOTE);
    mask.has(TRIGGERS)
        || mask.has(Mask::SLASH) && has_pair(value, b'/', b'*')
        || mask.has(Mask::SEPARATOR) && memchr::memchr(b'&', value).is_some()
        || mask.has(Mask::SLASH.and(Mask::BRACE)) && has_pair(value, b'0', b'x')
        || mask.has(Mask::DOT)
            && has_pair(value, b'.', b'.')
            && (has_pair(value, b'0', b'x')
                || memchr::memmem::find(value, b"..2f..").is_some()
                || memchr::memmem::find(value, b"..5c..").is_some())
        || base64::may_be(value)
}

#[cfg(test)]
mod tests;
