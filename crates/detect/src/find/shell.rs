//! Shell commands: a separator, a known program, and something like an argument, or the end of the value.

mod alone;

pub(super) use alone::may_be_command;

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::words::{BARE, COMMANDS};
use crate::limits::MAX_SEPARATORS;
use api_sessions_values::{Mask, Place, View, is_word};

pub(super) const ALWAYS: &[&str] = &[
    "${ifs}",
    "$ifs",
    "/dev/tcp/",
    "/dev/udp/",
    "{ifs}",
    "cmd.exe /c",
    "cmd.exe+/c",
    "cmd /c ",
    "powershell -e",
    "powershell.exe -",
    "/bin/sh -",
    "/bin/bash -",
    "/usr/bin/id",
    "/bin/id",
    "/bin/cat ",
    "/bin/cat+",
    "/usr/bin/wget",
    "/usr/bin/curl",
    "nc -e ",
    "bash -i >&",
    "%comspec%",
    "powershell -n",
    "powershell -c",
    "/bin/ls",
    "xp_cmdshell",
    "start-process",
    "invoke-expression",
    "downloadstring(",
    "certutil -urlcache",
    "certutil.exe -urlcache",
    "bitsadmin /transfer",
    "mshta http",
    "mshta.exe http",
    "regsvr32 /s",
    "rundll32 javascript",
    "rundll32.exe javascript",
    "$(</",
    "$(<\"/",
    "$(<'/",
    "${path:0:1}",
    "${home:0:1}",
    "${pwd:0:1}",
    "${path%%",
    "$0<<<",
    "os.execute(",
    "iex(new-object",
    "iex (new-object",
    "new-object net.webclient",
    "new-object system.net.webclient",
    "mkfifo /tmp/",
    "|base64 -d",
    "| base64 -d",
];

static MARKERS: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(ALWAYS).ok());

/// Builds the table, so that no request waits for it.
pub(crate) fn prepare() {
    LazyLock::force(&MARKERS);
}

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    if view.place == Place::Agent
        && !view.is_decoded
        && view.at(0) != b';'
        && !view.mask.has(Mask::BRACE)
        && !view.mask.has(Mask::DOLLAR.and(Mask::QUOTE).and(Mask::LINE))
    {
        return None;
    }
    if view.place == Place::Object {
        return None;
    }
    shellshock(view)
        .or_else(|| marker(view))
        .or_else(|| super::patterns::program(view))
        .or_else(|| separated(view))
        .or_else(|| assigned(view))
        .or_else(|| alone::find(view))
}

/// `() { :; };` (CVE-2014-6271).
fn shellshock(view: &View<'_>) -> Option<Range<usize>> {
    if !view.mask.has(Mask::BRACE) {
        return None;
    }
    memchr::memmem::find_iter(view.low, b"()").take(16).find_map(|at| {
        let brace = view.behind_blanks(at + 2);
        let inner = view.behind_blanks(brace + 1);
        let short = view.at(brace) == b'{' && matches!(view.at(inner), b':' | b'_' | b';')
            || view.starts(brace, b"{ (a)=>");
        (short && view.find_within(inner, 32, b"}").is_some()).then(|| at..brace + 1)
    })
}

/// Text that only makes sense to a shell.
fn marker(view: &View<'_>) -> Option<Range<usize>> {
    if view.place == Place::Raw {
        return None;
    }

    if view.is_prose() {
        return None;
    }
    MARKERS.as_ref()?.find(view.low).map(|found| found.range())
}

/// A command after a separator, in place of a value.
fn separated(view: &View<'_>) -> Option<Range<usize>> {
    if view.place == Place::Raw {
        return None;
    }
    let mut seen = 0;
    let mut at = 0;
    while at < view.low.len() && seen < MAX_SEPARATORS && !view.is_spent() {
        let length = match view.at(at) {
            b';' | b'|' | b'&' | b'`' => 1,
            b'\n' | b'\r'
                if !matches!(view.place, Place::Text | Place::Whole) || view.hid_lines =>
            {
                1
            }
            b'$' | b'<' | b'>' if view.at(at + 1) == b'(' => 2,
            b'%' if view.starts(at, b"%0a") || view.starts(at, b"%0d") => 3,
            b'(' if at == 0 => 1,
            _ => {
                at += 1;
                continue;
            }
        };
        let byte = view.at(at);
        seen += 1;
        // The end of a statement in program code.
        if byte == b';'
            && matches!(view.at(at + 1), b'\n' | b'\r')
            && matches!(view.place, Place::Text | Place::Whole)
        {
            at += 1;
            continue;
        }
        // Not `&name=` of a query or `&nbsp;` of HTML.
        if let Some(end) = command(view, at + length, byte)
            && is_injected(view, at, byte)
        {
            return Some(at..end);
        }
        at += length;
    }
    None
}

