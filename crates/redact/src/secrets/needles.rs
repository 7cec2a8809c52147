//! Values that are searched for, and the search.

use std::ops::Range;

use memchr::memmem;

use super::base64::{core_len, has_run, write_cores};
use crate::limits::{MAX_ESCAPE_BYTES, MAX_SEARCHED_BYTES, MIN_SEARCHED_BYTES};

/// Distinct values. Buffers are reused.
#[derive(Debug, Default)]
pub(super) struct Needles {
    bytes: Vec<u8>,
    list: Vec<Needle>,
    /// Length of the shortest value. Shorter texts contain none, since no encoding shortens a value.
    shortest: usize,
    /// Whether a value contains a space.
    has_space: bool,
    /// Length of the shortest run of base64 that contains a value.
    shortest_run: usize,
    /// The base64 cores of values, once they were needed.
    cores: Vec<u8>,
    core_list: Vec<Range<usize>>,
    padded: Vec<u8>,
}

#[derive(Debug)]
struct Needle {
    value: Range<usize>,
    /// Range in `core_list`, once it was needed.
    cores: Option<Range<usize>>,
}

impl Needles {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.list.clear();
        self.cores.clear();
        self.core_list.clear();
    }

    pub(super) fn add(&mut self, value: &[u8]) {
        let value = value.get(..MAX_SEARCHED_BYTES).unwrap_or(value);
        if self.list.is_empty() {
            (self.shortest, self.shortest_run) = (usize::MAX, usize::MAX);
            self.has_space = false;
        }
        let is_known = |known: &Needle| self.bytes.get(known.value.clone()) == Some(value);
        if value.is_empty() || self.list.iter().any(is_known) {
            return;
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.list.push(Needle { value: start..self.bytes.len(), cores: None });
        self.shortest = self.shortest.min(value.len());
        self.has_space |= value.contains(&b' ');
        if value.len() >= MIN_SEARCHED_BYTES {
            self.shortest_run = self.shortest_run.min(core_len(value.len()));
        }
    }

    /// Whether `+` must be decoded as a space.
    pub(super) fn have_spaces(&self) -> bool {
        !self.list.is_empty() && self.has_space
    }

    /// Whether a text is long enough to contain one of the values in any encoding.
    #[inline]
    pub(super) fn may_be_in(&self, text: &[u8]) -> bool {
        !self.list.is_empty() && text.len() >= self.shortest
    }

    /// Whether a value is too short to be searched for, so that only whole texts are compared with it.
    pub(super) fn has_short(&self) -> bool {
        !self.list.is_empty() && self.shortest < MIN_SEARCHED_BYTES
    }

    /// Whether a text equals one of the values.
    pub(super) fn equal_any(&self, text: &[u8]) -> bool {
        self.list.iter().any(|needle| self.bytes.get(needle.value.clone()) == Some(text))
    }

    /// Whether a text contains one of the values, plain or in base64.
    pub(super) fn found_in(&mut self, text: &[u8]) -> bool {
        if !self.may_be_in(text) {
            return false;
        }
        let is_found = |needle: &Needle| {
            self.bytes
                .get(needle.value.clone())
                .is_some_and(|value| text == value || contains(text, value))
        };
        // Hardly any text has a run of base64 characters that long.
        self.list.iter().any(is_found)
            || has_run(text, self.shortest_run) && self.found_in_base64(text)
    }

    #[cold]
    fn found_in_base64(&mut self, text: &[u8]) -> bool {
        let Self { bytes, list, cores, core_list, padded, .. } = self;
        list.iter_mut().any(|needle| {
            let Some(value) = bytes.get(needle.value.clone()) else { return false };
            if value.len() < MIN_SEARCHED_BYTES || !has_run(text, core_len(value.len())) {
                return false;
            }
            let of_needle = needle.cores.get_or_insert_with(|| {
                let first = core_list.len();
                write_cores(value, padded, cores, core_list);
                first..core_list.len()
            });
            let of_needle = core_list.get(of_needle.clone()).unwrap_or_default();
            let mut texts = of_needle.iter().filter_map(|core| cores.get(core.clone()));
            texts.any(|core| contains(text, core))
        })
    }

    /// Whether a text ends with the beginning of a value, also within an escape: it may have been cut there.
    pub(super) fn begun_at_end(&self, text: &[u8]) -> bool {
        let last = text.len().saturating_sub(MAX_ESCAPE_BYTES);
        let tail = text.get(last..).unwrap_or_default();
        self.ends(text)
            || memchr::memchr3_iter(b'%', b'\\', b'&', tail)
                .any(|at| text.get(..last + at).is_some_and(|text| self.ends(text)))
    }

    fn ends(&self, text: &[u8]) -> bool {
        let Some(last) = text.last() else { return false };
        self.list.iter().filter_map(|needle| self.bytes.get(needle.value.clone())).any(|value| {
            let ends = memchr::memchr_iter(*last, value).map(|at| at + 1);
            ends.filter(|len| *len >= MIN_SEARCHED_BYTES)
                .any(|len| value.get(..len).is_some_and(|head| text.ends_with(head)))
        })
    }
}

/// Positions that are compared at once: two vector registers.
const BLOCK: usize = 32;
/// A block, and the bytes that its last position needs.
const WINDOW: usize = BLOCK + 3;

/// Whether a text contains a value of at least [`MIN_SEARCHED_BYTES`].
///
/// Compares three of the first four bytes at many positions at once. Usual texts match nowhere, so the
/// preparation of a full search is rarely needed.
fn contains(text: &[u8], value: &[u8]) -> bool {
    let [first, second, _, fourth, ..] = *value else { return false };
    if text.len() < value.len() {
        return false;
    }
    let begins_in = |window: &[u8; WINDOW]| {
        let mut hit = false;
        for at in 0..BLOCK {
            hit |= (window[at] == first) & (window[at + 1] == second) & (window[at + 3] == fourth);
        }
        hit
    };
    let mut rest = text;
    while let Some(window) = rest.first_chunk::<WINDOW>() {
        if begins_in(window) {
            return memmem::find(rest, value).is_some();
        }
        rest = rest.get(BLOCK..).unwrap_or_default();
    }
    if rest.len() < MIN_SEARCHED_BYTES {
        return false;
    }
    match text.last_chunk::<WINDOW>() {
        Some(window) => begins_in(window) && memmem::find(rest, value).is_some(),
        None => memmem::find(text, value).is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_value_is_found_where_it_is(text in "[ab]{0,120}", value in "[ab]{4,9}") {
            assert_eq!(contains(text.as_bytes(), value.as_bytes()), text.contains(&value));
        }

        #[test]
        fn a_value_is_found_at_any_place(before in 0usize..100, behind in 0usize..100) {
            let text = format!("{}Zk7q{}", "-".repeat(before), "-".repeat(behind));
            assert!(contains(text.as_bytes(), b"Zk7q"));
        }
    }
}
