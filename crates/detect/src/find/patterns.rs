//! Files and programs written as shell patterns: `/et?/pa*wd`, `/???/c?t`.

use std::ops::Range;

use api_sessions_values::{Place, View};

/// `/et?/pa??wd`: a file as a pattern.
pub(super) fn file(view: &View<'_>) -> Option<Range<usize>> {
    const FILES: &[&[u8]] =
        &[b"/etc/passwd", b"/etc/shadow", b"/etc/hosts", b"/etc/group", b"/proc/self/environ"];
    if view.is_prose() || view.place == Place::Raw {
        return None;
    }
    words(view).find(|at| FILES.iter().any(|path| is_pattern_of(&view.low[at.clone()], path)))
}

/// Words that begin with a slash and contain `?`, `*` or `[`.
fn words<'v>(view: &'v View<'_>) -> impl Iterator<Item = Range<usize>> + 'v {
    const MOST: usize = 40;
    let ends = |byte: &u8| *byte <= b' ' || b"\"'<>|=&,()`;".contains(byte);
    view.each(b'/').take(16).filter_map(move |at| {
        let is_start = at == 0
            || !view.at(at - 1).is_ascii_alphanumeric()
                && !matches!(view.at(at - 1), b'/' | b'?' | b'*' | b'.' | b']');
        let word = view.window(at, MOST);
        let word = &word[..word.iter().position(ends).unwrap_or(word.len())];
        view.spend(word.len() + 1);
        let is_pattern = word.iter().any(|byte| matches!(byte, b'?' | b'*' | b'['));
        (is_start && is_pattern && word.len() > 4).then(|| at..at + word.len())
    })
}

/// Whether a shell pattern with at least two letters matches the path.
fn is_pattern_of(pattern: &[u8], path: &[u8]) -> bool {
    let pattern = pattern.strip_suffix(b"/").unwrap_or(pattern);
    let slashes = |text: &[u8]| text.iter().filter(|byte| **byte == b'/').count();
    slashes(pattern) == slashes(path)
        && pattern.iter().filter(|byte| byte.is_ascii_alphabetic()).count() >= 2
        && matches(pattern, path)
}

fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => {
            let segment = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
            (0..=segment).any(|taken| matches(rest, &path[taken..]))
        }
        (Some((b'[', rest)), Some((byte, left))) => rest
            .iter()
            .position(|byte| *byte == b']')
            .is_some_and(|end| rest[..end].contains(byte) && matches(&rest[end + 1..], left)),
        (Some((b'?', rest)), Some((byte, left))) => *byte != b'/' && matches(rest, left),
        (Some((one, rest)), Some((byte, left))) => one == byte && matches(rest, left),
        _ => false,
    }
}

/// `/???/c?t`, `/bin/[c]at`: a program as a pattern.
pub(super) fn program(view: &View<'_>) -> Option<Range<usize>> {
    const PROGRAMS: &[&[u8]] = &[
        b"/bin/cat",
        b"/bin/ls",
        b"/bin/id",
        b"/bin/sh",
        b"/bin/nc",
        b"/bin/bash",
        b"/usr/bin/id",
    ];
    if view.is_prose() || view.place == Place::Raw {
        return None;
    }
    words(view).find(|at| PROGRAMS.iter().any(|path| is_pattern_of(&view.low[at.clone()], path)))
}
