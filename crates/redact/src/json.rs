//! JSON (RFC 8259): only the value of a secret member is cut out, at any depth; the text around it stays as
//! it was sent. Also reads several documents in a row (NDJSON).

mod unescape;

use serde::de::IgnoredAny;

use super::cuts::{Cuts, Mark};
use super::names::{Class, class};
use super::text::Redactor;
use super::{plain, token_patterns};
use crate::limits::{MAX_ENCODINGS, MAX_JSON_NESTING};
use unescape::{STRING, unescape};

/// The kind of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// A text within a value.
    Value,
    /// A complete body, which points may read.
    Body,
    /// The first part of a body.
    Part,
}

/// An open object or array.
struct Open {
    is_object: bool,
    /// Class of everything in it, from the names around it.
    class: Class,
    /// Index of the current element of an array.
    index: u32,
    /// Raw name of the current member of an object.
    name: std::ops::Range<usize>,
    /// Class named by a member such as `name` for its sibling (`{"name": "pin", "value": 1}`).
    labelled: Class,
    /// Range of the value of a member such as `value`, and whether it is a string.
    value: Option<(std::ops::Range<usize>, bool)>,
}

/// Adds the secret ranges of a document. Returns false if the text is no JSON; the added ranges are invalid
/// then.
pub(super) fn cut(
    r: &mut Redactor<'_>,
    text: &[u8],
    whole: Whole,
    depth: u8,
    cuts: &mut Cuts,
) -> bool {
    let start = if text.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
    let is_part = whole == Whole::Part;
    if !is_part && !is_json(text.get(start..).unwrap_or_default()) {
        return false;
    }
    let has_points = whole != Whole::Value && (r.hidden.has_json() || r.shown.has_json());
    let mut walk = Walk { r, text, at: start, open: Vec::new(), depth, has_points, is_part };
    walk.all(cuts)
}

/// Whether a text consists of one or more documents.
fn is_json(text: &[u8]) -> bool {
    let mut documents = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    let mut any = false;
    let all = documents.by_ref().all(|document| {
        any = true;
        document.is_ok()
    });
    any && all
}

/// Whether a text begins like an object with a member name, or like a list of such objects.
pub(super) fn begins(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text).trim_ascii_start();
    match text.split_first() {
        Some((b'[', inner)) => {
            let inner = inner.trim_ascii_start();
            matches!(inner.first(), Some(b'{' | b'[')) && begins(inner)
        }
        Some((b'{', inner)) => match inner.trim_ascii_start().split_first() {
            // Names in single quotes too, as in Python and JavaScript.
            Some((quote @ (b'"' | b'\''), name)) => name
                .split(|byte| byte == quote)
                .skip(1)
                .any(|text| text.trim_ascii_start().starts_with(b":")),
            _ => false,
        },
        _ => false,
    }
}

struct Walk<'w, 'r, 't> {
    r: &'w mut Redactor<'r>,
    text: &'t [u8],
    at: usize,
    open: Vec<Open>,
    depth: u8,
    has_points: bool,
    is_part: bool,
}

/// Whether a word without quotes contains a secret, also in an encoding that JSON does not have.
fn shows(bare: &[u8]) -> bool {
    let is_encoded = bare.iter().any(|byte| matches!(byte, b'%' | b'&'));
    token_patterns::is_in(bare)
        || is_encoded && token_patterns::in_any_layer(bare, token_patterns::is_in)
}