/// `X=id;$X`: a variable that is set and then run.
fn assigned(view: &View<'_>) -> Option<Range<usize>> {
    if !view.mask.has(Mask::DOLLAR) || view.is_prose() || view.place == Place::Raw {
        return None;
    }
    view.each(b'$').take(16).find_map(|at| {
        let before = view.before_blanks(at);
        let separator = before.checked_sub(1).map(|before| view.at(before));
        let name = view.word(at + 1);
        let end = at + 1 + name.len();
        let is_run = matches!(separator, Some(b';' | b'|' | b'&' | b'\n'))
            && !name.is_empty()
            && (end >= view.low.len()
                || matches!(view.at(end), b';' | b'|' | b'&' | b' ' | b'\n' | b'`'));
        let set = [name, b"="].concat();
        let from = at.saturating_sub(160);
        (is_run && view.find_within(from, at - from, &set).is_some()).then_some(at..end)
    })
}

/// Whether the text before the separator is a value, not a command line or a sentence.
fn is_injected(view: &View<'_>, at: usize, separator: u8) -> bool {
    let head = view.low[..at].trim_ascii_start();
    let from = head.len().saturating_sub(200);
    let line = &head[from..];
    view.spend(line.len());
    let first = first_word(head);
    if is_command(first)
        && head.get(first.len()).is_some_and(|byte| matches!(byte, b' ' | b';'))
        && first.len() > 1
    {
        // A user's own command line, unless it reads secrets.
        return reads_secrets(view, at);
    }
    if head.starts_with(b"$ ") || head.starts_with(b"# ") {
        return false;
    }
    let words = line
        .split(|byte| *byte == b' ')
        .filter(|word| word.len() > 1 && word.iter().all(u8::is_ascii_alphabetic))
        .count();
    // Code in a sentence.
    let is_text = matches!(view.place, Place::Text | Place::Whole);
    // `one|two|three|…`: alternatives of an expression.
    const MANY: usize = 5;
    if is_text
        && separator == b'|'
        && at > 0
        && is_word(view.at(at - 1))
        && is_word(view.at(at + 1))
        && line.windows(3).filter(|three| is_between_words(three)).count() >= MANY
    {
        return false;
    }
    if is_text && at > 0 && view.at(at - 1) == b'`' {
        return false;
    }
    if separator == b'`' && (words > 1 || is_text && (words > 0 || is_quoted(view, at))) {
        return false;
    }
    let most = match view.place {
        Place::Text | Place::Whole => 2,
        _ => 3,
    };
    !view.is_prose() && words <= most || reads_secrets(view, at) && words <= 12
}

/// A bar between words, without blanks around it.
fn is_between_words(three: &[u8]) -> bool {
    matches!(three, [one, b'|', two] if is_word(*one) && is_word(*two))
}

/// `word` in backticks, followed by words: prose about a program.
fn is_quoted(view: &View<'_>, at: usize) -> bool {
    let Some(end) = view.find_within(at + 1, 64, b"`") else { return false };
    let behind = view.window(end + 1, 64);
    let is_word = |word: &&[u8]| word.len() > 1 && word.iter().all(u8::is_ascii_alphabetic);
    behind.split(|byte| matches!(byte, b' ' | b'\n' | b',' | b':')).filter(is_word).count() >= 2
}

fn reads_secrets(view: &View<'_>, at: usize) -> bool {
    [&b"/etc/passwd"[..], b"/etc/shadow", b"/dev/tcp", b"| bash", b"|bash", b"| sh", b"|sh"]
        .iter()
        .any(|text| view.find_within(at, 300, text).is_some())
        && !view.is_prose()
}

fn first_word(text: &[u8]) -> &[u8] {
    &text[..text.iter().take(24).take_while(|byte| is_word(**byte)).count()]
}

/// End of the command that begins at `at`, with the part that makes it one.
fn command(view: &View<'_>, at: usize, separator: u8) -> Option<usize> {
    let mut at = view.behind_blanks(at);
    // More separators, negations or a subshell.
    for _ in 0..4 {
        match view.at(at) {
            b'+' | b'|' | b'&' | b'(' | b'{' | b'!' | b';' | b'`' | b'\n' | b'\r' | b'"'
            | b'\'' => at = view.behind_blanks(at + 1),
            b'$' if view.at(at + 1) == b'(' => at = view.behind_blanks(at + 2),
            _ => break,
        }
    }
    let mut buffer = [0; 48];
    let (name, behind) = program(view, at, &mut buffer);
    // `\w` of a regular expression is no program.
    if name.is_empty() || !is_command(name) || name.len() == 1 && behind > at + 1 {
        return None;
    }
    let next = view.at(behind);
    // `;w<` in bytes that are no text; the prompt of `mysql> select 1`.
    let is_noise = name.len() == 1 && matches!(next, b'<' | b'>' | b'+' | b'$');
    let is_prompt = next == b'>' && matches!(name, b"mysql" | b"ftp" | b"telnet" | b"nslookup");
    if is_noise || is_prompt {
        return None;
    }
    let blank = matches!(next, b' ' | b'\t' | b'+' | b'<' | b'>' | b'$');
    let argument = view.behind_blanks(behind + usize::from(next == b'+'));
    if next == b',' {
        // Not `;base64,` of a data URL, but `{cat,/etc/passwd}`.
        return (view.at(at.wrapping_sub(1)) == b'{').then_some(behind);
    }
    let is_end = argument >= view.low.len()
        || matches!(
            view.at(argument),
            b';' | b'|'
                | b'&'
                | b'`'
                | b')'
                | b'#'
                | b'\n'
                | b'\r'
                | 0
                | b'}'
                | b'"'
                | b'\''
                | b'\\'
        )
        // A NUL or a line break that is still encoded.
        || view.at(argument) == b'%' && view.at(argument + 1).is_ascii_digit();
    if is_end && next != b'=' && next != b'(' {
        let ok = BARE.contains(&name) || separator == b'`' || separator == b'$';
        // `&id`, `&w` and `&set` are arguments of a URL.
        let is_argument = separator == b'&' && view.place == Place::Path;
        return (ok && !is_argument && !(separator == b'&' && next == b';')).then_some(behind);
    }
    if !blank {
        return None;
    }
    looks_like_argument(view, argument, name).then_some(argument)
}

