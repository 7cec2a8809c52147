//! Values in JSON documents (RFC 8259), found by scanning for a path, without building a tree.
//!
//! Linear in the length of the document, without recursion. If a member occurs more than once the last one counts, as
//! it does for most applications. A truncated document yields what is complete before the cut; a whole one that does
//! not parse yields nothing, just as its application reads nothing from it.

mod grammar;

use crate::limits::{MAX_JSON_DEPTH, MAX_VALUE_BYTES};

/// One step into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Member of an object.
    Member(Box<[u8]>),
    /// Element of an array, from 0.
    Element(u32),
}

/// Steps from the top of a document to a value; at least one.
pub type Path = Box<[Step]>;

/// The value at `path` in a whole document: strings unescaped, numbers and booleans as their text. Objects, arrays and
/// null yield nothing, and neither does a document that is not valid JSON.
pub fn find<'v>(document: &'v [u8], path: &[Step], buffer: &'v mut Vec<u8>) -> Option<&'v [u8]> {
    let document = without_mark(document);
    let value = Scanner { rest: document, is_part: false }.find(path, buffer)?;
    // Checked last, since most documents do not contain the value.
    grammar::is_document(document).then_some(value)
}

/// As [`find`], in the first part of a longer document: only values that are complete in that part are found, and its
/// grammar is not checked as a whole.
pub fn find_in_part<'v>(
    part: &'v [u8],
    path: &[Step],
    buffer: &'v mut Vec<u8>,
) -> Option<&'v [u8]> {
    Scanner { rest: without_mark(part), is_part: true }.find(path, buffer)
}

/// Whether the bytes are exactly one JSON text in UTF-8.
pub fn is_document(document: &[u8]) -> bool {
    grammar::is_document(without_mark(document))
}

/// Whether the bytes are exactly one object or array.
pub fn is_object_or_array(document: &[u8]) -> bool {
    let first = document.iter().find(|byte| !grammar::is_blank(**byte));
    matches!(first, Some(b'{' | b'[')) && grammar::is_document(document)
}

/// A byte order mark is not JSON, but some clients send one.
fn without_mark(document: &[u8]) -> &[u8] {
    document.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(document)
}

struct Scanner<'d> {
    rest: &'d [u8],
    /// The grammar of the whole document is not checked.
    is_part: bool,
}

