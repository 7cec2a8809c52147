//! Expressions of template engines and expression languages; Log4j lookups.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use api_sessions_values::{Mask, View, is_space};

/// Maximum length of an expression that is read, bytes.
const WINDOW: usize = 400;

/// Opening and closing delimiters of expressions.
const DELIMITERS: &[(&[u8], &[u8])] = &[
    (b"{{", b"}}"),
    (b"${", b"}"),
    (b"#{", b"}"),
    (b"*{", b"}"),
    (b"@{", b"}"),
    (b"%{", b"}"),
    (b"~{", b"}"),
    (b"<%", b"%>"),
    (b"{%", b"%}"),
    (b"[[", b"]]"),
    (b"[#", b"]"),
    (b"[=", b"]"),
    (b"{", b"}"),
    (b"@(", b")"),
    (b"$(", b")"),
    (b"#set", b")"),
    (b"<#", b">"),
    (b"#(", b")"),
];

/// Words that do not occur in harmless expressions.
const DANGEROUS: &[&str] = &[
    "__class__",
    "__mro__",
    "__subclasses__",
    "__globals__",
    "__builtins__",
    "__import__",
    "__init__",
    "__base__",
    "__bases__",
    "__dict__",
    "__getattribute__",
    "__self__",
    ".constructor",
    "constructor.",
    "['constructor",
    "[\"constructor",
    "getruntime",
    "getclass",
    "forname(",
    "runtime",
    "processbuilder",
    "java.lang",
    "java.util",
    "java.io",
    "java.net",
    "javax.",
    "t(java",
    "_self.",
    "system.shell(",
    ".env.",
    "request.application",
    "|attr(",
    "lipsum",
    "cycler.",
    "joiner.",
    "self.",
    "url_for.",
    "get_flashed_messages",
    "config.items",
    "config.",
    "config[",
    "file.open",
    "file.read",
    "system(",
    "exec(",
    "popen",
    "passthru",
    "shell_exec",
    "phpinfo",
    "require(",
    "import os",
    "import(",
    "freemarker",
    "?new()",
    "?api",
    "#context",
    "#_memberaccess",
    "#rt",
    "@java",
    "ognl",
    "process.",
    "global.",
    "|filter(",
    "|map(",
    "|sort(",
    "|reduce(",
    "|attr",
    "dump(",
    "file_excerpt",
    "settings.secret",
    "applicationscope",
    "sessionscope",
    "requestscope",
    "pagecontext",
    "facescontext",
    "param.",
    "header.",
    "initparam",
    "cookie.",
    "classloader",
    "getmethod",
    "newinstance",
    "invoke(",
    "scriptengine",
    ".inspect",
    ".class",
    "smarty",
    "$smarty",
    "{php}",
    "include file",
    "$output",
    "dir.entries",
    "`",
    "eval(",
    "handler.settings",
    "request[",
    "request|",
    "request.",
    "namespace.",
    "print(",
    "debug",
    "alert(",
    "spawn",
    "child_process",
    "%x(",
    "%x|",
    "io.popen",
    "kernel.",
    "open(",
    "urlopen",
    ".concat(",
    "buildinfo",
    "{import",
    "_context",
    "undefined.",
    "session.",
    "server.",
    "system.",
    "#application",
    "#session",
    "#request",
    "#parameters",
    "springmacro",
    "assign ",
    "lookup(",
    "sleep",
    "this.",
    "id()",
    "environ",
    "tojson|",
    ".execute(",
    "getresource",
    "lower_abc",
    ".tourl(",
    "getbytes",
    "{% debug",
    "unescape",
];

static WORDS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(DANGEROUS).ok());

/// Builds the table, so that no request waits for it.
pub(crate) fn prepare() {
    LazyLock::force(&WORDS);
}

