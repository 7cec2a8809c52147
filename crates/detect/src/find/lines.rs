//! Line breaks in a value that begin a header, a response, a request, a mail header or a command of a mail
//! server.

use std::ops::Range;

use api_sessions_values::{Place, View};

use crate::limits::MAX_LINE_BREAKS;

/// Each line break with the start of the line after it.
fn starts<'v>(view: &'v View<'_>) -> impl Iterator<Item = (usize, usize)> + 'v {
    memchr::memchr2_iter(b'\n', b'\r', view.low)
        .filter(|at| !(view.at(*at) == b'\r' && view.at(at + 1) == b'\n'))
        .take(MAX_LINE_BREAKS)
        .map(|at| (at, view.behind_blanks(at + 1)))
}

/// Whether a line break may be an attack. People write and paste lines, so it counts only in single-line
/// places, in text that was encoded once more, or after a short first line.
fn may_inject(view: &View<'_>, first_break: usize) -> bool {
    let lines = memchr::memchr_iter(b'\n', view.low).take(MAX_LINE_BREAKS).count();
    match view.place {
        Place::Text | Place::Whole | Place::Raw => {
            (view.hid_lines || first_break <= 64 && lines <= 12) && !view.is_prose()
        }
        _ => true,
    }
}

const HEADERS: &[&[u8]] = &[
    b"access-control-allow-credentials",
    b"access-control-allow-headers",
    b"access-control-allow-methods",
    b"access-control-allow-origin",
    b"access-control-expose-headers",
    b"authorization",
    b"cache-control",
    b"clear-site-data",
    b"connection",
    b"content-disposition",
    b"content-encoding",
    b"content-length",
    b"content-location",
    b"content-security-policy",
    b"content-security-policy-report-only",
    b"content-type",
    b"cookie",
    b"etag",
    b"expires",
    b"forwarded",
    b"host",
    b"last-modified",
    b"link",
    b"location",
    b"permissions-policy",
    b"pragma",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"referer",
    b"referrer-policy",
    b"refresh",
    b"retry-after",
    b"set-cookie",
    b"set-cookie2",
    b"strict-transport-security",
    b"transfer-encoding",
    b"upgrade",
    b"user-agent",
    b"vary",
    b"www-authenticate",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-xss-protection",
];
const METHODS: &[&[u8]] =
    &[b"connect", b"delete", b"get", b"head", b"options", b"patch", b"post", b"put", b"trace"];

pub(super) fn find_header(view: &View<'_>) -> Option<Range<usize>> {
    let (first, _) = starts(view).next()?;
    // A value that is a message from its first line on is a quoted message.
    let is_message = view.starts(0, b"http/")
        || header_at(view, 0)
        || any_header_at(view, 0)
        || request_line(view, 0);
    if is_message && !view.hid_lines || !may_inject(view, first) {
        return None;
    }
    starts(view).find_map(|(at, line)| {
        let found = header_at(view, line)
            || view.starts(line, b"http/1.")
            || view.starts(line, b"http/2")
            || request_line(view, line)
            || log_line(view, at, line)
            || own_header(view, at, line)
            || odd_header(view, first, line)
            || cache_command(view, line)
            || view.starts(line, b"<html>")
                && !matches!(view.place, Place::Text | Place::Whole | Place::Raw);
        found.then(|| at..(line + 32).min(view.low.len()))
    })
}

/// `x-injected: 1` after one word and CRLF, in a JSON string, where people write lines.
fn own_header(view: &View<'_>, at: usize, line: usize) -> bool {
    let name = view.window(line, 40);
    view.spend(at.min(64) + name.len());
    view.place == Place::Text
        && (1..=64).contains(&at)
        && view.starts(at - 1, b"\r\n")
        && !view.low[..at - 1].iter().any(|byte| byte.is_ascii_whitespace() || *byte == b':')
        && name.starts_with(b"x-")
        && memchr::memchr(b':', name)
            .is_some_and(|colon| colon > 3 && !name[..colon].contains(&b' '))
}

