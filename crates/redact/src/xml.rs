//! XML 1.0: the text of secret elements and the values of secret attributes are cut out.

use super::cuts::{Cuts, Mark};
use super::named_values::{LABELS, local_class};
use super::names::{Class, class};
use super::text::Redactor;
use crate::limits::{MAX_ENCODINGS, MAX_XML_NESTING};
use crate::secrets::resolve_references;

/// Adds the secret ranges of a document. Returns false if the text is no XML, or if it is incomplete although
/// `is_complete` is set.
pub(super) fn cut(
    r: &mut Redactor<'_>,
    text: &[u8],
    is_complete: bool,
    depth: u8,
    cuts: &mut Cuts,
) -> bool {
    let mut walk = Walk { r, text, at: 0, open: Vec::new(), depth, elements: 0 };
    match walk.all(cuts) {
        Some(()) => walk.elements > 0 && walk.open.is_empty() || !is_complete,
        None => !is_complete && walk.elements > 0 && walk.is_cut(cuts),
    }
}

struct Element<'t> {
    name: &'t [u8],
    class: Class,
}

struct Walk<'w, 'r, 't> {
    r: &'w mut Redactor<'r>,
    text: &'t [u8],
    at: usize,
    open: Vec<Element<'t>>,
    depth: u8,
    elements: usize,
}

impl<'t> Walk<'_, '_, 't> {
    /// Walks through the document. `None`: it is not well-formed.
    fn all(&mut self, cuts: &mut Cuts) -> Option<()> {
        while self.at < self.text.len() {
            let rest = self.rest();
            let len = memchr::memchr(b'<', rest).unwrap_or(rest.len());
            self.content(self.at, self.at + len, cuts);
            // Character data must not contain `]]>` (XML 1.0, 2.4).
            if memchr::memmem::find(rest.get(..len)?, b"]]>").is_some() {
                return None;
            }
            // No text outside of the root element.
            if self.open.is_empty() && !rest.get(..len)?.trim_ascii().is_empty() && self.at > 0 {
                return None;
            }
            self.at += len;
            let rest = self.rest();
            if rest.is_empty() {
                break;
            } else if rest.starts_with(b"<!--") {
                let end = self.find(4, b"-->")?;
                self.content(self.at + 4, end, cuts);
                self.at = end + 3;
            } else if rest.starts_with(b"<![CDATA[") {
                let end = self.find(9, b"]]>")?;
                self.text_of(self.at + 9, end, cuts);
                self.at = end + 3;
            } else if rest.starts_with(b"<?") {
                let end = self.find(2, b"?>")?;
                self.content(self.at, end, cuts);
                self.at = end + 2;
            } else if rest.starts_with(b"<!") {
                let end = self.declaration_end()?;
                self.content(self.at, end, cuts);
                self.at = end;
            } else if rest.starts_with(b"</") {
                let end = self.find(2, b">")?;
                let name = self.text.get(self.at + 2..end)?.trim_ascii_end();
                if self.open.pop()?.name != name {
                    return None;
                }
                self.at = end + 1;
            } else {
                self.element(cuts)?;
            }
        }
        Some(())
    }