/// Words that are dangerous only between the delimiters of a template engine, if the value contains little
/// else.
const MILD: &[&str] = &[
    ".class",
    "param.",
    "header.",
    "cookie.",
    "request.",
    "session.",
    "server.",
    "system.",
    "print(",
    "debug",
    "open(",
    "config.",
    "self.",
    "this.",
    "`",
    "process.",
    "runtime",
    "global.",
    "sleep",
    "kernel.",
    "lookup(",
    "namespace.",
    "dump(",
    "?api",
    "environ",
    "assign ",
    "constructor.",
    ".concat(",
    "alert(",
    "unescape",
    "id()",
    "undefined.",
    ".env.",
];

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    if view.place == api_sessions_values::Place::Raw {
        return None;
    }
    let mut last_end = 0;
    for (at, _) in view.low.iter().enumerate().filter(|(_, byte)| {
        matches!(byte, b'{' | b'$' | b'#' | b'*' | b'@' | b'%' | b'~' | b'<' | b'[')
    }) {
        if view.is_spent() {
            return None;
        }
        if at < last_end {
            continue;
        }
        let Some((open, close)) = DELIMITERS.iter().find(|(open, _)| view.starts(at, open)) else {
            continue;
        };
        let inside = at + open.len();
        let window = view.window(inside, WINDOW);
        view.spend(window.len() + 16);
        let end = memchr::memmem::find(window, close).unwrap_or(window.len());
        // An expression with nested braces continues to the last of them.
        let body = &window[..if window.len() > end
            && *open != b"{"
            && memchr::memchr(b'{', &window[..end]).is_some()
        {
            window.len().min(end + 60)
        } else {
            end
        }];
        if is_attack(view, open, body) {
            return Some(at..(inside + body.len() + close.len()).min(view.low.len()));
        }
        last_end = at + open.len().min(1);
    }
    None
}

fn is_attack(view: &View<'_>, open: &[u8], body: &[u8]) -> bool {
    let single = open == b"{"
        || open == b"@("
        || open == b"$("
        || open == b"[["
        || open == b"[="
        || open == b"#(";
    if arithmetic(body) && (!single || body.len() < 24) && open != b"$(" {
        return !view.is_prose() || open != b"{";
    }
    if open == b"$(" || open == b"[[" {
        return false;
    }
    let trimmed = body.trim_ascii();
    if matches!(open, b"{{")
        && matches!(
            trimmed,
            b"config"
                | b"self"
                | b"request"
                | b"settings"
                | b"app"
                | b"g"
                | b"this"
                | b"constructor"
        )
        && view.low.len() <= 24
    {
        return true;
    }
    // Perl runs what stands there: `@{[system 'id']}`.
    if open == b"@{" && trimmed.starts_with(b"[") && !view.is_prose() {
        let list = trimmed[1..].trim_ascii_start();
        let is_call = list.iter().any(|byte| b"'\"(`".contains(byte));
        return is_call
            && list.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'(');
    }
    if open == b"[#" {
        return trimmed.starts_with(b"assign") && memchr::memchr(b'=', trimmed).is_some();
    }
    // A method call on a literal, which regular templates do not have.
    if matches!(open, b"{{" | b"${" | b"#{" | b"<%") && calls_literal(trimmed) && !view.is_prose() {
        return true;
    }
    // A Handlebars helper over a literal or a function.
    if open == b"{{" && (trimmed.starts_with(b"#with \"") || trimmed.starts_with(b"#with (")) {
        return !view.is_prose();
    }
    if open == b"${" && trimmed.starts_with(b"new ") && memchr::memchr(b'(', trimmed).is_some() {
        return true;
    }
    let Some(words) = WORDS.as_ref() else { return false };
    // The expression is all or nearly all of the value.
    let alone = view.low.len() <= body.len() + 40;
    let found = words.find_iter(body).take(16).any(|found| {
        let word = DANGEROUS[found.pattern().as_usize()];
        if MILD.contains(&word) {
            // Regular templates have dotted variable names too, so only calls count.
            let called =
                memchr::memchr(b'(', body).is_some() || memchr::memchr(b'[', body).is_some();
            return !single
                && alone
                && !view.is_prose()
                && (called || matches!(word, "self." | "config." | ".env.") && open != b"${")
                && open != b"<%";
        }
        !single
            || alone
                && (matches!(
                    word,
                    "system("
                        | "exec("
                        | "passthru"
                        | "phpinfo"
                        | "popen"
                        | "shell_exec"
                        | "{php}"
                        | "$smarty"
                        | "smarty"
                        | "include file"
                        | "java.lang"
                        | "__class__"
                        | "__globals__"
                        | "getruntime"
                ))
    });
    found
        || open == b"{" && (trimmed == b"php" || trimmed.starts_with(b"$smarty"))
        || open == b"#set" && memchr::memchr(b'$', body).is_some() && alone
        || open == b"<#" && trimmed.starts_with(b"assign")
}