/// `a-header:value` of any name after one word, in a single-line value or behind line breaks that were encoded
/// once more. A hyphen tells it from the `name: value` that people write, and its value from `host-2:6379`.
fn odd_header(view: &View<'_>, first: usize, line: usize) -> bool {
    const MAX_HEAD: usize = 96;
    // More are a sentence.
    const MAX_BLANKS: usize = 2;
    let is_value = view.hid_lines || !matches!(view.place, Place::Text | Place::Whole | Place::Raw);
    if !is_value || first > MAX_HEAD || memchr::memchr_iter(b'\n', view.low).nth(6).is_some() {
        return false;
    }
    let head = view.low[..first].trim_ascii();
    let is_url = memchr::memmem::find(head, b"//").is_some();
    let window = view.window(line, 64);
    view.spend(head.len() + window.len());
    if head.contains(&b' ') || head.contains(&b':') && !is_url {
        return false;
    }
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let length = window.iter().take_while(|byte| is_token(byte)).count();
    let name = &window[..length];
    let is_name = name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.last().is_some_and(u8::is_ascii_alphanumeric)
        && name.contains(&b'-')
        && length >= 5;
    let value = window.get(length + 1..).unwrap_or_default();
    let value =
        &value[..value.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(value.len())];
    let value = value.trim_ascii();
    window.get(length) == Some(&b':')
        && is_name
        && value.first().is_some_and(|byte| !b":/".contains(byte))
        && !value.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && value.iter().filter(|byte| **byte == b' ').count() <= MAX_BLANKS
        && !matches!(head.last(), Some(b',' | b'.' | b'!'))
        // `main-db\nmain-cache: …` is a list of names.
        && !head.contains(&b'-')
}

/// `set key 0 60 5`, `flush_all`: a command of memcached (its text protocol), whose lines have no quotes.
fn cache_command(view: &View<'_>, line: usize) -> bool {
    let word = view.word(line);
    let rest = view.window(line + word.len(), 300);
    let rest = &rest[..rest.iter().position(|byte| b"\r\n".contains(byte)).unwrap_or(rest.len())];
    view.spend(rest.len());
    let mut words = rest.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    match word {
        b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas" => {
            let is_key = words.next().is_some_and(|key| key.len() <= 250);
            let numbers = words.take_while(|word| word.iter().all(u8::is_ascii_digit)).count();
            is_key && numbers >= 3
        }
        b"flush_all" => words.all(|word| word == b"noreply" || word.iter().all(u8::is_ascii_digit)),
        _ => false,
    }
}

/// `[info] `: the prefix of a log line, in a single-line value. After one word, also `error: `.
fn log_line(view: &View<'_>, at: usize, line: usize) -> bool {
    const LEVELS: &[&[u8]] = &[
        b"alert",
        b"audit",
        b"critical",
        b"debug",
        b"error",
        b"fatal",
        b"info",
        b"notice",
        b"security",
        b"success",
        b"warn",
        b"warning",
    ];
    let is_value = !matches!(view.place, Place::Text | Place::Whole | Place::Raw) && at <= 64;
    if !is_value {
        return false;
    }
    let is_framed = view.at(line) == b'[';
    let level = view.word(line + usize::from(is_framed));
    let end = line + usize::from(is_framed) + level.len();
    let one_word = || !view.low[..at].iter().any(|byte| matches!(byte, b' ' | b':' | b'\n'));
    LEVELS.contains(&level)
        && match is_framed {
            true => view.at(end) == b']',
            false => view.starts(end, b": ") && view.low.len() > end + 4 && one_word(),
        }
}

/// Whether a header that affects the response, `name:`, is at an index.
fn header_at(view: &View<'_>, at: usize) -> bool {
    let window = view.window(at, 48);
    let length =
        window.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    view.spend(length + 1);
    let name = &window[..length];
    let known = HEADERS.binary_search(&name).is_ok()
        // A header of the attacker's own.
        || !matches!(view.place, Place::Text | Place::Whole | Place::Raw) && name.starts_with(b"x-") && name.len() > 3;
    known && view.at(view.behind_blanks(at + length)) == b':'
}

/// Whether a header of any name is at an index: `x-served-by: a`.
fn any_header_at(view: &View<'_>, at: usize) -> bool {
    let window = view.window(at, 48);
    let length =
        window.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    view.spend(length + 1);
    let is_text = matches!(view.place, Place::Text | Place::Whole);
    (window[..length].contains(&b'-') || is_text && length > 2)
        && window[length..].starts_with(b": ")
}