impl Walk<'_, '_, '_> {
    fn all(&mut self, cuts: &mut Cuts) -> bool {
        // Whether the next string is a member name.
        let mut before_name = false;
        while let Some(byte) = self.text.get(self.at) {
            match byte {
                b'{' | b'[' => {
                    if self.open.len() == MAX_JSON_NESTING {
                        return false;
                    }
                    let is_object = *byte == b'{';
                    let class = self.class(cuts);
                    let (index, name, labelled, value) = (0, 0..0, Class::Plain, None);
                    self.open.push(Open { is_object, class, index, name, labelled, value });
                    before_name = is_object;
                    self.at += 1;
                }
                b'}' | b']' => {
                    let Some(closed) = self.open.pop() else { return false };
                    if closed.labelled == Class::Secret
                        && let Some((value, quoted)) = closed.value
                    {
                        let mark = self.r.mark(self.text.get(value.clone()).unwrap_or_default());
                        match quoted {
                            true => cuts.push(value.start, value.end, mark),
                            false => cuts.push_quoted(value.start, value.end, mark),
                        }
                    }
                    before_name = false;
                    self.at += 1;
                }
                b',' => {
                    if let Some(open) = self.open.last_mut() {
                        open.index += 1;
                        before_name = open.is_object;
                    }
                    self.at += 1;
                }
                b'"' => {
                    let string = self.string();
                    match before_name {
                        true => self.name(string, cuts),
                        false => self.leaf(string, true, cuts),
                    }
                }
                b':' => {
                    before_name = false;
                    self.at += 1;
                }
                byte if byte.is_ascii_whitespace() => self.at += 1,
                _ => {
                    let bare = self.bare();
                    self.leaf(bare, false, cuts);
                }
            }
        }
        self.is_part || self.open.is_empty()
    }

    /// Range between the quotes of the string that begins here; up to the end if it is cut.
    fn string(&mut self) -> std::ops::Range<usize> {
        let start = self.at + 1;
        let mut end = start;
        loop {
            match self.text.get(end) {
                None => {
                    self.at = end;
                    return start..end.min(self.text.len());
                }
                Some(b'"') => {
                    self.at = end + 1;
                    return start..end;
                }
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
            }
        }
    }

    /// Range of a number or a literal.
    fn bare(&mut self) -> std::ops::Range<usize> {
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",]}{[\":".contains(byte);
        let rest = self.text.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(is_end).unwrap_or(rest.len()).max(1);
        let start = self.at;
        self.at += len;
        start..self.at
    }

    /// Class of the current value, from the names of all open objects.
    fn class(&mut self, _cuts: &mut Cuts) -> Class {
        let Some(open) = self.open.last() else { return Class::Plain };
        if !open.is_object {
            return open.class;
        }
        let mut buffer = Vec::new();
        let name = unescape(self.text.get(open.name.clone()).unwrap_or_default(), &mut buffer);
        open.class.max(member_class(name))
    }

    fn name(&mut self, name: std::ops::Range<usize>, cuts: &mut Cuts) {
        if let Some(open) = self.open.last_mut() {
            open.name = name.clone();
        }
        let raw = self.text.get(name.clone()).unwrap_or_default();
        self.judged(raw, Class::Plain, MAX_ENCODINGS, name.start, cuts);
    }

    fn leaf(&mut self, range: std::ops::Range<usize>, is_string: bool, cuts: &mut Cuts) {
        let raw = self.text.get(range.clone()).unwrap_or_default();
        let push = |cuts: &mut Cuts, mark: Mark| match is_string {
            true => cuts.push(range.start, range.end, mark),
            false => cuts.push_quoted(range.start, range.end, mark),
        };
        if self.has_points && raw != b"null" {
            if self.is_at(true) {
                return push(cuts, Mark::Hidden);
            }
            if self.is_at(false) {
                if self.r.secrets.shown_in(raw) || self.r.secrets.equal_any(raw) {
                    push(cuts, Mark::Hidden);
                }
                return;
            }
        }
        let class = self.class(cuts);
        self.label(raw, &range, is_string);
        if is_string {
            return self.judged(raw, class, self.depth, range.start, cuts);
        }
        let is_hidden = self.r.secrets.equal_any(raw) || self.r.secrets.shown_in(raw);
        if is_hidden {
            push(cuts, Mark::Hidden);
        } else if !plain::fits(class, raw) || shows(raw) {
            push(cuts, self.r.mark(raw));
        }
    }

    /// Remembers the name or the value of `{"name": …, "value": …}`.
    fn label(&mut self, raw: &[u8], range: &std::ops::Range<usize>, is_string: bool) {
        let Some(open) = self.open.last_mut().filter(|open| open.is_object) else { return };
        let name = self.text.get(open.name.clone()).unwrap_or_default();
        let is = |words: &[&[u8]]| words.iter().any(|word| name.eq_ignore_ascii_case(word));
        if is_string && is(&[b"name", b"key", b"field", b"id", b"param", b"label"]) {
            open.labelled = open.labelled.max(member_class(raw));
        } else if is(&[b"value", b"val", b"content", b"data", b"text"]) {
            open.value = Some((range.clone(), is_string));
        }
    }

    /// A string, escaped or not.
    fn judged(&mut self, raw: &[u8], class: Class, depth: u8, base: usize, cuts: &mut Cuts) {
        let first = cuts.len();
        if memchr::memchr(b'\\', raw).is_none() {
            self.r.value(raw, class, depth, cuts);
            return cuts.shift(first, base);
        }
        let mut buffer = Vec::new();
        let text = unescape(raw, &mut buffer);
        self.r.value(text, class, depth, cuts);
        cuts.translate(first, base, raw, STRING);
    }

    /// Whether a hidden point (or, if not `hidden`, a shown one) reads the current value.
    fn is_at(&self, hidden: bool) -> bool {
        let places = if hidden { self.r.hidden } else { self.r.shown };
        let mut buffer = Vec::new();
        places.json(self.open.len(), &mut |step, at| {
            let Some(open) = self.open.get(at) else { return false };
            match step {
                api_sessions_extract::json::Step::Element(index) => {
                    !open.is_object && open.index == *index
                }
                api_sessions_extract::json::Step::Member(name) => {
                    open.is_object
                        && unescape(
                            self.text.get(open.name.clone()).unwrap_or_default(),
                            &mut buffer,
                        ) == &**name
                }
            }
        })
    }
}

fn member_class(name: &[u8]) -> Class {
    use api_sessions_extract::builtin;
    if builtin::is_credential_argument(name) { Class::Secret } else { class(name) }
}
