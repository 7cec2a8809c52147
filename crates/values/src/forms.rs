//! The forms a value takes on its way into an application: as it came, percent-decoded, and each other
//! encoding that its bytes hint at, taken off one after the other.

mod base64;
mod escapes;
mod unicode;

use crate::class::{Mask, has_pair};
use crate::input::Place;

/// Most forms of one value.
pub const MAX_FORMS: usize = 8;
/// Above that many bytes, a value has at most [`MAX_LONG_FORMS`].
const LONG: usize = 8 * 1024;
const MAX_LONG_FORMS: usize = 3;

/// Memory that forms are decoded into.
#[derive(Debug, Default)]
pub struct Buffers {
    current: Vec<u8>,
    next: Vec<u8>,
}

impl Buffers {
    /// Percent- and plus-decoded.
    pub fn url(&mut self, text: &[u8]) -> &[u8] {
        escapes::url(text, true, &mut self.current);
        &self.current
    }
}

type Decoder = fn(&[u8], &mut Vec<u8>) -> bool;

/// What each decoder needs to see before it is tried.
const DECODERS: &[(Mask, Decoder)] = &[
    (Mask::PERCENT, escapes::percent),
    (Mask::SEPARATOR, escapes::entities),
    (Mask::BACKSLASH, escapes::backslashes),
    (Mask::BACKSLASH, escapes::unslashed),
    (Mask::HIGH, unicode::folded),
    (Mask::CONTROL, unicode::without_nul),
    (Mask::QUOTE, base64::quoted),
    (Mask::QUOTE, escapes::joined),
    (Mask::ANGLE, escapes::untagged),
    (Mask::DOT.and(Mask::SLASH).and(Mask::BACKSLASH).and(Mask::BRACE), escapes::hexadecimal),
    (Mask::PLUS, unicode::utf7),
];

/// Hands out each form of a value, whose classes of bytes are `mask`, that differs from the one before, with its classes of bytes and whether it
/// was encoded once more than its place asks for.
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
    // An encoding inside another comes to light in the round after.
    for _ in 0..4 {
        let mut changed = false;
        for (trigger, decode) in DECODERS {
            if mask.has(*trigger) && left > 0 && decode(current, next) && next != current {
                std::mem::swap(current, next);
                mask = Mask::of(current);
                take(current, mask, true);
                (changed, left) = (true, left - 1);
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

/// Whether it, or what is behind its last slash, may be base64 of some text.
#[inline]
pub fn may_be_base64(value: &[u8], mask: Mask) -> bool {
    const DIGITS: Mask = Mask::DASH.and(Mask::UNDERSCORE).and(Mask::PLUS).and(Mask::SIGN);
    value.len() >= base64::MIN_BYTES
        && (mask.is_within(DIGITS) || mask.has(Mask::SLASH))
        && base64::may_be(value)
        && base64::begins_as_text(value)
}

/// Whether a path, or its last segment, may be base64 of some text.
pub fn is_base64_path(path: &[u8]) -> bool {
    base64::may_be(path)
        && (base64::begins_as_text(path) || {
            let last = memchr::memrchr(b'/', path).map_or(path, |at| &path[at + 1..]);
            base64::begins_as_text(last)
        })
}

/// Whether any decoder could make something else of it.
fn may_change(value: &[u8], mask: Mask) -> bool {
    const TRIGGERS: Mask = Mask::PERCENT
        .and(Mask::BACKSLASH)
        .and(Mask::HIGH)
        .and(Mask::CONTROL)
        .and(Mask::ANGLE)
        .and(Mask::PLUS)
        .and(Mask::QUOTE);
    mask.has(TRIGGERS)
        || mask.has(Mask::SEPARATOR) && memchr::memchr(b'&', value).is_some()
        || mask.has(Mask::SLASH.and(Mask::BRACE)) && has_pair(value, b'0', b'x')
        || mask.has(Mask::DOT)
            && has_pair(value, b'.', b'.')
            && (memchr::memmem::find(value, b"..2f..").is_some()
                || memchr::memmem::find(value, b"..5c..").is_some())
        || base64::may_be(value)
}

#[cfg(test)]
mod tests;
