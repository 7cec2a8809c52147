//! A value as detectors look at it, and the small scans they are made of.
//!
//! Every scan counts the bytes it looks at. A detector may take a fixed number of steps for each byte of a
//! value; behind that it finds nothing more in it ([`View::is_spent`]), and the next one begins with its own.

use std::cell::Cell;

use crate::class::Mask;
use crate::input::Place;

/// Steps that a detector may take for each byte of a value.
pub const STEPS_PER_BYTE: usize = 8;
/// Steps that it may take in any value.
pub const FREE_STEPS: usize = 4096;

/// One decoded form of a value, in lower case.
pub struct View<'t> {
    /// The text.
    pub low: &'t [u8],
    /// Its classes of bytes.
    pub mask: Mask,
    /// Where it stands in the request.
    pub place: Place,
    /// Name of what it is the value of, as it was sent; empty where it has none.
    pub name: &'t [u8],
    /// It was encoded once more than its place asks for.
    pub is_decoded: bool,
    /// Its line breaks were encoded.
    pub hid_lines: bool,
    /// Whether people wrote it, once a detector has asked.
    is_prose: Cell<Option<bool>>,
    steps: Cell<usize>,
    before: Cell<usize>,
    was_spent: Cell<bool>,
    most: usize,
}

impl<'t> View<'t> {
    /// Of text in lower case.
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

    /// Of what has a name.
    #[must_use]
    pub fn named(mut self, name: &'t [u8]) -> Self {
        self.name = name;
        self
    }

    /// Of a value that held line breaks as it came, or did not.
    #[must_use]
    pub fn with_lines(mut self, had_lines: bool) -> Self {
        self.hid_lines = self.is_decoded && !had_lines;
        self
    }

    /// Several lines, as people write and show them: no value of a field.
    pub fn is_page(&self) -> bool {
        const MOST_LINES: usize = 3;
        matches!(self.place, Place::Text | Place::Whole)
            && self.mask.has(Mask::LINE)
            && !self.hid_lines
            && memchr::memchr_iter(b'\n', self.low).take(MOST_LINES).count() >= MOST_LINES
    }

    /// Text that people wrote: many words in a row.
    pub fn is_prose(&self) -> bool {
        self.is_prose.get().unwrap_or_else(|| {
            let is_prose =
                self.mask.has(Mask::BLANK) && self.low.len() > 24 && is_prose(self.low, self.place);
            self.is_prose.set(Some(is_prose));
            is_prose
        })
    }

    /// Counts bytes that were looked at.
    pub fn spend(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_add(steps));
    }

    /// The next detector begins.
    pub fn begin(&self) {
        self.before.set(self.steps());
        self.steps.set(0);
    }

    /// Nothing more is looked for in this value.
    pub fn is_spent(&self) -> bool {
        let is_spent = self.steps.get() > self.most;
        if is_spent {
            self.was_spent.set(true);
        }
        is_spent
    }

    /// Some detector did not get to its end.
    pub fn was_spent(&self) -> bool {
        self.was_spent.get()
    }

    /// Bytes that were looked at up to now.
    pub fn steps(&self) -> usize {
        self.before.get().saturating_add(self.steps.get())
    }

    /// The byte there, 0 behind the end.
    pub fn at(&self, index: usize) -> u8 {
        self.low.get(index).copied().unwrap_or(0)
    }

    /// What begins there; empty behind the end.
    pub fn from(&self, index: usize) -> &'t [u8] {
        self.low.get(index..).unwrap_or_default()
    }

    /// At most `most` bytes from there.
    pub fn window(&self, index: usize, most: usize) -> &'t [u8] {
        let rest = self.from(index);
        &rest[..rest.len().min(most)]
    }

    /// `text` stands there.
    pub fn starts(&self, index: usize, text: &[u8]) -> bool {
        self.from(index).starts_with(text)
    }

    /// Behind blanks and line breaks, at most 64 of them.
    pub fn behind_blanks(&self, index: usize) -> usize {
        let count = self.window(index, 64).iter().take_while(|byte| is_space(**byte)).count();
        self.spend(count + 1);
        index + count
    }

    /// Before blanks and line breaks, at most 64 of them.
    pub fn before_blanks(&self, index: usize) -> usize {
        let index = index.min(self.low.len());
        let from = index.saturating_sub(64);
        let count = self.low[from..index].iter().rev().take_while(|byte| is_space(**byte)).count();
        self.spend(count + 1);
        index - count
    }

    /// The word that begins there, at most 40 bytes of it; empty where none does.
    pub fn word(&self, index: usize) -> &'t [u8] {
        let window = self.window(index, 40);
        let length = window.iter().take_while(|byte| is_word(**byte)).count();
        self.spend(length + 1);
        &window[..length]
    }

    /// The word that ends there, at most 40 bytes of it.
    pub fn word_before(&self, index: usize) -> &'t [u8] {
        let index = index.min(self.low.len());
        let from = index.saturating_sub(40);
        let length = self.low[from..index].iter().rev().take_while(|byte| is_word(**byte)).count();
        self.spend(length + 1);
        &self.low[index - length..index]
    }

    /// Where `text` stands within `most` bytes from there.
    pub fn find_within(&self, index: usize, most: usize, text: &[u8]) -> Option<usize> {
        let window = self.window(index, most);
        self.spend(window.len() / 4 + 1);
        memchr::memmem::find(window, text).map(|found| index + found)
    }

    /// Where `text` stands.
    pub fn find(&self, text: &[u8]) -> Option<usize> {
        memchr::memmem::find(self.low, text)
    }

    /// Every place where `byte` stands, until the value is spent.
    pub fn each(&self, byte: u8) -> impl Iterator<Item = usize> {
        memchr::memchr_iter(byte, self.low).take_while(|_| !self.is_spent())
    }
}

/// Blank, tab, line break, vertical tab or form feed.
pub fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0B | 0x0C)
}

/// ASCII letter, digit or `_`.
pub fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Many words in a row, in a place where people write; or a fence of Markdown.
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

/// Words of SQL and of shells do not make prose.
fn is_keyword(word: &[u8]) -> bool {
    const KEYWORDS: &[&[u8]] = &[
        b"all", b"and", b"by", b"case", b"create", b"delete", b"drop", b"else", b"end", b"from",
        b"group", b"having", b"in", b"insert", b"into", b"is", b"like", b"limit", b"not", b"null",
        b"or", b"order", b"select", b"set", b"table", b"then", b"union", b"update", b"values",
        b"when", b"where",
    ];
    KEYWORDS.binary_search(&word).is_ok()
}
