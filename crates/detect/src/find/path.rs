//! Paths that leave their directory, by steps up, by the name of a device or by a NUL.

use std::ops::Range;

use super::sensitive_files::{ends_path, is_sensitive};
use super::{patterns, schemes, sensitive_files};
use api_sessions_values::{Mask, Place, View};

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    share(view)
        .or_else(|| device(view))
        .or_else(|| cut(view))
        .or_else(|| super::hosts::bare(view))
        .or_else(|| schemes::find(view))
        .or_else(|| climbing(view))
        .or_else(|| dots(view))
        .or_else(|| sensitive_files::find(view))
        .or_else(|| patterns::file(view))
}

/// `\\host\c$\`: the administrative share of a disk.
fn share(view: &View<'_>) -> Option<Range<usize>> {
    if !view.starts(0, b"\\\\") && !view.starts(0, b"//") {
        return None;
    }
    let at = view.find_within(2, 80, b"$\\").or_else(|| view.find_within(2, 80, b"$/"))?;
    Some(0..at + 2)
}

/// `\\.\C:\`, `//?/c:/`: a disk by the name of its device. Text of programs names files in this way, but none of
/// the system.
fn device(view: &View<'_>) -> Option<Range<usize>> {
    let is_slash = |at| matches!(view.at(at), b'/' | b'\\');
    let is_device = is_slash(0)
        && is_slash(1)
        && matches!(view.at(2), b'.' | b'?')
        && is_slash(3)
        && view.at(4).is_ascii_alphabetic()
        && view.at(5) == b':'
        && is_slash(6);
    let is_text = matches!(view.place, Place::Text | Place::Whole | Place::Raw);
    let is_system = || view.starts(7, b"windows") || view.starts(7, b"boot.ini");
    (is_device && (!is_text || is_system())).then_some(0..7)
}

/// `/a/b%00`: a path whose suffix a NUL would cut off.
fn cut(view: &View<'_>) -> Option<Range<usize>> {
    const MAX_BYTES: usize = 256;
    let path = view.low.strip_suffix(b"\0").or_else(|| view.low.strip_suffix(b"%00"))?;
    let is_rooted = matches!(path.first(), Some(b'/' | b'\\'))
        || matches!(path.get(1..3), Some(b":/" | b":\\")) && path[0].is_ascii_alphabetic();
    let is_value =
        matches!(view.place, Place::Argument | Place::Cookie | Place::Text | Place::Header);
    view.spend(path.len().min(MAX_BYTES));
    let is_path = is_value
        && is_rooted
        && (3..MAX_BYTES).contains(&path.len())
        && !path.iter().any(|byte| ends_path(*byte) || *byte == 0)
        && path[1..].iter().any(u8::is_ascii_alphabetic);
    is_path.then_some(0..view.low.len())
}

/// A value that begins with a long run of dots, which some servers take for steps up: `/........etc/passwd`;
/// or with a mix of dots and both slashes that goes nowhere: `./\/././\/./boot.ini`.
fn dots(view: &View<'_>) -> Option<Range<usize>> {
    const MIN_DOTS: usize = 6;
    let start = usize::from(matches!(view.at(0), b'/' | b'\\'));
    let count = view.window(start, 512).iter().take_while(|byte| **byte == b'.').count();
    view.spend(count);
    let rest = view.from(start + count);
    let is_path = !view.mask.has(Mask::BLANK.and(Mask::LINE));
    let names = !rest.is_empty() && rest.len() <= 96 && is_path;
    if names && (count >= MIN_DOTS || count >= 3 && is_sensitive(&[b"/", rest].concat())) {
        return Some(0..start + count);
    }
    let row = view.window(0, 512);
    let row = row.iter().take_while(|byte| matches!(byte, b'.' | b'/' | b'\\')).count();
    let (row, rest) = view.low.split_at(row);
    view.spend(row.len());
    let is_tangled = row.contains(&b'/') && row.contains(&b'\\') && row.contains(&b'.');
    let goes_on = row.len() >= 8 || row.len() >= 5 && is_sensitive(&[b"/", rest].concat());
    (is_tangled && goes_on && is_path && rest.len() <= 96).then_some(0..row.len())
}

/// A path with more steps up than down, or with steps up to a sensitive file.
fn climbing(view: &View<'_>) -> Option<Range<usize>> {
    view.find(b"..")?;
    let mut start = 0;
    for end in 0..=view.low.len() {
        let is_end = view.low.get(end).is_none_or(|byte| ends_path(*byte));
        if !is_end {
            continue;
        }
        if end - start >= 3 && climbs(view, start, end) {
            return Some(start..end);
        }
        start = end + 1;
    }
    None
}

fn climbs(view: &View<'_>, start: usize, end: usize) -> bool {
    let run = &view.low[start..end];
    view.spend(run.len());
    let (mut depth, mut lowest, mut ups) = (0_i32, 0_i32, 0_u32);
    let mut last_up = 0;
    let (mut mixed, mut at) = (false, 0);
    for segment in run.split(|byte| matches!(byte, b'/' | b'\\')) {
        let length = segment.len();
        let has_separator = at + length < run.len() || at > 0;
        let bare = segment
            .split(|byte| matches!(byte, b';' | 0..0x20 | b':' | b'%'))
            .next()
            .unwrap_or_default();
        mixed |= bare.len() < length && bare.len() >= 2 && bare.iter().all(|byte| *byte == b'.');
        let dots = bare.len();
        if (2..=8).contains(&dots) && bare.iter().all(|byte| *byte == b'.') && has_separator {
            depth -= 1;
            ups += 1;
            last_up = at + length;
        } else if segment.iter().any(|byte| byte.is_ascii_alphanumeric()) {
            depth += 1;
        }
        lowest = lowest.min(depth);
        at += length + 1;
    }
    if ups == 0 {
        // `./\/././\/./`: dots and slashes that lead nowhere.
        return start == 0
            && run.len() >= 8
            && run.contains(&b'\\')
            && run.iter().take(8).all(|byte| matches!(byte, b'.' | b'/' | b'\\'))
            && (view.place != Place::Text || end == view.low.len() && run.contains(&b'/'));
    }
    let below = lowest.unsigned_abs();
    let target = &run[last_up.min(run.len())..];
    let is_target = is_sensitive(target);
    if view.place == Place::Path {
        return below >= 1 || mixed || view.is_decoded || is_target;
    }
    let is_value = start == 0 || matches!(view.at(start - 1), b'=' | b':');
    let alone = is_value && (end == view.low.len() || start > 0 || ups >= 3 && !view.is_prose());
    (is_target && (ups >= 2 || !view.is_prose()))
        // Absolute and above the root, so it is no relative link.
        || run.starts_with(b"/") && start == 0 && below >= 1 && !view.is_prose()
        || alone
            && (below >= 3
                || ups >= 3 && mixed
                || below >= 2 && (view.is_decoded || view.mask.has(Mask::CONTROL)))
        || alone && below >= 2 && view.mask.has(Mask::BACKSLASH)
}
