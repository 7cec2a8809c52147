//! LDAP filters (RFC 4515): text that closes the filter around a value and continues it, and whole filters.

use std::ops::Range;

use api_sessions_values::View;

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    if let Some(at) = extensible(view) {
        return Some(at);
    }
    let is_sign =
        |byte: &u8| matches!(byte, b'*' | b'(' | b')' | b'|' | b'&' | b'!' | b'\'' | b'"' | b'%');
    if view.low.len() >= 4
        && view.low.iter().all(is_sign)
        && view.low.contains(&b'(')
        && view.low.contains(&b')')
        && view.low.iter().any(|byte| matches!(byte, b'|' | b'&'))
    {
        return Some(0..view.low.len().min(32));
    }
    if let Some(at) = signs(view) {
        return Some(at);
    }
    // Escaped as in RFC 4515, for servers that unescape before they build a filter.
    if let Some(at) = view.find(b"\\29\\28").or_else(|| view.find(b"\\2a\\29")) {
        return Some(at..at + 6);
    }
    let mut open = 0_usize;
    let mut starred = false;
    for (at, byte) in view.low.iter().enumerate() {
        match byte {
            b'*' => starred = true,
            b'(' => {
                if is_group(view, at) {
                    return Some(at..(at + 32).min(view.low.len()));
                }
                open += 1;
            }
            b')' if open > 0 => open -= 1,
            b')' => {
                if view.is_spent() {
                    return None;
                }
                if goes_on(view, at + 1, starred) {
                    return Some(at..(at + 32).min(view.low.len()));
                }
            }
            _ => {}
        }
    }
    None
}

/// A value of nothing but wildcards and parentheses that do not match (`*)*`), or of nothing but signs of a filter,
/// escaped as in RFC 4515 (`\\2a`, `\\28\\29`).
fn signs(view: &View<'_>) -> Option<Range<usize>> {
    const MAX_BYTES: usize = 48;
    const ESCAPES: &[&[u8]] = &[b"\\00", b"\\28", b"\\29", b"\\2a", b"\\5c", b"\\26", b"\\7c"];
    if view.low.len() < 3 || view.low.len() > MAX_BYTES {
        return None;
    }
    view.spend(view.low.len());
    let count = |byte: u8| view.low.iter().filter(|own| **own == byte).count();
    let is_open = count(b'*') > 0 && count(b'(') != count(b')');
    let is_sign = |byte: &u8| matches!(byte, b'*' | b'(' | b')' | b'|' | b'&' | b'!' | 0);
    let found = is_open && view.low.iter().all(is_sign)
        || view.low.len().is_multiple_of(3)
            && view.low.chunks(3).all(|escape| ESCAPES.contains(&escape));
    found.then_some(0..view.low.len())
}

/// `(&(attr=`, `(|(attr=`, `(!(attr=`.
fn is_group(view: &View<'_>, at: usize) -> bool {
    let operator = view.behind_blanks(at + 1);
    if !matches!(view.at(operator), b'&' | b'|' | b'!')
        || view.at(operator + 1) == view.at(operator)
    {
        return false;
    }
    let mut next = view.behind_blanks(operator + 1);
    for _ in 0..4 {
        match view.at(next) {
            b'(' => match view.at(next + 1) {
                b'&' | b'|' | b'!' => next += 2,
                _ => return condition(view, next + 1),
            },
            _ => break,
        }
    }
    false
}

/// Whether a filter continues after a parenthesis that closes none of this value.
fn goes_on(view: &View<'_>, at: usize, starred: bool) -> bool {
    let mut next = at;
    let mut opened = false;
    while next < at + 12 {
        match view.at(next) {
            b'(' => opened = true,
            b')' | b'&' | b'|' | b'!' | b' ' | b'*' => {}
            _ => break,
        }
        next += 1;
    }
    view.spend(next - at + 1);
    if opened {
        let group = view.low[at..next].iter().any(|byte| matches!(byte, b'&' | b'|' | b'!'));
        // `)(!(&(1=0`
        let is_constant = group && view.at(next).is_ascii_digit() && view.at(next + 1) == b'=';
        if is_constant && view.at(next + 2).is_ascii_digit() {
            return true;
        }
        let is_end = matches!(view.at(next), 0 | b'\'' | b'%') || next >= view.low.len();
        return condition(view, next) || group && is_end;
    }
    // `*))%00`: cuts off the rest of the filter.
    starred
        && (next >= view.low.len() || view.at(next) == 0)
        && view.low[at..next].iter().any(|byte| matches!(byte, b')' | b'|' | b'&'))
}

/// `attr=`, `attr>=`, `attr~=`, `attr:rule:=`, not followed by another `=`.
fn condition(view: &View<'_>, at: usize) -> bool {
    let window = view.window(at, 48);
    let length = window
        .iter()
        .take_while(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b';' | b'.' | b':' | b'_')
        })
        .count();
    view.spend(length + 1);
    if length == 0 || !window[0].is_ascii_alphabetic() {
        return false;
    }
    match (view.at(at + length), view.at(at + length + 1)) {
        (b'=', next) => next != b'=' && next != b'>' && next != b' ',
        (b'~' | b'<' | b'>', b'=') => true,
        _ => false,
    }
}

/// `userPassword:2.5.13.18:=123`: a matching rule by its OID.
fn extensible(view: &View<'_>) -> Option<Range<usize>> {
    let at = view.find(b":=")?;
    let from = at.saturating_sub(40);
    let rule = memchr::memrchr(b':', &view.low[from..at])? + from;
    let oid = &view.low[rule + 1..at];
    let is_oid = oid.len() > 4 && oid.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    (is_oid || oid == b"dn" && view.mask.has(api_sessions_values::Mask::PAREN))
        .then(|| rule..at + 2)
}