fn looks_like_argument(view: &View<'_>, at: usize, name: &[u8]) -> bool {
    let window = view.window(at, 64);
    view.spend(window.len());
    let word_end = window
        .iter()
        .position(|byte| matches!(byte, b' ' | b';' | b'|' | b'&' | b')' | b'\n'))
        .unwrap_or(window.len());
    let word = &window[..word_end];
    let first = word.first().copied().unwrap_or(0);
    let has = |any: &[u8]| word.iter().any(|byte| any.contains(byte));
    match first {
        b'-' | b'/' | b'$' | b'~' | b'>' | b'<' | b'*' | b'?' | b'\\' | b'{' => {
            return word.len() > 1 || matches!(first, b'*' | b'/' | b'~' | b'>' | b'<');
        }
        b'%' | b'"' | b'\'' => {
            return matches!(
                name,
                b"echo" | b"print" | b"printf" | b"type" | b"cat" | b"net" | b"bash" | b"sh"
            );
        }
        _ => {}
    }
    match name {
        b"sleep" | b"timeout" | b"kill" => first.is_ascii_digit(),
        b"ping" | b"nslookup" | b"dig" | b"telnet" | b"ssh" | b"host" | b"curl" | b"wget"
        | b"nc" | b"ncat" | b"tracert" | b"traceroute" | b"whois" | b"ftp" => {
            has(b"./:") || word.eq_ignore_ascii_case(b"localhost")
        }
        b"net" => matches!(word, b"user" | b"localgroup" | b"share" | b"view" | b"start" | b"stop"),
        b"echo" | b"printf" => {
            word_end == window.len() || !matches!(window[word_end], b' ') || has(b"$%\\`")
        }
        b"cat" | b"less" | b"more" | b"head" | b"tail" | b"type" | b"rm" | b"ls" | b"dir"
        | b"del" | b"strings" | b"nl" | b"tac" | b"base64" | b"touch" | b"cp" | b"mv"
        | b"chmod" | b"file" | b"find" | b"grep" => {
            has(b"./\\*?$:") || word_end == window.len() && word.len() > 1 && view.low.len() <= 20
        }
        b"python" | b"python3" | b"perl" | b"php" | b"ruby" | b"node" | b"bash" | b"sh" => {
            has(b"./")
        }
        b"uname" | b"whoami" | b"id" => word_end == window.len(),
        b"which" | b"sudo" | b"env" | b"xargs" | b"time" | b"nohup" => is_command(word),
        b"reg" => matches!(word, b"add" | b"query" | b"delete"),
        b"netsh" => matches!(word, b"firewall" | b"advfirewall" | b"interface" | b"wlan"),
        b"systemctl" | b"service" | b"schtasks" | b"iptables" => {
            matches!(first, b'-' | b'/') || matches!(word, b"stop" | b"start" | b"list-units")
        }
        _ => false,
    }
}

/// Name of the program without its directory, quotes, backslashes and `$@`, and the index after it.
fn program<'b>(view: &View<'_>, at: usize, out: &'b mut [u8; 48]) -> (&'b [u8], usize) {
    let mut length = 0;
    let mut end = at;
    let window = view.window(at, 64);
    view.spend(8);
    let mut index = 0;
    while let Some(byte) = window.get(index) {
        match byte {
            b'/' | b'?' if *byte == b'/' || length > 0 => {
                length = if *byte == b'/' { 0 } else { length }
            }
            b'\'' | b'"' | b'\\' | b'^' => {}
            b'$' if matches!(window.get(index + 1), Some(b'@' | b'*' | b'!' | b'1'..=b'9')) => {
                index += 1
            }
            byte if is_word(*byte) || *byte == b'.' => {
                if length == out.len() {
                    break;
                }
                out[length] = *byte;
                length += 1;
            }
            _ => break,
        }
        index += 1;
        end = at + index;
    }
    (&out[..length], end)
}

fn is_command(name: &[u8]) -> bool {
    let name = name.strip_suffix(b".exe").unwrap_or(name);
    COMMANDS.binary_search(&name).is_ok()
}
