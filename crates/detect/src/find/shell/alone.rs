//! Values that are a command line as a whole.

use std::ops::Range;

use super::super::words::{BARE, TELLING};
use super::{is_command, program};
use api_sessions_values::{Place, View, is_word};

/// Whether a value of plain words begins with a program that [`asks`] finds without special characters.
pub(in crate::find) fn may_be_command(value: &[u8], place: Place) -> bool {
    const PROGRAMS: &[&[u8]] =
        &[b"net", b"netsh", b"reg", b"sleep", b"timeout", b"whereis", b"which"];
    if !matches!(value.first().map(|byte| byte | 0x20), Some(b'i' | b'n' | b'r'..=b't' | b'w')) {
        return false;
    }
    let length = value.iter().take(12).take_while(|byte| is_word(**byte)).count();
    let word = &value[..length];
    let is = |other: &&[u8]| word.eq_ignore_ascii_case(other);
    match value.get(length) {
        None => place == Place::Argument && length >= 6 && TELLING.iter().any(is),
        Some(next) => !is_word(*next) && PROGRAMS.iter().chain(TELLING).any(is),
    }
}

/// A value that is a command line as a whole: only with an argument that is of use to an attacker.
pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    if view.place == Place::Raw || view.is_prose() || view.low.len() > 512 {
        return None;
    }
    // Or after a quote that closes the surrounding argument: `" whoami`.
    let closes = matches!(view.at(0), b'"' | b'\'')
        && view.at(1) == b' '
        && view.low.iter().filter(|byte| **byte == view.at(0)).count() == 1;
    let start = if closes { view.behind_blanks(1) } else { 0 };
    let mut buffer = [0; 48];
    let (name, end) = program(view, start, &mut buffer);
    if !is_command(name) || name.len() < 2 {
        return None;
    }
    if asks(view, name, end, closes) {
        return Some(0..view.low.len().min(64));
    }
    let argument = view.behind_blanks(end);
    let rest = view.window(argument, 256);
    let has = |text: &[u8]| memchr::memmem::find(rest, text).is_some();
    let reads = matches!(
        name,
        b"cat"
            | b"head"
            | b"tail"
            | b"less"
            | b"more"
            | b"tac"
            | b"nl"
            | b"strings"
            | b"type"
            | b"base64"
            | b"od"
            | b"xxd"
            | b"grep"
            | b"ls"
            | b"dir"
            | b"find"
            | b"cp"
            | b"ln"
    ) && (has(b"/etc/")
        || has(b"/proc/")
        || has(b"c:\\")
        || has(b"/var/log")
        || has(b"~/.ssh"));
    let loads = matches!(name, b"wget" | b"curl" | b"fetch" | b"lynx" | b"certutil")
        && (has(b"http://") || has(b"https://") || has(b"ftp://"))
        && !matches!(view.place, Place::Text | Place::Whole);
    let starts = matches!(
        name,
        b"nc"
            | b"ncat"
            | b"netcat"
            | b"bash"
            | b"sh"
            | b"python"
            | b"python3"
            | b"perl"
            | b"php"
            | b"ruby"
    ) && (rest.starts_with(b"-e")
        || rest.starts_with(b"-c ")
        || rest.starts_with(b"-i")
        || rest.starts_with(b"-r ")
        || rest.starts_with(b"-l"));
    let windows = matches!(
        name,
        b"net" | b"reg" | b"wmic" | b"cmd" | b"cmd.exe" | b"powershell" | b"powershell.exe"
    ) && (rest.starts_with(b"/c")
        || rest.starts_with(b"user")
        || rest.starts_with(b"add hk")
        || rest.starts_with(b"-"));
    let slashed =
        view.starts(0, b"/bin/") || view.starts(0, b"/usr/bin/") || view.starts(0, b"/sbin/");
    let pings = name.starts_with(b"ping")
        && rest.first() == Some(&b'-')
        && rest.iter().take(12).any(u8::is_ascii_digit);
    (pings || reads || loads || starts || windows || slashed).then_some(0..view.low.len().min(64))
}

/// A program that reveals something about its host, alone or with only options.
fn asks(view: &View<'_>, name: &[u8], end: usize, closes: bool) -> bool {
    let name = name.strip_suffix(b".exe").unwrap_or(name);
    let rest = view.window(end, 96).trim_ascii();
    view.spend(rest.len());
    let words = || rest.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let is_telling = TELLING.contains(&name);
    if rest.is_empty() {
        return is_telling && view.place == Place::Argument || closes && BARE.contains(&name);
    }
    if !matches!(view.at(end), b' ' | b'\t') || words().count() > 8 {
        return false;
    }
    let first = words().next().unwrap_or_default();
    match name {
        b"which" | b"whereis" => words().count() == 1 && is_command(first),
        b"sleep" | b"timeout" => rest.iter().all(u8::is_ascii_digit) && rest.len() <= 3,
        b"netsh" => matches!(first, b"firewall" | b"advfirewall" | b"wlan"),
        b"net" => matches!(first, b"view" | b"user" | b"localgroup" | b"share"),
        b"reg" => matches!(first, b"add" | b"query") && rest.contains(&b'\\'),
        b"type" => first.first() == Some(&b'%') || first.windows(2).any(|two| two == b":\\"),
        b"dir" => first.starts_with(b"c:"),
        b"ping" => closes,
        b"ls" | b"ps" | b"cat" | b"find" => {
            first.first() == Some(&b'-') && words().skip(1).any(|word| word.starts_with(b"/"))
        }
        _ => is_telling && words().all(|word| matches!(word.first(), Some(b'-' | b'/'))),
    }
}
