//! Markup that runs scripts: elements, event handlers, script URLs in attributes. Tags open as in the HTML
//! standard (13.2.5.6); a prefix before the name makes it another kind of XML, not HTML.

mod names;

use std::ops::Range;

use api_sessions_values::{Place, View, is_space, is_word};
use names::{EVENTS, URL_ATTRIBUTES};

use crate::limits::MAX_TAG_BYTES;

/// Range of the first markup that runs something.
pub fn find(view: &View<'_>) -> Option<Range<usize>> {
    if view.place == Place::Raw {
        return None;
    }
    scheme(view, 0)
        .then(|| 0..view.low.len().min(48))
        .or_else(|| tags(view))
        .or_else(|| broken_out(view))
        .or_else(|| style(view))
}

fn tags(view: &View<'_>) -> Option<Range<usize>> {
    for at in view.each(b'<') {
        // In Markdown code, a tag is only shown.
        let is_shown = at > 0 && view.at(at - 1) == b'`' || is_fenced(view);
        if !is_shown && tag(view, at) {
            return Some(at..(at + 48).min(view.low.len()));
        }
    }
    None
}

/// Whether it is prose with Markdown code.
fn is_fenced(view: &View<'_>) -> bool {
    view.is_prose()
        && view.low.len() < 65536
        && matches!(view.place, Place::Text | Place::Whole)
        && {
            view.spend(view.low.len() / 16);
            view.find(b"```").is_some()
        }
}

fn tag(view: &View<'_>, at: usize) -> bool {
    let mut start = at + 1;
    // Bypasses of filters that remove what they know only once: `<scr<script>ipt>`, `<%00script`, `</script`.
    while matches!(view.at(start), b'/' | 0x01..=0x1F | b' ' | b'<' | b'%')
        && start < at + 6
        && start < view.low.len()
    {
        start += 1;
    }
    let gap = start > at + 1;
    let window = view.window(start, 24);
    let length = window
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        .count();
    view.spend(length + 1);
    let name = &window[..length];
    if name.is_empty() {
        // `<!--><script`, `<?xml:namespace` and `<![CDATA[` have no name.
        return view.starts(at, b"<!--[if")
            || view.starts(at, b"<?import")
            || view.starts(at, b"<%=%22");
    }
    let next = view.at(start + length);
    if next == b':' {
        // An XML prefix for elements of HTML.
        return view.starts(start + length + 1, b"script")
            && (view.find_within(start, 200, b"xhtml").is_some() || view.place != Place::Text);
    }
    let ends = matches!(next, 0 | b'>' | b'/' | b'<' | b'\'' | b'"' | b'+' | b'%')
        || is_space(next)
        || next == b'\\';
    let is_closing = view.at(at + 1) == b'/';
    if name == b"script" && ends {
        // `</script>` closes the script around the value.
        if is_closing {
            return !view.is_prose()
                && (!matches!(view.place, Place::Text | Place::Whole)
                    || view.find_within(start, 64, b"<").is_some());
        }
        return !gap || view.at(at + 1) != b' ' || !view.is_prose();
    }
    if !name[0].is_ascii_alphabetic() || !ends && next != b'=' {
        return false;
    }
    if (view.at(at + 1) == b' ' || view.at(at + 1) == b'%')
        && next != b'/'
        && !name.starts_with(b"img")
    {
        return false;
    }
    let behind = view.window(start + length, 200);
    let has = |text: &[u8]| memchr::memmem::find(behind, text).is_some();
    let loads = match name {
        b"iframe" | b"frame" => {
            has(b"srcdoc")
                || has(b"javascript:")
                || has(b"data:")
                || (!has(b"https://") && !has(b"\"//")
                    || !matches!(view.place, Place::Text | Place::Whole))
                    && !is_closing
                    && !view.is_prose()
        }
        b"meta" => {
            has(b"http-equiv")
                && (has(b"refresh") || has(b"utf-7") || has(b"set-cookie") || has(b"link"))
                || has(b"charset") && (has(b"utf7") || has(b"utf-7"))
                || has(b"content-security") && !view.is_prose()
        }
        b"object" | b"embed" | b"applet" => {
            has(b"data=")
                || has(b"src=")
                || has(b"code=")
                || has(b"classid")
                || has(b"allowscriptaccess")
        }
        b"base" => has(b"href"),
        // The elements of another document.
        b"use" => has(b"href") && (has(b"data:") || has(b"//") && !view.is_prose()),
        b"link" => {
            has(b"rel=")
                && (has(b"import") || has(b"stylesheet"))
                && (!matches!(view.place, Place::Text | Place::Whole)
                    || at == 0 && view.low.len() < 128)
        }
        b"style" => {
            has(b"@import")
                || has(b"expression(")
                || has(b"-moz-binding")
                || has(b"javascript:")
                || has(b"onload")
                || has(b"@keyframes") && has(b"on")
        }
        b"xml" => has(b"src=") || has(b"id=") && has(b"cdata"),
        b"marquee" | b"html" | b"img" | b"body" => has(b"javascript:"),
        b"isindex" | b"bgsound" | b"xss" | b"layer" | b"frameset" | b"portal" | b"py-script" => {
            true
        }
        _ => false,
    };
    loads || closes_attribute(view, at) || attributes(view, start + length)
}