    fn rest(&self) -> &'t [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn find(&self, from: usize, end: &[u8]) -> Option<usize> {
        let from = self.at + from;
        memchr::memmem::find(self.text.get(from..)?, end).map(|at| from + at)
    }

    /// End of `<!DOCTYPE … [ … ]>`.
    fn declaration_end(&self) -> Option<usize> {
        let (mut depth, mut quote) = (0_usize, None);
        for (at, byte) in self.rest().iter().enumerate() {
            match (quote, byte) {
                (Some(open), byte) if byte == open => quote = None,
                (Some(_), _) => {}
                (None, b'"' | b'\'') => quote = Some(byte),
                (None, b'[' | b'<') => depth += 1,
                (None, b']') => depth = depth.saturating_sub(1),
                (None, b'>') => {
                    depth = depth.saturating_sub(1);
                    if depth == 0 {
                        return Some(self.at + at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// A start tag or an empty-element tag.
    fn element(&mut self, cuts: &mut Cuts) -> Option<()> {
        let is_name =
            |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte) || *byte >= 0x80;
        let rest = self.rest().get(1..)?;
        let len = rest.iter().take_while(|byte| is_name(byte)).count();
        let name = rest.get(..len).filter(|name| !name.is_empty())?;
        let mut of_element = self.inherited().max(local_class(name));
        self.at += 1 + len;
        self.elements += 1;
        let mut labelled = Class::Plain;
        let mut values = Vec::new();
        loop {
            let blanks = self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            self.at += blanks;
            let rest = self.rest();
            if rest.starts_with(b"/>") {
                self.at += 2;
                self.attributes(&values, of_element.max(labelled), cuts);
                return Some(());
            }
            if rest.starts_with(b">") {
                self.at += 1;
                break;
            }
            let len = rest.iter().take_while(|byte| is_name(byte)).count();
            let attribute = rest.get(..len).filter(|name| !name.is_empty() && blanks > 0)?;
            self.at += len;
            self.at += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            if !self.rest().starts_with(b"=") {
                return None;
            }
            self.at += 1;
            self.at += self.rest().iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let quote = *self.rest().first().filter(|quote| matches!(quote, b'"' | b'\''))?;
            let start = self.at + 1;
            let end = self.find(1, &[quote])?;
            let value = self.text.get(start..end)?;
            if LABELS.contains(&attribute) {
                labelled = labelled.max(class(value));
            }
            values.push((attribute, start, end));
            self.at = end + 1;
        }
        // `<field name="password">x</field>`.
        of_element = of_element.max(labelled);
        self.attributes(&values, of_element, cuts);
        if self.open.len() == MAX_XML_NESTING {
            return None;
        }
        self.open.push(Element { name, class: of_element });
        Some(())
    }

    fn attributes(&mut self, values: &[(&[u8], usize, usize)], of_element: Class, cuts: &mut Cuts) {
        for (name, start, end) in values {
            let is_namespace = *name == b"xmlns" || name.starts_with(b"xmlns:");
            // The name of a secret is not secret itself.
            let is_label = [&b"name"[..], b"key", b"field"].contains(name);
            let class = match is_namespace || is_label {
                true => Class::Plain,
                false => of_element.max(local_class(name)),
            };
            self.leaf(*start, *end, class, cuts);
        }
    }

    fn inherited(&self) -> Class {
        self.open.last().map(|element| element.class).unwrap_or_default()
    }

    /// Text between tags.
    fn content(&mut self, start: usize, end: usize, cuts: &mut Cuts) {
        self.leaf(start, end, self.inherited(), cuts);
    }

    /// Content of a CDATA section, which has no references.
    fn text_of(&mut self, start: usize, end: usize, cuts: &mut Cuts) {
        let first = cuts.len();
        let value = self.text.get(start..end).unwrap_or_default();
        let class = self.inherited();
        self.r.value(value, class, self.depth, cuts);
        cuts.shift(first, start);
    }

    fn leaf(&mut self, start: usize, end: usize, class: Class, cuts: &mut Cuts) {
        let raw = self.text.get(start..end).unwrap_or_default();
        let leading = raw.len() - raw.trim_ascii_start().len();
        let raw = raw.trim_ascii();
        let start = start + leading;
        if raw.is_empty() {
            return;
        }
        let first = cuts.len();
        if memchr::memchr(b'&', raw).is_none() {
            self.r.value(raw, class, self.depth, cuts);
            return cuts.shift(first, start);
        }
        let mut value = Vec::new();
        resolve_references(raw, &mut value);
        let depth = if class == Class::Plain { self.depth } else { MAX_ENCODINGS };
        self.r.value(&value, class, depth, cuts);
        if cuts.len() > first {
            cuts.truncate(first);
            cuts.push(start, start + raw.len(), self.r.mark(&value));
        }
    }

    /// Of an incomplete document, hides the part that was not read.
    fn is_cut(&mut self, cuts: &mut Cuts) -> bool {
        cuts.push(self.at.min(self.text.len()), self.text.len(), Mark::Hidden);
        true
    }
}
