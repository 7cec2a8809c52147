//! Secrets in free text, by the name before them: `password=x`, `"token": "x"`, `Authorization: Bearer x`,
//! `<password>x`.

use std::ops::Range;

use super::cuts::HASH_START;
use super::names::{Class, class};
use super::plain::is_void;
use super::{plain, userinfo};
use crate::limits::{MAX_LABEL_BYTES, MAX_TAG_BYTES, MAX_TEXT_NAME_BYTES};
use crate::secrets::HIDDEN;

/// Names of authentication schemes, after which the secret follows (RFC 9110, 11.6).
const SCHEMES: &[&[u8]] = &[
    b"bearer",
    b"basic",
    b"digest",
    b"negotiate",
    b"token",
    b"apikey",
    b"ntlm",
    b"dpop",
    b"splunk",
];

/// Calls `found` with the ranges of such values, in order.
pub(crate) fn each(text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| memchr::memchr3(b'=', b':', b'<', rest)) {
        let at = from + at;
        from = at + 1;
        if text.get(at) == Some(&b'<') {
            let name = text.get(from..).unwrap_or_default();
            from += usize::from(name.starts_with(b"/"));
            let name = text.get(from..).unwrap_or_default();
            let len = name.iter().take_while(|byte| is_element_name(**byte)).count();
            if let Some(element) = element_at(text, from, len) {
                from = element.end;
                found(element);
            } else {
                from += len;
            }
            continue;
        }
        let Some(name) = name_before(text, at) else { continue };
        if text.get(at) == Some(&b':') && is_prefix_of_tag(text, &name) {
            continue;
        }
        if text.get(name.clone()) == Some(b"name")
            && let Some(field) = field_behind(text, at + 1)
        {
            from = field.end.max(from);
            found(field);
            continue;
        }
        if class(text.get(name).unwrap_or_default()) != Class::Secret {
            continue;
        }
        let value = value_behind(text, at + 1);
        let bytes = text.get(value.clone()).unwrap_or_default();
        let is_cut = bytes.starts_with(HASH_START) || bytes.starts_with(HIDDEN.as_bytes());
        if !is_void(bytes) && !is_cut {
            from = value.end.max(from);
            found(value);
        }
    }
}

/// Whether a secret name precedes an equals sign or a colon, with any value.
pub(crate) fn names_secret(text: &[u8]) -> bool {
    memchr::memchr2_iter(b'=', b':', text)
        .filter_map(|at| text.get(name_before(text, at)?))
        .any(|name| class(name) == Class::Secret)
}

/// Whether a text that does not parse names a secret as an element, an attribute or a label.
pub(super) fn markup_names_secret(text: &[u8]) -> bool {
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.:".contains(byte) || *byte >= 0x80;
    let mut tags = memchr::memchr_iter(b'<', text).filter_map(|at| text.get(at + 1..));
    let mut is_found = tags.any(|tag| {
        let tag = tag.strip_prefix(b"/").unwrap_or(tag);
        let len = tag.iter().take(MAX_LABEL_BYTES).take_while(|byte| is_name(byte)).count();
        let (name, behind) = tag.split_at_checked(len).unwrap_or_default();
        let class = local_class(name);
        let content = || {
            let content = behind.split(|byte| *byte == b'>').nth(1)?;
            content.split(|byte| *byte == b'<').next()
        };
        class == Class::Secret
            || class != Class::Plain && !plain::fits(class, content().unwrap_or_default())
    });
    if !is_found {
        is_found = names_secret(text);
        userinfo::each(text, &mut |_| is_found = true);
    }
    is_found || labels_secret(text)
}

/// Attributes whose value names the content of the element.
pub(super) const LABELS: [&[u8]; 4] = [b"name", b"key", b"id", b"field"];

/// Whether a label names a secret: `name="password"`, with or without quotes, or `"name": "password"`.
fn labels_secret(text: &[u8]) -> bool {
    let places = |label: &'static [u8]| {
        memchr::memmem::find_iter(text, label).map(move |at| at + label.len())
    };
    LABELS.into_iter().flat_map(places).any(|at| {
        let behind = text.get(at..).unwrap_or_default();
        let behind = behind.strip_prefix(b"\\").unwrap_or(behind);
        let behind = behind.strip_prefix(b"\"").unwrap_or(behind).trim_ascii_start();
        let value = behind.strip_prefix(b"=").or(behind.strip_prefix(b":"));
        let value = value.unwrap_or_default().trim_ascii_start();
        let value = value.strip_prefix(b"\\").unwrap_or(value);
        let value = value.strip_prefix(b"\"").or(value.strip_prefix(b"'")).unwrap_or(value);
        let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"\"'/>\\".contains(byte);
        let len = value.iter().take(MAX_LABEL_BYTES).take_while(|byte| !is_end(byte)).count();
        class(value.get(..len).unwrap_or_default()) == Class::Secret
    })
}

