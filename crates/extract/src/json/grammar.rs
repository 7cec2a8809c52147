//! The grammar of JSON (RFC 8259), in one pass without recursion or allocation.

use crate::limits::MAX_JSON_DEPTH;

/// Whether the bytes are exactly one document in UTF-8. A document nested deeper than [`MAX_JSON_DEPTH`] does not count.
pub(super) fn is_document(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok() && Parser { rest: bytes }.document().is_some()
}

/// Length of the number at the start of the text.
pub(super) fn number(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        let behind = text.get(from..).unwrap_or_default();
        behind.iter().take_while(|byte| byte.is_ascii_digit()).count()
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    at += match text.get(at)? {
        b'0' => 1,
        b'1'..=b'9' => digits(at),
        _ => return None,
    };
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits(at + 1 + sign);
        if exponent == 0 {
            return None;
        }
        at += 1 + sign + exponent;
    }
    Some(at)
}

/// Whether a byte is whitespace, which may stand between values.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Whether a string contains control characters, which must be escaped.
pub(super) fn has_controls(text: &[u8]) -> bool {
    // Without an early exit, so that the compiler can vectorise it.
    text.iter().fold(false, |found, byte| found | (*byte < b' '))
}

/// Number of bytes at the start of a string that stand for themselves: no quote, backslash or control character. Checks
/// eight at a time.
#[inline]
fn plain(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGHS: u64 = ONES << 7;
    // Marks each zero byte; a borrow may also mark bytes above one, so only the lowest mark is reliable.
    let zeros = |word: u64| word.wrapping_sub(ONES) & !word;
    let (words, rest) = text.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let controls = word.wrapping_sub(ONES * b' ' as u64) & !word;
        let quotes = zeros(word ^ (ONES * b'"' as u64));
        let escapes = zeros(word ^ (ONES * b'\\' as u64));
        let marks = (controls | quotes | escapes) & HIGHS;
        if marks != 0 {
            return at * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let is_plain = |byte: &&u8| !matches!(**byte, b'"' | b'\\' | 0..b' ');
    words.len() * 8 + rest.iter().take_while(is_plain).count()
}

/// The open objects and arrays: one bit each, 1 for an object.
#[derive(Default)]
struct Open {
    depth: u32,
    kinds: u128,
}

const _: () = assert!(MAX_JSON_DEPTH <= u128::BITS);

impl Open {
    fn push(&mut self, is_object: bool) -> Option<()> {
        if self.depth == MAX_JSON_DEPTH {
            return None;
        }
        self.depth += 1;
        self.kinds = self.kinds << 1 | u128::from(is_object);
        Some(())
    }

    fn pop(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.kinds >>= 1;
    }

    fn innermost_is_object(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.kinds & 1 == 1)
    }
}

struct Parser<'d> {
    rest: &'d [u8],
}

impl Parser<'_> {
    fn document(&mut self) -> Option<()> {
        let mut open = Open::default();
        loop {
            self.value(&mut open)?;
            // What follows a value, until another one begins.
            loop {
                self.blanks();
                let Some(is_object) = open.innermost_is_object() else {
                    return self.rest.is_empty().then_some(());
                };
                match (self.next()?, is_object) {
                    (b',', true) => {
                        self.blanks();
                        self.name()?;
                        break;
                    }
                    (b',', false) => break,
                    (b'}', true) | (b']', false) => open.pop(),
                    _ => return None,
                }
            }
        }
    }

    /// Parses a scalar, an empty object or an empty array. Otherwise opens objects and arrays, up to and including the
    /// first such value in them.
    fn value(&mut self, open: &mut Open) -> Option<()> {
        loop {
            self.blanks();
            let start = self.rest;
            match self.next()? {
                b'"' => return self.string(),
                b'{' => {
                    self.blanks();
                    if self.rest.first() == Some(&b'}') {
                        return self.next().map(|_| ());
                    }
                    open.push(true)?;
                    self.name()?;
                }
                b'[' => {
                    self.blanks();
                    if self.rest.first() == Some(&b']') {
                        return self.next().map(|_| ());
                    }
                    open.push(false)?;
                }
                b't' => return self.word(b"rue"),
                b'f' => return self.word(b"alse"),
                b'n' => return self.word(b"ull"),
                _ => {
                    self.rest = start.get(number(start)?..)?;
                    return Some(());
                }
            }
        }
    }

    /// A member's name and the colon after it.
    fn name(&mut self) -> Option<()> {
        (self.next()? == b'"').then_some(())?;
        self.string()?;
        self.blanks();
        (self.next()? == b':').then_some(())
    }

    /// The rest of a string after its opening quote, including the closing one.
    fn string(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.get(plain(self.rest)..)?;
            match self.next()? {
                b'"' => return Some(()),
                b'\\' => match self.next()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let (digits, behind) = self.rest.split_at_checked(4)?;
                        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                        self.rest = behind;
                    }
                    _ => return None,
                },
                _ => return None,
            }
        }
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(())
    }

    fn blanks(&mut self) {
        while let Some((byte, behind)) = self.rest.split_first()
            && is_blank(*byte)
        {
            self.rest = behind;
        }
    }

    fn next(&mut self) -> Option<u8> {
        let (byte, behind) = self.rest.split_first()?;
        self.rest = behind;
        Some(*byte)
    }
}