/// `'a'.toUpperCase()`, `"".getClass()`, `[].__class__`.
fn calls_literal(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"=").unwrap_or(body).trim_ascii_start();
    let end = match body.first() {
        Some(quote @ (b'\'' | b'"')) => {
            memchr::memchr(*quote, &body[1..]).filter(|len| *len <= 40).map(|len| len + 2)
        }
        _ if body.starts_with(b"[]") || body.starts_with(b"()") || body.starts_with(b"{}") => {
            Some(2)
        }
        _ => None,
    };
    let Some(method) = end.and_then(|end| body[end..].strip_prefix(b".")) else { return false };
    let name =
        method.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    name > 0 && (method.get(name) == Some(&b'(') || method.starts_with(b"__"))
}

/// Whether an expression is an arithmetic operation on two numbers.
fn arithmetic(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let body = body.strip_prefix(b"=").unwrap_or(body).trim_ascii_start();
    let body = body.strip_prefix(b"print ").unwrap_or(body);
    let body = body.trim_ascii_start();
    let body = body
        .strip_prefix(b"(")
        .or_else(|| body.strip_prefix(b"'"))
        .or_else(|| body.strip_prefix(b"\""))
        .unwrap_or(body);
    let number = body.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if number == 0 || number > 12 {
        return false;
    }
    let rest = &body[number..];
    let rest = rest.strip_prefix(b"'").or_else(|| rest.strip_prefix(b"\"")).unwrap_or(rest);
    let blanks = rest.iter().take(8).take_while(|byte| is_space(**byte)).count();
    let [b'*' | b'+' | b'/' | b'-', rest @ ..] = &rest[blanks..] else { return false };
    let rest = rest.trim_ascii_start();
    let rest = rest.strip_prefix(b"'").or_else(|| rest.strip_prefix(b"\"")).unwrap_or(rest);
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    // A long rest is no product, but text after a date, an interval or a range.
    digits > 0 && rest.len() <= digits + 24
}

/// `${jndi:…}`, also with letters that are looked up one by one (CVE-2021-44228).
pub(super) fn find_jndi(view: &View<'_>) -> Option<Range<usize>> {
    if !view.mask.has(Mask::BRACE) {
        return None;
    }
    let start = view.find(b"${")?;
    let mut out: Vec<u8> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut nested = false;
    let text = view.window(start, 4096);
    view.spend(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        if text[at..].starts_with(b"${") {
            if open.len() < 32 {
                open.push(out.len());
            }
            out.extend_from_slice(b"${");
            at += 2;
            continue;
        }
        at += 1;
        if *byte == b'}'
            && let Some(from) = open.pop()
        {
            let inner = &out[from + 2..];
            if inner.starts_with(b"jndi:") {
                return Some(start..start + at);
            }
            if inner.len() <= 256
                && let Some(value) = looked_up(inner)
            {
                let value = value.to_vec();
                nested |= !open.is_empty() && value.len() <= 4;
                out.truncate(from);
                out.extend_from_slice(&value);
                continue;
            }
        }
        out.push(*byte);
    }
    let found = memchr::memmem::find(&out, b"${jndi:").is_some() || nested;
    found.then(|| start..(start + 64).min(view.low.len()))
}

/// Result of a lookup, if the lookup itself contains it.
fn looked_up(inner: &[u8]) -> Option<&[u8]> {
    if let Some(at) = memchr::memmem::rfind(inner, b":-") {
        return Some(&inner[at + 2..]);
    }
    inner
        .strip_prefix(b"lower:")
        .or_else(|| inner.strip_prefix(b"upper:"))
        .or_else(|| inner.strip_prefix(b"date:'").and_then(|rest| rest.strip_suffix(b"'")))
}