/// Class of a name without its namespace prefix.
pub(super) fn local_class(name: &[u8]) -> Class {
    class(name.rsplit(|byte| *byte == b':').next().unwrap_or(name))
}

/// Range of the name before an equals sign or a colon, with or without quotes.
fn name_before(text: &[u8], end: usize) -> Option<Range<usize>> {
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte) || *byte >= 0x80;
    let is_around = |byte: &u8| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b'`' | b')');
    let start = end.saturating_sub(MAX_TEXT_NAME_BYTES);
    let before = text.get(start..end)?;
    let around = before.iter().rev().take_while(|byte| is_around(byte)).count();
    let before = before.get(..before.len() - around)?;
    let len = before.iter().rev().take_while(|byte| is_name(byte)).count();
    let end = start + before.len();
    (len > 0).then_some(end - len..end)
}

/// Whether a name is the namespace prefix of an encoded tag: `&lt;wsse:Password>`, `%3Cwsse:Password`. The
/// text after the colon is then a name; hiding it would hide what the element is.
fn is_prefix_of_tag(text: &[u8], name: &Range<usize>) -> bool {
    const REFERENCES: [&[u8]; 3] = [b"&lt;", b"&#60;", b"&#x3c;"];
    // The last characters of these escapes also match a name.
    const ESCAPES: [&[u8]; 3] = [b"%3c", b"\\u003c", b"\\x3c"];
    let before = text.get(..name.start).unwrap_or_default();
    let before = before.strip_suffix(b"/").unwrap_or(before);
    let ends_with = |reference: &&[u8]| {
        let end = before.len().checked_sub(reference.len()).and_then(|at| before.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(reference))
    };
    let escape = before.last().filter(|byte| matches!(byte, b'%' | b'\\'));
    let name = text.get(name.clone()).unwrap_or_default();
    let begins_with = |escaped: &&[u8]| {
        let (first, rest) = escaped.split_first().unzip();
        let start = rest.and_then(|rest: &[u8]| Some((rest, name.get(..rest.len())?)));
        first == escape && start.is_some_and(|(rest, start)| start.eq_ignore_ascii_case(rest))
    };
    REFERENCES.iter().any(ends_with) || ESCAPES.iter().any(begins_with)
}

/// Range of the value that begins at `from`: the quoted text, or up to a character that cannot belong to it.
fn value_behind(text: &[u8], from: usize) -> Range<usize> {
    let at = |at: usize| text.get(at).copied();
    let mut start = from;
    while matches!(at(start), Some(b' ' | b'\t' | b'=' | b'>' | b'~' | b':')) {
        start += 1;
    }
    // `\"` of a string within a string.
    let escape = usize::from(at(start) == Some(b'\\'));
    if let Some(quote @ (b'"' | b'\'' | b'`')) = at(start + escape) {
        let start = start + escape + 1;
        let mut end = start;
        while let Some(byte) = at(end) {
            match byte {
                b'\\' if escape == 1 && at(end + 1) == Some(quote) => break,
                b'\\' => end += 1,
                // A quote in the middle of a word closes nothing.
                byte if byte == quote && !at(end + 1).is_some_and(is_of_word) => break,
                _ => {}
            }
            end += 1;
        }
        return start..end.min(text.len());
    }
    if let Some(b'{' | b'[') = at(start + escape) {
        return start..bracket_end(text, start + escape);
    }
    let is_end = |byte: u8| byte.is_ascii_whitespace() || b"&;,<>(){}[]|\\".contains(&byte);
    let word = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        let goes_on = |(index, byte): &(usize, &u8)| match byte {
            b'"' | b'\'' | b'`' => rest.get(index + 1).copied().is_some_and(is_of_word),
            byte => !is_end(**byte),
        };
        from + rest.iter().enumerate().take_while(goes_on).count()
    };
    let end = word(start);
    let first = text.get(start..end).unwrap_or_default();
    if at(end) == Some(b' ') && SCHEMES.iter().any(|scheme| first.eq_ignore_ascii_case(scheme)) {
        return end + 1..word(end + 1);
    }
    start..end
}

