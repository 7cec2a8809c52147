//! The forms a value takes on its way into an application: as it came, percent-decoded, and each other
//! encoding that its bytes hint at, taken off one after the other.

mod base64;
mod escapes;
mod unicode;

use crate::class::Mask;
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

/// Hands out each form of a value that differs from the one before, with its classes of bytes and whether it
/// was encoded once more than its place asks for.
pub fn each(
    value: &[u8],
    place: Place,
    buffers: &mut Buffers,
    take: &mut dyn FnMut(&[u8], Mask, bool),
) {
    let Buffers { current, next } = buffers;
    let mut mask = Mask::of(value);
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
        || mask.has(Mask::SLASH.and(Mask::BRACE)) && memchr::memmem::find(value, b"0x").is_some()
        || mask.has(Mask::DOT)
            && (memchr::memmem::find(value, b"..2f..").is_some()
                || memchr::memmem::find(value, b"..5c..").is_some())
        || base64::may_be(value)
}

#[cfg(test)]
mod tests;
