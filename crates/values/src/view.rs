//! A form of a value as detectors read it, with the small scans that they are built from.
//!
//! Each scan counts the bytes that it reads. A detector has a step limit that depends on the length of the
//! value; beyond it, it stops ([`View::is_spent`]), and the next detector starts with a fresh limit.

use std::cell::Cell;

use crate::class::Mask;
use crate::input::Place;

/// Steps that a detector may take per byte of a value.
pub const STEPS_PER_BYTE: usize = 8;
/// Steps that a detector may take in any value, in addition.
pub const FREE_STEPS: usize = 4096;

/// One decoded form of a value, in lower case.
pub struct View<'t> {
    /// The text.
    pub low: &'t [u8],
    /// Its classes of bytes.
    pub mask: Mask,
    /// Its place in the request.
    pub place: Place,
    /// Name of the value as it was sent; empty if it has none.
    pub name: &'t [u8],
    /// Whether it was encoded more often than its place requires.
    pub is_decoded: bool,
    /// Whether its line breaks were encoded.
    pub hid_lines: bool,
    /// Result of [`View::is_prose`], once computed.
    is_prose: Cell<Option<bool>>,
    steps: Cell<usize>,
    before: Cell<usize>,
    was_spent: Cell<bool>,
    most: usize,
}

impl<'t> View<'t> {
    /// A view of text in lower case.
    pub fn new(low: &'t [u8], mask: Mask, place: Place, is_decoded: bool) -> Self {
        let most = low.len() * STEPS_PER_BYTE + FREE_STEPS;
        Self {
            low,
            mask,
            place,
            name: b"",
            is_decoded,
            hid_lines: is_decoded,
            is_prose: Cell::new(None),
            steps: Cell::new(0),
            before: Cell::new(0),
            was_spent: Cell::new(false),
            most,
        }
    }

    /// Sets the name of the value.
    #[must_use]
    pub fn named(mut self, name: &'t [u8]) -> Self {
        self.name = name;
        self
    }

    /// Sets whether the original value contained line breaks.
    #[must_use]
    pub fn with_lines(mut self, had_lines: bool) -> Self {
        self.hid_lines = self.is_decoded && !had_lines;
        self
    }

    /// Whether it has several lines, like text or code that people paste: not the value of a field.
    pub fn is_page(&self) -> bool {
        const MOST_LINES: usize = 3;
        matches!(self.place, Place::Text | Place::Whole)
            && self.mask.has(Mask::LINE)
            && !self.hid_lines
            && memchr::memchr_iter(b'\n', self.low).take(MOST_LINES).count() >= MOST_LINES
    }

    /// Whether it is prose: many words in a row.
    pub fn is_prose(&self) -> bool {
        self.is_prose.get().unwrap_or_else(|| {
            let is_prose =
                self.mask.has(Mask::BLANK) && self.low.len() > 24 && is_prose(self.low, self.place);
            self.is_prose.set(Some(is_prose));
            is_prose
        })
    }

