//! Secrets in free text, by the name before them: `password=x`, `"token": "x"`, `Authorization: Bearer x`, and
//! `https://user:password@host`.

use std::ops::Range;

use super::cuts::HASH_START;
use super::names::{Class, class};
use super::plain::is_void;
use crate::secrets::HIDDEN;

/// Longest name that is looked for.
const MAX_NAME_BYTES: usize = 64;
/// Names of authentication schemes: the secret is behind them (RFC 9110, 11.6).
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

/// Hands out the places of such values, in order.
pub(crate) fn each(text: &[u8], found: &mut dyn FnMut(Range<usize>)) {
    let mut from = 0;
    while let Some(at) = text.get(from..).and_then(|rest| memchr::memchr3(b'=', b':', b'@', rest)) {
        let at = from + at;
        from = at + 1;
        if text.get(at) == Some(&b'@') {
            if let Some(password) = password_before(text, at) {
                found(password);
            }
            continue;
        }
        let Some(name) = name_before(text, at) else { continue };
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

/// The name that ends before an equals sign or a colon, in quotes or not.
fn name_before(text: &[u8], end: usize) -> Option<Range<usize>> {
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.[]".contains(byte) || *byte >= 0x80;
    let is_around = |byte: &u8| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'\\' | b'`' | b')');
    let start = end.saturating_sub(MAX_NAME_BYTES);
    let before = text.get(start..end)?;
    let around = before.iter().rev().take_while(|byte| is_around(byte)).count();
    let before = before.get(..before.len() - around)?;
    let len = before.iter().rev().take_while(|byte| is_name(byte)).count();
    let end = start + before.len();
    (len > 0).then_some(end - len..end)
}

/// The value that begins behind it: what is in quotes, or up to where it can no longer go on.
fn value_behind(text: &[u8], from: usize) -> Range<usize> {
    let at = |at: usize| text.get(at).copied();
    let mut start = from;
    while matches!(at(start), Some(b' ' | b'\t' | b'=' | b'>' | b'~' | b':')) {
        start += 1;
    }
    // `\"` of a string in a string.
    let escape = usize::from(at(start) == Some(b'\\'));
    if let Some(quote @ (b'"' | b'\'' | b'`')) = at(start + escape) {
        let start = start + escape + 1;
        let mut end = start;
        while let Some(byte) = at(end) {
            match byte {
                b'\\' if escape == 1 && at(end + 1) == Some(quote) => break,
                b'\\' => end += 1,
                byte if byte == quote => break,
                _ => {}
            }
            end += 1;
        }
        return start..end.min(text.len());
    }
    let is_end = |byte: u8| byte.is_ascii_whitespace() || b"&;,\"'`<>(){}[]|\\".contains(&byte);
    let word = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        from + rest.iter().take_while(|byte| !is_end(**byte)).count()
    };
    let end = word(start);
    let first = text.get(start..end).unwrap_or_default();
    if at(end) == Some(b' ') && SCHEMES.iter().any(|scheme| first.eq_ignore_ascii_case(scheme)) {
        return end + 1..word(end + 1);
    }
    start..end
}

/// The content of a multipart field whose name, in quotes, is behind `name=`: what follows the empty line, up to
/// the next delimiter.
fn field_behind(text: &[u8], at: usize) -> Option<Range<usize>> {
    const MAX_HEAD_BYTES: usize = 512;
    let quoted = text.get(at..)?.strip_prefix(b"\"")?;
    let name =
        quoted.get(..memchr::memchr(b'"', quoted.get(..MAX_NAME_BYTES).unwrap_or(quoted))?)?;
    if class(name) != Class::Secret {
        return None;
    }
    let head = quoted.get(..MAX_HEAD_BYTES).unwrap_or(quoted);
    let content = at + 1 + memchr::memmem::find(head, b"\r\n\r\n")? + 4;
    let rest = text.get(content..)?;
    let len = memchr::memmem::find(rest, b"\r\n--").unwrap_or(rest.len());
    (len > 0).then_some(content..content + len)
}

/// What is between the colon and the `@` of `//user:password@`.
fn password_before(text: &[u8], at: usize) -> Option<Range<usize>> {
    const MAX_BYTES: usize = 256;
    let start = at.saturating_sub(MAX_BYTES);
    let before = text.get(start..at)?;
    let authority = memchr::memmem::rfind(before, b"//")? + 2;
    let user = before.get(authority..)?;
    if user
        .iter()
        .any(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'?' | b'#' | b'"' | b'<'))
    {
        return None;
    }
    let colon = memchr::memchr(b':', user)?;
    let password = start + authority + colon + 1;
    (password < at).then_some(password..at)
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
            ("https://bob:hunter2@host/x", vec!["hunter2"]),
            ("' AND password='abc' --", vec!["abc"]),
            ("user[password]=x;pin: 1234", vec!["x", "1234"]),
            ("keyword=x&page=2&status: 3", vec![]),
            ("password=[hidden] token=true", vec![]),
            ("password", vec![]),
            ("https://host/a@b", vec![]),
            ("pass=\"unclosed", vec!["unclosed"]),
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
