//! Judges whether a name promises a secret: by its whole parts (`apiKey`, `user[password]`, `x-auth-token`),
//! not by substrings (`keyword`, `author`, `monkey`).

mod words;

use words::{COMPOUND_TAILS, List, OPEN_TAILS, SECRET_PAIRS, is_in, is_inside};

use crate::limits::{MAX_NAME_BYTES, MAX_NAME_PARTS};

/// What a name says about its value. If several classes apply, the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) enum Class {
    /// Nothing: the value is judged by its looks.
    #[default]
    Plain,
    /// Secret in some products: the value is shown if it consists of words or numbers.
    Numbers,
    /// Secret in most products: the value is shown if it consists of words.
    Words,
    /// A secret.
    Secret,
}

/// The class of a decoded name, without percent-encoding or escapes.
pub(crate) fn class(name: &[u8]) -> Class {
    let name = name.get(name.len().saturating_sub(MAX_NAME_BYTES)..).unwrap_or(name);
    let mut lower = [0; MAX_NAME_BYTES];
    let Some(lower) = lower.get_mut(..name.len()) else { return Class::Plain };
    lower.copy_from_slice(name);
    lower.make_ascii_lowercase();
    let mut parts = Parts::default();
    // `SAMLart`: capitals alone do not mark the end of a word.
    if lower.split(|byte| !is_letter(*byte)).any(|word| is_in(word, List::Secret)) {
        parts.push(b"secret");
    }
    let mut rest = 0;
    while let Some((start, end)) = next_part(name, rest) {
        rest = end;
        parts.push_compound(lower.get(start..end).unwrap_or_default());
    }
    parts.class()
}

/// Range of the next part: a run of letters, split at capitals (`apiKey`, `SAMLResponse`). Digits and other
/// characters separate parts, except letters of other scripts.
fn next_part(name: &[u8], from: usize) -> Option<(usize, usize)> {
    let is_letter = |at: usize| name.get(at).is_some_and(|byte| is_letter(*byte));
    let is = |at: usize, kind: fn(&u8) -> bool| name.get(at).is_some_and(kind);
    let start = (from..name.len()).find(|at| is_letter(*at))?;
    let mut end = start + 1;
    while is_letter(end) {
        let upper = is(end, u8::is_ascii_uppercase);
        let behind_lower = is(end - 1, u8::is_ascii_lowercase);
        let before_lower = is(end - 1, u8::is_ascii_uppercase)
            && is(end + 1, u8::is_ascii_lowercase)
            // `IDs`, `APIs`: the plural does not begin a new word.
            && (!is(end + 1, |byte| *byte == b's') || is_letter(end + 2));
        if upper && (behind_lower || before_lower) {
            break;
        }
        end += 1;
    }
    Some((start, end))
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0x80
}

/// The parts of a name, in lower case.
#[derive(Default)]
struct Parts<'n> {
    list: [&'n [u8]; MAX_NAME_PARTS],
    len: usize,
}

impl<'n> Parts<'n> {
    fn push(&mut self, part: &'n [u8]) {
        if let Some(place) = self.list.get_mut(self.len) {
            *place = part;
            self.len += 1;
        }
    }

    /// Adds a part, split if it is a compound of two words (`newpassword`, `apikey`, `passhash`).
    fn push_compound(&mut self, part: &'n [u8]) {
        if is_in(part, List::Secret)
            || is_in(part, List::Words)
            || is_in(part, List::Numbers)
            || is_inside(part)
        {
            return self.push(part);
        }
        for tail in COMPOUND_TAILS {
            if let Some(head) = part.strip_suffix(*tail)
                && is_in(head, List::CompoundHeads)
            {
                self.push(head);
                return self.push(part.get(head.len()..).unwrap_or_default());
            }
        }
        for head in COMPOUND_TAILS {
            if let Some(tail) = part.strip_prefix(*head)
                && is_in(tail, List::CompoundEnds)
            {
                self.push(part.get(..head.len()).unwrap_or_default());
                return self.push(tail);
            }
        }
        for tail in OPEN_TAILS {
            if let Some(head) = part.strip_suffix(*tail)
                && head.len() >= 3
                && !is_in(part, List::NoCompounds)
            {
                self.push(head);
                return self.push(part.get(head.len()..).unwrap_or_default());
            }
        }
        self.push(part);
    }

    fn class(&self) -> Class {
        let parts = self.list.get(..self.len).unwrap_or_default();
        let mut class = Class::Plain;
        for (at, part) in parts.iter().enumerate() {
            let before =
                at.checked_sub(1).and_then(|at| parts.get(at)).copied().unwrap_or_default();
            let after = parts.get(at + 1).copied().unwrap_or_default();
            class = class.max(part_class(part, before, after));
        }
        let last = parts.last().copied().unwrap_or_default();
        // `token_type`, `session_count`: a property of the secret.
        if parts.len() > 1 && is_in(last, List::Metadata) {
            class.min(Class::Numbers)
        } else {
            class
        }
    }
}

fn part_class(part: &[u8], before: &[u8], after: &[u8]) -> Class {
    if SECRET_PAIRS.iter().any(|(one, two)| part == *one && after == *two) {
        return Class::Secret;
    }
    match part {
        b"key" | b"keys" if is_in(before, List::HarmlessBeforeKey) => return Class::Plain,
        b"key" | b"keys" if is_in(before, List::SecretBeforeKey) => return Class::Secret,
        b"code" | b"codes" if is_in(before, List::HarmlessBeforeCode) => return Class::Plain,
        b"code" | b"codes" if is_in(before, List::SecretBeforeCode) => return Class::Secret,
        b"pass" if matches!(after, b"through" | b"rate" | b"fail" | b"by" | b"count") => {
            return Class::Plain;
        }
        // `mac_address` is not secret.
        b"mac" if after == b"address" => return Class::Plain,
        _ => {}
    }
    if is_in(part, List::Secret) {
        return Class::Secret;
    }
    if is_in(part, List::Words) {
        return Class::Words;
    }
    if is_in(part, List::Numbers) {
        return Class::Numbers;
    }
    if is_inside(part) { Class::Secret } else { Class::Plain }
}

/// Builds the tables that are built once per process.
pub fn prepare() {
    words::prepare();
}

#[cfg(test)]
mod tests;