/// Index after the bracket that closes the one at `from`, or the end of the text.
fn bracket_end(text: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in text.iter().enumerate().skip(from) {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return at + 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn is_of_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// Content of a multipart field with a secret name in quotes at `at`, after `name=`: from the empty line to
/// the next delimiter.
fn field_behind(text: &[u8], at: usize) -> Option<Range<usize>> {
    const MAX_HEAD_BYTES: usize = 512;
    let quoted = text.get(at..)?.strip_prefix(b"\"")?;
    let name =
        quoted.get(..memchr::memchr(b'"', quoted.get(..MAX_TEXT_NAME_BYTES).unwrap_or(quoted))?)?;
    if class(name) != Class::Secret {
        return None;
    }
    let head = quoted.get(..MAX_HEAD_BYTES).unwrap_or(quoted);
    let content = at + 1 + memchr::memmem::find(head, b"\r\n\r\n")? + 4;
    let rest = text.get(content..)?;
    let len = memchr::memmem::find(rest, b"\r\n--").unwrap_or(rest.len());
    (len > 0).then_some(content..content + len)
}

/// Attributes and content of a secret element whose name is at `at` with length `len`, to its end or to the
/// end of the text.
fn element_at(text: &[u8], at: usize, len: usize) -> Option<Range<usize>> {
    let name = text.get(at..at + len)?;
    let local = name.rsplit(|byte| *byte == b':').next()?;
    let head = text.get(at + len..)?;
    // Tags end at a bracket, so that no byte is read for two of them.
    let head = head.get(..MAX_TAG_BYTES).unwrap_or(head);
    let head = head.get(..memchr::memchr2(b'<', b'>', head).unwrap_or(head.len()))?;
    if class(local) != Class::Secret && !labels_secret(head)
        || at.checked_sub(1).and_then(|at| text.get(at)) == Some(&b'/')
    {
        return None;
    }
    let start = at + len;
    let rest = text.get(start..)?;
    let tag = rest.get(..memchr::memchr(b'>', rest).unwrap_or(rest.len()))?;
    let len = match tag.strip_suffix(b"/") {
        Some(attributes) if tag.len() < rest.len() => attributes.len(),
        _ => memchr::memmem::find(rest, &[b"</", name].concat()).unwrap_or(rest.len()),
    };
    let content = rest.get(..len)?;
    let end = start + len;
    let start = (start + usize::from(content.starts_with(b">"))).min(end);
    let bytes = text.get(start..end)?;
    (!is_void(bytes) && !bytes.starts_with(HIDDEN.as_bytes()) && !bytes.starts_with(HASH_START))
        .then_some(start..end)
}

fn is_element_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_-.:".contains(&byte) || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_behind_secret_names_are_found_alone() {
        for (text, secrets) in [
            ("password=hunter2&x=1", vec!["hunter2"]),
            ("\"token\": \"a b\\\"c\", \"x\": 1", vec!["a b\\\"c"]),
            ("login(password:\\\"pw d\\\", user:\\\"bob\\\")", vec!["pw d"]),
            ("Authorization: Bearer abc.def x", vec!["abc.def"]),
            ("' AND password='abc' --", vec!["abc"]),
            ("user[password]=x;pin: 1234", vec!["x", "1234"]),
            ("keyword=x&page=2&status: 3", vec![]),
            ("password=[hidden] token=true", vec![]),
            ("password", vec![]),
            ("password='hunt'er2' OR '1'='1", vec!["hunt'er2"]),
            ("password=hunt'er2' OR 1=1", vec!["hunt'er2"]),
            ("x<a><wsse:Password a='b'>x7</wsse:Password>", vec![" a='b'>x7"]),
            ("x<password>x7</password><b>", vec!["x7"]),
            ("x<password>x7' OR", vec!["x7' OR"]),
            ("x<password/><b>", vec![]),
            ("x<pin a='1<2' name='pin'>12</pin>", vec![" a='1<2' name='pin'>12"]),
            ("x<f a='<' name='otp'>12</f>", vec!["' name='otp'>12"]),
            ("x<f name='pin'>12</f>", vec![" name='pin'>12"]),
            ("auth: {user: [\"x\"]}, a: 1", vec!["{user: [\"x\"]}"]),
            ("auth: {user: [\"x\"}, a: 1", vec!["{user: [\"x\"}, a: 1"]),
            ("pass=\"unclosed", vec!["unclosed"]),
            ("&lt;wsse:Password a='b'>x &LT;/wsse:Password", vec![]),
            (
                "%3Cauth:Password \\u003cauth:Password \\x3Cauth:Password &#x3C;auth:Password",
                vec![],
            ),
            ("auth:x %auth:y", vec!["x", "y"]),
            ("form-data; name=\"pin\"\r\n\r\n12 34\r\n--b", vec!["12 34"]),
        ] {
            let mut all = Vec::new();
            each(text.as_bytes(), &mut |range| all.push(text.get(range).unwrap()));
            assert_eq!(all, secrets, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in "([a-z]{0,3}|[=:@\"'\\\\ &]|password|//){0,30}") {
            each(text.as_bytes(), &mut |range| assert!(text.get(range).is_some()));
        }
    }
}
