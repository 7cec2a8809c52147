//! Document types and entities that make an XML parser read other resources.

use std::ops::Range;

use api_sessions_values::{Place, View};

/// Maximum length of a declaration that is read, bytes.
const WINDOW: usize = 512;

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    // The rest of a declaration: `SYSTEM "file:///etc/passwd"`.
    if view.starts(0, b"system \"") || view.starts(0, b"system '") {
        let is_scheme = view.window(8, 32).windows(3).any(|three| three == b"://");
        return is_scheme.then_some(0..8);
    }
    let has_schema = view.find(b"schemalocation").is_some();
    view.each(b'<').find_map(|at| {
        if !(has_schema || matches!(view.at(at + 1), b'!' | b'?' | b'x')) {
            return None;
        }
        let found = if view.starts(at, b"<!doctype") {
            doctype(view, at)
        } else if view.starts(at, b"<!entity") {
            entity(view, at)
        } else {
            view.starts(at, b"<xi:include")
                || view.starts(at, b"<xinclude:include")
                || has_schema && is_schema(view, at)
                || is_declaration(view, at)
                || (view.starts(at, b"<?xml") && view.find_within(at, 80, b"utf-7").is_some())
                || (view.starts(at, b"<?xml-stylesheet")
                    && view.find_within(at, 200, b"href").is_some()
                    && matches!(view.place, Place::Raw))
                || (view.starts(at, b"<xsl:") && view.find_within(at, 300, b"document(").is_some())
                || (view.starts(at, b"<xsl:")
                    && view.find_within(at, 300, b"system-property(").is_some())
        };
        found.then(|| at..(at + 48).min(view.low.len()))
    })
}

/// Whether an element, attribute list or notation is declared in a value where no document type is expected.
fn is_declaration(view: &View<'_>, at: usize) -> bool {
    (view.starts(at, b"<!element ")
        || view.starts(at, b"<!attlist ")
        || view.starts(at, b"<!notation "))
        && !view.is_prose()
        && view.place != Place::Raw
}

/// Whether a schema is fetched from an IP address, the server itself or an explicit port.
fn is_schema(view: &View<'_>, at: usize) -> bool {
    let tag = view.window(at, WINDOW);
    view.spend(tag.len());
    let tag = &tag[..memchr::memchr(b'>', tag).unwrap_or(tag.len())];
    let Some(found) = memchr::memmem::find(tag, b"schemalocation") else { return false };
    memchr::memmem::find_iter(&tag[found..], b"://").any(|slashes| {
        let host = &tag[found + slashes + 3..];
        let len =
            host.iter().take_while(|byte| !matches!(byte, b'/' | b'"' | b'\'' | b' ')).count();
        let host = &host[..len];
        host.starts_with(b"localhost")
            || memchr::memchr(b':', host).is_some()
            || !host.is_empty() && host.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
    })
}

/// Whether a document type is external and not a well-known one, or declares entities.
fn doctype(view: &View<'_>, at: usize) -> bool {
    let window = view.window(at, WINDOW);
    view.spend(window.len());
    let end = window.iter().position(|byte| matches!(byte, b'>' | b'[')).unwrap_or(window.len());
    let head = &window[..end];
    let has = |text: &[u8]| memchr::memmem::find(head, text).is_some();
    let is_known = [
        &b"w3c"[..],
        b"w3.org",
        b"ietf",
        b"java.sun.com",
        b"apple",
        b"oasis-open",
        b"wapforum",
        b"mybatis",
        b"hibernate",
    ]
    .iter()
    .any(|owner| has(owner))
        || has(b"html") && !has(b"://");
    if (has(b" system") || has(b" public") || has(b"\tsystem") || has(b"\nsystem")) && !is_known {
        return has(b"\"") || has(b"'");
    }
    // An internal subset in a body that is parsed.
    let inner = &window[end..];
    // The whole value, cut off after the bracket.
    if inner.trim_ascii() == b"[" && at <= 64 && !view.is_prose() {
        return true;
    }
    inner.first() == Some(&b'[')
        && memchr::memmem::find(inner, b"<!").is_some()
        && (matches!(view.place, Place::Raw | Place::Whole)
            || memchr::memmem::find(inner, b"<!entity").is_some())
}

fn entity(view: &View<'_>, at: usize) -> bool {
    let window = view.window(at, 256);
    view.spend(window.len());
    let end = memchr::memchr(b'>', window).unwrap_or(window.len());
    let head = &window[..end];
    let has = |text: &[u8]| memchr::memmem::find(head, text).is_some();
    has(b"system") || has(b"public") || has(b"%") || matches!(view.place, Place::Raw | Place::Whole)
        // An entity made of other entities.
        || has(b"&") && !has(b"&#")
}