    /// Counts bytes that were read.
    pub fn spend(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_add(steps));
    }

    /// Starts counting for the next detector.
    pub fn begin(&self) {
        self.before.set(self.steps());
        self.steps.set(0);
    }

    /// Whether the current detector has used up its steps for this value.
    pub fn is_spent(&self) -> bool {
        let is_spent = self.steps.get() > self.most;
        if is_spent {
            self.was_spent.set(true);
        }
        is_spent
    }

    /// Whether any detector has used up its steps.
    pub fn was_spent(&self) -> bool {
        self.was_spent.get()
    }

    /// Bytes read so far by all detectors.
    pub fn steps(&self) -> usize {
        self.before.get().saturating_add(self.steps.get())
    }

    /// The byte at an index; 0 after the end.
    pub fn at(&self, index: usize) -> u8 {
        self.low.get(index).copied().unwrap_or(0)
    }

    /// The text from an index on; empty after the end.
    pub fn from(&self, index: usize) -> &'t [u8] {
        self.low.get(index..).unwrap_or_default()
    }

    /// At most `most` bytes from an index on.
    pub fn window(&self, index: usize, most: usize) -> &'t [u8] {
        let rest = self.from(index);
        &rest[..rest.len().min(most)]
    }

    /// Whether `text` is at an index.
    pub fn starts(&self, index: usize, text: &[u8]) -> bool {
        self.from(index).starts_with(text)
    }

    /// Index after blanks and line breaks, at most 64 of them.
    pub fn behind_blanks(&self, index: usize) -> usize {
        let count = self.window(index, 64).iter().take_while(|byte| is_space(**byte)).count();
        self.spend(count + 1);
        index + count
    }

    /// Index before blanks and line breaks, at most 64 of them.
    pub fn before_blanks(&self, index: usize) -> usize {
        let index = index.min(self.low.len());
        let from = index.saturating_sub(64);
        let count = self.low[from..index].iter().rev().take_while(|byte| is_space(**byte)).count();
        self.spend(count + 1);
        index - count
    }

    /// The word that begins at an index, at most 40 bytes; empty if there is none.
    pub fn word(&self, index: usize) -> &'t [u8] {
        let window = self.window(index, 40);
        let length = window.iter().take_while(|byte| is_word(**byte)).count();
        self.spend(length + 1);
        &window[..length]
    }

    /// The word that ends at an index, at most 40 bytes.
    pub fn word_before(&self, index: usize) -> &'t [u8] {
        let index = index.min(self.low.len());
        let from = index.saturating_sub(40);
        let length = self.low[from..index].iter().rev().take_while(|byte| is_word(**byte)).count();
        self.spend(length + 1);
        &self.low[index - length..index]
    }

    /// Index of `text` within `most` bytes from an index on.
    pub fn find_within(&self, index: usize, most: usize, text: &[u8]) -> Option<usize> {
        let window = self.window(index, most);
        self.spend(window.len() / 4 + 1);
        memchr::memmem::find(window, text).map(|found| index + found)
    }

    /// Index of the first `text`.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        memchr::memmem::find(self.low, text)
    }

    /// Indexes of `byte`, until the steps are used up.
    pub fn each(&self, byte: u8) -> impl Iterator<Item = usize> {
        memchr::memchr_iter(byte, self.low).take_while(|_| !self.is_spent())
    }
}

/// Whether a byte is a space, tab, line break, vertical tab or form feed.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0B | 0x0C)
}

/// Whether a byte is an ASCII letter, a digit or `_`.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Whether a text has many words in a row, more for places where people rarely write, or a Markdown fence.
fn is_prose(low: &[u8], place: Place) -> bool {
    let enough = match place {
        Place::Text | Place::Whole => 6,
        _ => 8,
    };
    let mut pairs = 0;
    for words in low[..low.len().min(4096)].split(|byte| matches!(byte, b'\n' | b'.' | b'(' | b'='))
    {
        let mut last = false;
        for word in words.split(|byte| *byte == b' ') {
            let word = word.strip_suffix(b",").unwrap_or(word);
            let plain = word.len() > 1
                && word.iter().all(|byte| byte.is_ascii_lowercase() || *byte >= 0x80);
            pairs += usize::from(plain && last && !is_keyword(word));
            last = plain && !is_keyword(word);
        }
    }
    pairs >= enough || memchr::memmem::find(low, b"```").is_some()
}

/// Keywords of SQL and shells do not count as prose.
fn is_keyword(word: &[u8]) -> bool {
    const KEYWORDS: &[&[u8]] = &[
        b"all", b"and", b"by", b"case", b"create", b"delete", b"drop", b"else", b"end", b"from",
        b"group", b"having", b"in", b"insert", b"into", b"is", b"like", b"limit", b"not", b"null",
        b"or", b"order", b"select", b"set", b"table", b"then", b"union", b"update", b"values",
        b"when", b"where",
    ];
    KEYWORDS.binary_search(&word).is_ok()
}
