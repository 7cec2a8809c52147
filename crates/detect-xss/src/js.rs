//! JavaScript without markup: text that closes a string of a script and makes a call, and calls that make
//! sense only in a page.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use api_sessions_values::{Place, View, is_word};

/// Functions and properties that show, send or run something in a page.
const SINKS: &[&str] = &[
    "alert",
    "prompt",
    "confirm",
    "eval",
    "settimeout",
    "setinterval",
    "document.write",
    "document.cookie",
    "document.domain",
    "document.location",
    "window.location",
    "location.href",
    "location=",
    "location.replace",
    "fromcharcode",
    "atob",
    "innerhtml",
    "createelement('script",
    "createelement(\"script",
    "document.body.append",
    "constructor.constructor",
    "document[",
    "window[",
    "self[",
    "top[",
    "this[",
    "globalthis[",
    "parent[",
    "frames[",
    "import(",
    "fetch(",
    "new function",
    "function(",
    "constructor(",
    "setimmediate",
    "execscript",
    "print(",
    "document.forms",
    "xmlhttprequest",
    "window.open",
    "window.name",
    "importscripts",
    "localstorage",
    "sessionstorage",
    "onerror=",
    "throw",
];

static WORDS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(SINKS).ok());

/// Builds the table, so that no request waits for it.
pub fn prepare() {
    LazyLock::force(&WORDS);
}

/// Range of the first JavaScript that makes sense only in a page.
pub fn find(view: &View<'_>) -> Option<Range<usize>> {
    if view.place == Place::Raw || view.is_prose() {
        return None;
    }
    let words = WORDS.as_ref()?;
    let is_text = matches!(view.place, Place::Text | Place::Whole);
    if is_text && memchr::memchr_iter(b'\n', view.low).take(4).count() >= 3 {
        // Code that people paste.
        return None;
    }
    let breaks = breaks_out(view);
    let found = obscured(view).or_else(|| by_name(view)).or_else(|| written(view, breaks, is_text));
    if let Some(at) = found {
        return Some(at);
    }
    words.find_iter(view.low).take_while(|_| !view.is_spent()).find_map(|found| {
        view.spend(4);
        let (at, end) = (found.start(), found.end());
        if at > 0 && is_word(view.at(at - 1)) && is_word(view.at(at)) {
            return None;
        }
        // An XML attribute: `Location="https://…"`.
        let head = &view.low[at.saturating_sub(512)..at];
        view.spend(head.len() / 16);
        if memchr::memrchr2(b'<', b'>', head).is_some_and(|open| head[open] == b'<')
            && SINKS[found.pattern().as_usize()] == "location="
        {
            return None;
        }
        is_run(view, SINKS[found.pattern().as_usize()], at, end, breaks, is_text).then_some(at..end)
    })
}

/// JavaScript written only with `[]()!+`.
fn obscured(view: &View<'_>) -> Option<Range<usize>> {
    let at = view.find(b"![]+").or_else(|| view.find(b"[]+[]"))?;
    let window = view.window(at.saturating_sub(24), 64);
    let signs = window
        .iter()
        .filter(|byte| matches!(byte, b'[' | b']' | b'(' | b')' | b'!' | b'+'))
        .count();
    (window.len() >= 24 && signs * 8 >= window.len() * 7).then_some(at..at + 4)
}

/// `x['alert'](1)`: a function of the page by its name in a string.
fn by_name(view: &View<'_>) -> Option<Range<usize>> {
    const FUNCTIONS: &[&[u8]] = &[
        b"alert",
        b"confirm",
        b"eval",
        b"execscript",
        b"fetch",
        b"function",
        b"import",
        b"prompt",
    ];
    view.each(b'[').take(32).find_map(|open| {
        let quote = view.at(open + 1);
        let name = view.word(open + 2);
        let end = open + 2 + name.len();
        let is_name = matches!(quote, b'\'' | b'"' | b'`') && FUNCTIONS.contains(&name);
        let closes = view.at(end) == quote && view.at(end + 1) == b']';
        let call = view.behind_blanks(end + 2);
        (is_name && closes && matches!(view.at(call), b'(' | b'`')).then_some(open..call + 1)
    })
}

/// `document.title=`: sets a property of the page.
fn written(view: &View<'_>, breaks: bool, is_text: bool) -> Option<Range<usize>> {
    memchr::memmem::find_iter(view.low, b"document.").take(8).find_map(|at| {
        let end = at + 9 + view.word(at + 9).len();
        let equals = view.behind_blanks(end);
        let sets = view.at(equals) == b'=' && view.at(equals + 1) != b'=' && end > at + 9;
        let begins = at == 0 || !is_word(view.at(at - 1)) && view.at(at - 1) != b'.';
        (sets && begins && (breaks || !is_text)).then_some(at..end)
    })
}

/// Whether the value begins with the end of a string, block or comment of a script.
fn breaks_out(view: &View<'_>) -> bool {
    let head = view.window(0, 48);
    let quotes = head.iter().position(|byte| matches!(byte, b'\'' | b'"' | b'`'));
    quotes.is_some_and(|at| {
        let next = view.behind_blanks(at + 1);
        matches!(
            view.at(next),
            b';' | b'+'
                | b'-'
                | b')'
                | b'}'
                | b'*'
                | b'/'
                | b'^'
                | b'|'
                | b'&'
                | b','
                | b'%'
                | b'.'
                | b'['
                | b']'
                | b'?'
                | b'<'
                | b'>'
                | b'='
                | b'\n'
        )
    }) || matches!(
        head.first(),
        Some(
            b';' | b')'
                | b'}'
                | b'-'
                | b'+'
                | b'*'
                | b'^'
                | b'|'
                | b','
                | b']'
                | b'/'
                | b'\\'
                | b'('
                | b'?'
        )
    )
}