impl<'d> Scanner<'d> {
    fn find<'v>(mut self, path: &[Step], buffer: &'v mut Vec<u8>) -> Option<&'v [u8]>
    where
        'd: 'v,
    {
        for step in path {
            match step {
                Step::Member(name) => self.enter_member(name)?,
                Step::Element(index) => self.enter_element(*index)?,
            }
        }
        self.scalar(buffer)
    }

    fn peek(&mut self) -> Option<u8> {
        while let Some((byte, behind)) = self.rest.split_first() {
            if !grammar::is_blank(*byte) {
                return Some(*byte);
            }
            self.rest = behind;
        }
        None
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.rest = &self.rest[1..])
    }

    /// Moves to the value of a member of the object that starts here; the last one if the name occurs more than once.
    fn enter_member(&mut self, wanted: &[u8]) -> Option<()> {
        self.eat(b'{')?;
        let mut found = None;
        // Ends with the object, or where the document ends or is invalid.
        while let Some(name) = self.member() {
            if is_text(name, wanted) {
                found = Some(self.rest);
            }
            if self.skip_value().and_then(|()| self.eat(b',')).is_none() {
                break;
            }
        }
        self.rest = found?;
        Some(())
    }

    /// The name of the member that starts here. Moves to its value.
    fn member(&mut self) -> Option<&'d [u8]> {
        let name = self.string()?;
        self.eat(b':')?;
        Some(name)
    }

    /// Moves to an element of the array that starts here.
    fn enter_element(&mut self, index: u32) -> Option<()> {
        self.eat(b'[')?;
        if self.peek()? == b']' {
            return None;
        }
        for _ in 0..index {
            self.skip_value()?;
            self.eat(b',')?;
        }
        Some(())
    }

    fn scalar<'v>(&mut self, buffer: &'v mut Vec<u8>) -> Option<&'v [u8]>
    where
        'd: 'v,
    {
        match self.peek()? {
            b'"' => unescape(self.string()?, buffer),
            b't' | b'f' | b'-' | b'0'..=b'9' => self.bare(),
            _ => None,
        }
    }

    /// A string's bytes between its quotes, still escaped.
    fn string(&mut self) -> Option<&'d [u8]> {
        let text = self.quoted()?;
        (!self.is_part || !grammar::has_controls(text)).then_some(text)
    }

    /// As [`Scanner::string`], with any bytes between the quotes.
    fn quoted(&mut self) -> Option<&'d [u8]> {
        self.eat(b'"')?;
        let text = self.rest;
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', &text[at..])?;
            if text[at] == b'"' {
                self.rest = &text[at + 1..];
                return Some(&text[..at]);
            }
            // A backslash and the byte that it escapes.
            at += 2;
            if at > text.len() {
                return None;
            }
        }
    }

    /// A number or word. It must end before the document does, or it may have been cut.
    fn bare(&mut self) -> Option<&'d [u8]> {
        let delimiter = |byte: &u8| matches!(byte, b',' | b'}' | b']') || grammar::is_blank(*byte);
        let end = self.rest.iter().position(delimiter)?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        let known = matches!(text, b"true" | b"false" | b"null")
            || grammar::number(text) == Some(text.len());
        known.then_some(text)
    }

    fn skip_value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(|_| ()),
            b'{' | b'[' => self.skip_nested(),
            _ => self.bare().map(|_| ()),
        }
    }

    /// Skips an object or array by counting brackets outside strings.
    fn skip_nested(&mut self) -> Option<()> {
        let mut depth = 0_u32;
        loop {
            let at =
                self.rest.iter().position(|b| matches!(b, b'"' | b'{' | b'}' | b'[' | b']'))?;
            self.rest = &self.rest[at..];
            match self.rest[0] {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                _ => depth -= 1,
            }
            self.rest = &self.rest[1..];
            if depth == 0 {
                return Some(());
            }
            if depth > MAX_JSON_DEPTH {
                return None;
            }
        }
    }
}

/// Passes every string of a document, unescaped, to `take`: with `true` for a member's name and `false` for a value.
/// Stops when `take` returns `false`; returns whether it never did. If the document is cut, includes the beginning of
/// its last string.
pub fn strings(
    document: &[u8],
    buffer: &mut Vec<u8>,
    take: &mut dyn FnMut(bool, &[u8]) -> bool,
) -> bool {
    let mut scanner = Scanner { rest: document, is_part: true };
    while let Some(at) = memchr::memchr(b'"', scanner.rest) {
        scanner.rest = &scanner.rest[at..];
        let behind = &scanner.rest[1..];
        let Some(escaped) = scanner.quoted() else { return take(false, behind) };
        let is_name = scanner.peek() == Some(b':');
        if !take(is_name, unescape(escaped, buffer).unwrap_or(escaped)) {
            return false;
        }
    }
    true
}

/// Passes every string that is a value, at any depth, to `take`: the name of its member, the value, and whether
/// `is_wanted` accepts the name of its member or of one that contains it. Stops at values deeper than [`MAX_JSON_DEPTH`] and
/// where a document is cut.
pub fn strings_under(
    document: &[u8],
    buffer: &mut Vec<u8>,
    is_wanted: &dyn Fn(&[u8]) -> bool,
    mut take: impl FnMut(&[u8], &[u8], bool),
) {
    let mut scanner = Scanner { rest: document, is_part: true };
    // For each open object and array, whether its strings are wanted.
    let mut open: Vec<bool> = Vec::new();
    let (mut name, mut is_named): (&[u8], _) = (b"", false);
    let is_mark = |byte: &u8| matches!(byte, b'"' | b'{' | b'}' | b'[' | b']' | b',');
    while let Some(at) = scanner.rest.iter().position(is_mark) {
        scanner.rest = &scanner.rest[at..];
        let is_inside = open.last().is_some_and(|inside| *inside);
        match scanner.rest[0] {
            b'"' => {
                let Some(escaped) = scanner.quoted() else { return };
                match scanner.peek() {
                    Some(b':') => (name, is_named) = (escaped, is_wanted(escaped)),
                    Some(_) => {
                        if let Some(value) = unescape(escaped, buffer) {
                            take(name, value, is_inside || is_named);
                        }
                    }
                    // Cut: it may be a name or a value.
                    None => return,
                }
                continue;
            }
            b'{' | b'[' if open.len() < MAX_JSON_DEPTH as usize => open.push(is_inside || is_named),
            b'{' | b'[' => return,
            b'}' | b']' => {
                open.pop();
                is_named = false;
            }
            _ => is_named = false,
        }
        scanner.rest = &scanner.rest[1..];
    }
}