/// `"><h1`, `'/><a`: the value begins with the end of the attribute around it.
fn closes_attribute(view: &View<'_>, at: usize) -> bool {
    let head = &view.low[..at.min(12)];
    let quotes = head.iter().filter(|byte| matches!(byte, b'"' | b'\'' | b'`')).count();
    at <= 8
        && (1..=3).contains(&quotes)
        && head.contains(&b'>')
        && head.iter().all(|byte| {
            matches!(byte, b'"' | b'\'' | b'`' | b'>' | b'/' | b')' | b';' | b'-' | b' ')
        })
}

/// Whether the attributes from `start` on contain event handlers or scripts.
fn attributes(view: &View<'_>, start: usize) -> bool {
    let window = view.window(start, MAX_TAG_BYTES);
    let mut at = 0;
    let mut is_start = false;
    while at < window.len() {
        let byte = window[at];
        if byte == b'>' && !is_start && at > 0 {
            break;
        }
        let opens = is_space(byte)
            || matches!(
                byte,
                b'/' | b'"' | b'\'' | b'`' | b'<' | b'>' | 0 | b'+' | b'%' | b'\\' | 0x01..=0x1F
            );
        if is_start && !opens {
            let (name, behind) = attribute(window, at);
            if let Some(value) = equals(window, behind) {
                view.spend(value + 4 - at);
                if is_handler(name) && has_script(&window[value..])
                    || URL_ATTRIBUTES.contains(&name)
                        && (scheme(view, start + value)
                            || scheme(view, start + value + 1)
                            || name == b"srcdoc")
                    || name == b"values"
                        && memchr::memmem::find(
                            &window[value..(value + 100).min(window.len())],
                            b"javascript:",
                        )
                        .is_some()
                    || name == b"content"
                        && memchr::memmem::find(
                            &window[value..(value + 100).min(window.len())],
                            b"javascript:",
                        )
                        .is_some()
                    || matches!(name, b"datasrc" | b"dataformatas")
                    || name == b"style" && is_style(&window[value..])
                    || name == b"attributename"
                        && window[value..]
                            .iter()
                            .take(8)
                            .find(|byte| !matches!(byte, b'"' | b'\'' | b' '))
                            .is_some_and(|first| matches!(first, b'o' | b'x' | b'h'))
                {
                    return true;
                }
                at = value;
                is_start = false;
                continue;
            }
            at = behind.max(at + 1);
            is_start = false;
            continue;
        }
        is_start = opens;
        at += 1;
    }
    view.spend(at);
    false
}

/// The name of an attribute and the index after it.
fn attribute(window: &[u8], at: usize) -> (&[u8], usize) {
    let length = window[at..]
        .iter()
        .take(32)
        .take_while(|byte| is_word(**byte) || matches!(byte, b':' | b'-'))
        .count();
    (&window[at..at + length], at + length)
}

/// Index after the `=`, which blanks and control characters may surround.
fn equals(window: &[u8], at: usize) -> Option<usize> {
    let blank = |byte: &u8| *byte <= b' ';
    let at = at + window[at..].iter().take(16).take_while(|byte| blank(byte)).count();
    (window.get(at) == Some(&b'=')).then_some(())?;
    let at = at + 1;
    Some(at + window[at..].iter().take(16).take_while(|byte| blank(byte)).count())
}

fn is_handler(name: &[u8]) -> bool {
    name.len() > 4
        && name.starts_with(b"on")
        && name[2..].iter().all(|byte| byte.is_ascii_alphanumeric())
        || name.starts_with(b"fscommand")
        || name.starts_with(b"seeksegmenttime")
}

/// Whether a value may be a statement.
fn has_script(value: &[u8]) -> bool {
    let window = &value[..value.len().min(200)];
    let end = window
        .iter()
        .position(|byte| *byte == b'>')
        .unwrap_or(window.len())
        .max(1)
        .min(window.len());
    const CALLED: &[&[u8]] = &[b"alert", b"confirm", b"prompt", b"eval"];
    window.first().is_some_and(u8::is_ascii_digit)
        || CALLED.iter().any(|name| window.starts_with(name))
        || window[..end]
            .iter()
            .any(|byte| matches!(byte, b'(' | b'=' | b'.' | b'`' | b'\\' | b'&' | b'+'))
}