/// `'a' + alert(1) + 'b'`: between two strings of the value.
fn joins_strings(view: &View<'_>, at: usize) -> bool {
    let before = view.before_blanks(at);
    view.low.len() <= 64
        && matches!(view.at(0), b'\'' | b'"')
        && before > 2
        && b"+-*/<>=&|^%(".contains(&view.at(before - 1))
        && !view.is_prose()
}

/// `a=alert;`: an alias for the function.
fn is_given(view: &View<'_>, at: usize, next: u8) -> bool {
    at > 1
        && matches!(next, b';' | b',' | b'}')
        && view.at(at - 1) == b'='
        && is_word(view.at(at - 2))
        && view.low.len() < 256
}

fn is_run(view: &View<'_>, word: &str, at: usize, end: usize, breaks: bool, is_text: bool) -> bool {
    let next = view.behind_blanks(end);
    let byte = view.at(next);
    let is_start = at == 0 || view.low[..at].iter().all(|byte| !byte.is_ascii_alphanumeric());
    match word {
        "alert" | "prompt" | "confirm" => {
            let handed = view.starts(next, b".call(")
                || view.starts(next, b".apply(")
                || view.starts(next, b"?.(");
            let called = handed
                || byte == b'('
                || byte == b'`'
                || view.starts(next, b".call")
                || view.starts(next, b".apply")
                || view.starts(next, b".bind")
                || view.starts(next, b"&lpar");
            let inner = view.behind_blanks(next + 1);
            let short = view.low.len() <= 64;
            let argument = view.window(inner, 40);
            let tell = argument.starts_with(b"document")
                || argument.starts_with(b"window")
                || argument.starts_with(b"location")
                || argument.starts_with(b"origin")
                || argument.starts_with(b"string.from")
                || argument.starts_with(b"/")
                || argument.starts_with(b"atob")
                || argument.first().is_some_and(u8::is_ascii_digit)
                || argument.starts_with(b"'xss")
                || argument.starts_with(b"\"xss")
                || argument.starts_with(b"`");
            called && (tell || handed || breaks || is_start && !is_text || byte == b'`' && short)
                || (breaks || view.at(0) == b'[')
                    && matches!(byte, b')' | b']' | b'(' | b',' | b'}')
                    && at > 0
                    && matches!(
                        view.at(view.before_blanks(at) - 1),
                        b'(' | b'[' | b'=' | b',' | b'{'
                    )
                || is_given(view, at, byte)
                || called && joins_strings(view, at)
                || at > 1 && byte == b'}' && view.starts(at - 2, b"${")
        }
        "eval" | "settimeout" | "setinterval" | "setimmediate" | "execscript" | "import("
        | "fetch(" | "new function" | "function(" | "constructor(" | "print(" | "importscripts"
        | "window.open" => {
            let called =
                word.ends_with('(') || matches!(byte, b'(' | b'`') || view.starts(next, b"?.(");
            let inner = view.window(next + usize::from(byte == b'('), 60);
            let has = |text: &[u8]| memchr::memmem::find(inner, text).is_some();
            called
                && (breaks && word != "function(" && (word != "print(" || view.at(0) != b'(')
                    || has(b"atob(")
                    || has(b"fromcharcode")
                    || has(b"alert")
                    || has(b"location.")
                    || has(b"document.cookie")
                    || has(b"name)") && word == "eval"
                    || has(b".slice(") && word == "eval"
                    || has(b"unescape("))
        }
        "document.cookie" | "document.domain" => {
            (breaks || !is_text)
                || view.low.len() < 200 && (at > 0 && matches!(view.at(at - 1), b'+' | b'(' | b'='))
        }
        "document.write"
        | "document.body.append"
        | "innerhtml"
        | "createelement('script"
        | "createelement(\"script"
        | "xmlhttprequest"
        | "document.forms"
        | "localstorage"
        | "sessionstorage" => {
            breaks
                || !is_text
                    && (matches!(byte, b'(' | b'=' | b'l' | b'.') || word.starts_with("create"))
        }
        "document.location" | "window.location" | "location.href" | "location="
        | "location.replace" | "window.name" => {
            let assigns =
                matches!(byte, b'=' | b'(') && view.at(next + 1) != b'=' || word.ends_with('=');
            let inner = view.window(next, 60);
            let has = |text: &[u8]| memchr::memmem::find(inner, text).is_some();
            assigns
                && (breaks
                    || has(b"javascript")
                    || has(b"cookie")
                    || has(b"name") && !is_text
                    || (!is_text || is_start && view.low.len() < 128) && word != "location="
                    || word == "location=" && (has(b"'http") || has(b"\"http")))
        }
        "fromcharcode" => {
            byte == b'(' && (breaks || !is_text || view.find_within(0, 128, b"eval").is_some())
        }
        "atob" => byte == b'(' && breaks,
        "constructor.constructor" => true,
        "document[" | "window[" | "self[" | "top[" | "this[" | "globalthis[" | "parent["
        | "frames[" => {
            matches!(byte, b'\'' | b'"' | b'`' | b'/' | b'0'..=b'9' | b'(' | b'[')
                && (view.find_within(next, 80, b"(").is_some()
                    || view.find_within(next, 10, b"cookie").is_some())
        }
        "onerror=" => {
            view.find_within(next, 24, b"alert").is_some()
                || view.find_within(next, 24, b"eval").is_some()
        }
        "throw" => view.find_within(0, 64, b"onerror").is_some(),
        _ => false,
    }
}