/// `GET /path HTTP/1.1`.
fn request_line(view: &View<'_>, at: usize) -> bool {
    let method = view.word(at);
    METHODS.contains(&method)
        && view.at(at + method.len()) == b' '
        && view.find_within(at, 256, b" http/").is_some()
}

/// Mail headers that add recipients or content.
const MAIL_HEADERS: &[&[u8]] = &[
    b"bcc",
    b"cc",
    b"content-transfer-encoding",
    b"content-type",
    b"from",
    b"mime-version",
    b"reply-to",
    b"return-path",
    b"sender",
    b"subject",
    b"to",
];

pub(super) fn find_mail(view: &View<'_>) -> Option<Range<usize>> {
    let (first, _) = starts(view).next()?;
    if !may_inject(view, first) {
        return None;
    }
    // A value that is a message from its first line on.
    let name = view.window(0, 32).iter().take_while(|byte| **byte != b':').count();
    if !view.hid_lines && MAIL_HEADERS.contains(&view.window(0, name)) {
        return None;
    }
    let head = &view.low[..first];
    let is_address = memchr::memchr(b'@', head).is_some() && head.len() <= 128;
    starts(view).find_map(|(at, line)| {
        let found = command(view, line) || mail_header(view, line, is_address);
        found.then(|| at..(line + 32).min(view.low.len()))
    })
}

fn mail_header(view: &View<'_>, at: usize, is_address: bool) -> bool {
    let window = view.window(at, 32);
    let length =
        window.iter().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-').count();
    let name = &window[..length];
    if view.at(at + length) != b':' || !MAIL_HEADERS.contains(&name) {
        return false;
    }
    let line = view.window(at + length, 128);
    view.spend(line.len());
    let end = memchr::memchr2(b'\r', b'\n', line).unwrap_or(line.len());
    let has_receiver = memchr::memchr(b'@', &line[..end]).is_some();
    match name {
        b"bcc" => has_receiver,
        b"cc" | b"to" | b"reply-to" | b"from" | b"sender" | b"return-path" => {
            has_receiver && is_address
        }
        _ => is_address,
    }
}

/// A complete command of SMTP (RFC 5321), IMAP (RFC 9051) or POP3 (RFC 1939).
fn command(view: &View<'_>, at: usize) -> bool {
    let word = view.word(at);
    let behind = at + word.len();
    let argument = view.behind_blanks(behind);
    let line_ends = matches!(view.at(behind), b'\r' | b'\n') || behind >= view.low.len();
    let next_is_digit = view.at(argument).is_ascii_digit();
    match word {
        b"rcpt" => return view.starts(argument, b"to:") || view.starts(argument, b"to "),
        b"mail" => return view.starts(argument, b"from:") || view.starts(argument, b"from "),
        b"ehlo" | b"helo" | b"vrfy" | b"expn" => return !line_ends,
        b"data" | b"quit" | b"rset" | b"noop" | b"stat" | b"capa" | b"starttls" => {
            return line_ends;
        }
        b"retr" | b"dele" | b"top" | b"uidl" => return next_is_digit,
        b"user" | b"pass" | b"login" if !matches!(view.place, Place::Text | Place::Whole) => {
            return !line_ends;
        }
        b"auth" => return view.starts(argument, b"login") || view.starts(argument, b"plain"),
        _ => {}
    }
    // IMAP: a tag followed by a command.
    if word.is_empty() || word.len() > 8 || line_ends {
        return false;
    }
    let has_digit = word.iter().any(u8::is_ascii_digit);
    let verb = view.word(argument);
    let end = argument + verb.len();
    let verb_ends_line = matches!(view.at(end), b'\r' | b'\n') || end >= view.low.len();
    let target = view.behind_blanks(end);
    match verb {
        b"capability" | b"logout" | b"noop" | b"expunge" | b"check" | b"close" => {
            verb_ends_line && (has_digit || word.len() == 1)
        }
        b"login" | b"authenticate" | b"select" | b"examine" | b"create" | b"delete" | b"rename"
        | b"subscribe" | b"unsubscribe" | b"list" | b"lsub" | b"status" | b"append" | b"search"
        | b"copy" => has_digit && !verb_ends_line,
        b"fetch" | b"store" => view.at(target).is_ascii_digit() || view.at(target) == b'*',
        b"uid" => has_digit,
        _ => false,
    }
}