/// Whether `javascript:`, `vbscript:` or `data:text/html` is at an index, with any control characters and
/// blanks in it.
fn scheme(view: &View<'_>, at: usize) -> bool {
    let mut buffer = [0; 20];
    let mut length = 0;
    for byte in view.window(at, 60) {
        if length == buffer.len() {
            break;
        }
        if *byte > b' '
            && *byte < 0x7F
            && !(length == 0 && matches!(byte, b'"' | b'\'' | b'`' | b'='))
        {
            buffer[length] = *byte;
            length += 1;
        }
    }
    view.spend(20);
    let text = &buffer[..length];
    text.starts_with(b"javascript:") && (at > 0 || is_run(view))
        || text.starts_with(b"vbscript:")
        || text.starts_with(b"livescript:")
        || text.starts_with(b"data:text/html")
        || text.starts_with(b"data:image/svg+xml") && view.find_within(at, 200, b"script").is_some()
        || text.starts_with(b"data:application/x") && view.place != Place::Text
        || text.starts_with(b"feed:javascript")
        || text.starts_with(b"mocha:")
}

/// Whether the URL does something, unlike `javascript:void(0)`.
fn is_run(view: &View<'_>) -> bool {
    let statement = view.window(0, 120);
    statement
        .iter()
        .skip(11)
        .any(|byte| matches!(byte, b'(' | b'=' | b'`' | b'/' | b'%' | b'[' | b'+'))
        && !view.starts(0, b"javascript:void(0)")
        && !(view.is_prose() && view.at(11) == b' ')
}

/// Finds `onload=…` in an argument with its value.
pub fn handler(view: &View<'_>) -> Option<Range<usize>> {
    broken_out(view)
}

/// A handler after the end of an attribute value, or in a tag that opens before the value.
fn broken_out(view: &View<'_>) -> Option<Range<usize>> {
    if let Some(at) = assigned(view) {
        return Some(at..(at + 48).min(view.low.len()));
    }
    for at in memchr::memmem::find_iter(view.low, b"on") {
        if view.is_spent() {
            return None;
        }
        if at > 0
            && !(is_space(view.at(at - 1))
                || matches!(view.at(at - 1), b'"' | b'\'' | b'/' | b'`' | b'>' | b';' | 0 | b'+'))
        {
            continue;
        }
        let window = view.window(at, 400);
        let (name, behind) = attribute(window, 0);
        view.spend(name.len() + 1);
        if !is_handler(name) || !EVENTS.iter().any(|event| name[2..].starts_with(event)) {
            continue;
        }
        if let Some(value) = equals(window, behind) {
            let before = view.before_blanks(at);
            // `onclick="…"` in prose and code is inside a tag and breaks out of nothing.
            let breaks = at == 0
                || view.low[before.saturating_sub(40)..at]
                    .iter()
                    .any(|byte| matches!(byte, b'"' | b'\'' | b'`' | b'>'));
            let run = has_call(&window[value..]);
            if (breaks || !matches!(view.place, Place::Text | Place::Whole))
                && run
                && !view.is_prose()
            {
                return Some(at..(at + 48).min(view.low.len()));
            }
        }
    }
    None
}

/// `href="javascript:…"`, `src=vbscript:…` without its tag.
fn assigned(view: &View<'_>) -> Option<usize> {
    memchr::memmem::find_iter(view.low, b"script:").take(8).find_map(|at| {
        let word = view.word_before(at);
        let start = at - word.len();
        let before = view.before_blanks(start);
        let quoted = before > 0 && matches!(view.at(before - 1), b'"' | b'\'' | b'`');
        let equals = if quoted { view.before_blanks(before - 1) } else { before };
        let is_assigned = equals > 1
            && view.at(equals - 1) == b'='
            && URL_ATTRIBUTES.contains(&view.word_before(equals - 1));
        let is_script = matches!(word, b"java" | b"vb" | b"live");
        (is_assigned && is_script && !view.is_prose() && has_call(view.window(at + 7, 100)))
            .then_some(start)
    })
}

fn has_call(value: &[u8]) -> bool {
    value[..value.len().min(200)].iter().any(|byte| matches!(byte, b'(' | b'`' | b'=' | b'\\'))
}

/// Style sheets that run scripts.
fn style(view: &View<'_>) -> Option<Range<usize>> {
    if matches!(view.place, Place::Text | Place::Whole) && view.is_prose() {
        return None;
    }
    let at = view
        .find(b"expression(")
        .or_else(|| view.find(b"-moz-binding"))
        .or_else(|| view.find(b"behavior:url("))?;
    let before = &view.low[at.saturating_sub(40)..at];
    let is_style = view.low[at..].starts_with(b"-moz")
        || view.low[at..].starts_with(b"beh")
        || memchr::memchr(b':', before).is_some();
    (is_style || at == 0).then(|| at..at + 12)
}

fn is_style(value: &[u8]) -> bool {
    let window = &value[..value.len().min(300)];
    let has = |text: &[u8]| memchr::memmem::find(window, text).is_some();
    has(b"expression") && has(b"(")
        || has(b".js)")
        || has(b"javascript:")
        || has(b"-moz-binding")
        || has(b"behavio")
        || has(b"binding:")
        || has(b"expre/")
}