/// Passes the top-level members of a whole document that are strings, numbers or booleans, or arrays that start with
/// one, to `take`, in order: the index of the name in `names`, and the value as [`find`] yields it. One pass for any
/// number of names.
pub fn members(
    document: &[u8],
    names: &[&str],
    buffer: &mut Vec<u8>,
    take: &mut dyn FnMut(usize, &[u8]),
) {
    let document = without_mark(document);
    if !grammar::is_document(document) {
        return;
    }
    let mut scanner = Scanner { rest: document, is_part: false };
    if scanner.eat(b'{').is_none() {
        return;
    }
    while let Some(name) = scanner.member() {
        if let Some(at) = names.iter().position(|wanted| is_text(name, wanted.as_bytes())) {
            let mut value = Scanner { ..scanner };
            if value.peek() == Some(b'[') {
                _ = value.enter_element(0);
            }
            if let Some(value) = value.scalar(buffer) {
                take(at, value);
            }
        }
        if scanner.skip_value().and_then(|()| scanner.eat(b',')).is_none() {
            break;
        }
    }
}

/// Whether an escaped string equals `wanted`.
fn is_text(escaped: &[u8], wanted: &[u8]) -> bool {
    if memchr::memchr(b'\\', escaped).is_none() {
        return escaped == wanted;
    }
    // Escapes only make a string longer, at most sixfold (`\u0041`).
    if escaped.len() < wanted.len() || escaped.len() > wanted.len() * 6 {
        return false;
    }
    let mut buffer = Vec::new();
    unescape(escaped, &mut buffer) == Some(wanted)
}

/// Resolves the escapes of a string; borrows it if there are none.
fn unescape<'v>(escaped: &'v [u8], buffer: &'v mut Vec<u8>) -> Option<&'v [u8]> {
    let Some(first) = memchr::memchr(b'\\', escaped) else { return Some(escaped) };
    buffer.clear();
    buffer.extend_from_slice(&escaped[..first]);
    let mut rest = &escaped[first..];
    while let Some((byte, behind)) = rest.split_first() {
        if buffer.len() > MAX_VALUE_BYTES {
            break;
        }
        if *byte != b'\\' {
            buffer.push(*byte);
            rest = behind;
            continue;
        }
        let (escape, behind) = behind.split_first()?;
        rest = behind;
        match escape {
            b'"' | b'\\' | b'/' => buffer.push(*escape),
            b'b' => buffer.push(8),
            b'f' => buffer.push(12),
            b'n' => buffer.push(b'\n'),
            b'r' => buffer.push(b'\r'),
            b't' => buffer.push(b'\t'),
            b'u' => {
                let (character, behind) = code_point(rest)?;
                rest = behind;
                buffer.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return None,
        }
    }
    Some(buffer)
}

/// The character of `XXXX`, or of `XXXX\uXXXX` if that is a surrogate pair.
fn code_point(rest: &[u8]) -> Option<(char, &[u8])> {
    let (high, behind) = unit(rest)?;
    if !(0xD800..0xE000).contains(&high) {
        return Some((char::from_u32(high)?, behind));
    }
    let (low, behind) = unit(behind.strip_prefix(b"\\u")?)?;
    if high >= 0xDC00 || !(0xDC00..0xE000).contains(&low) {
        return None;
    }
    let scalar = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    Some((char::from_u32(scalar)?, behind))
}

fn unit(rest: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, behind) = rest.split_at_checked(4)?;
    let value = digits
        .iter()
        .try_fold(0, |value, digit| Some(value << 4 | (*digit as char).to_digit(16)?))?;
    Some((value, behind))
}

#[cfg(test)]
mod tests;
