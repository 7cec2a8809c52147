//! Files that only attackers request, in the forms that reach them.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::words;
use api_sessions_values::{Mask, Place, View};

static FILES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .kind(Some(AhoCorasickKind::DFA))
        .match_kind(MatchKind::LeftmostFirst)
        .build(words::FILES)
        .ok()
});

/// Builds the table, so that no request waits for it.
pub(crate) fn prepare() {
    LazyLock::force(&FILES);
}

/// Whether a path in a longer text ends before the byte.
pub(super) fn ends_path(byte: u8) -> bool {
    byte <= b' ' && byte != 0
        || matches!(
            byte,
            b'"' | b'\'' | b'<' | b'>' | b'|' | b'=' | b'&' | b'?' | b',' | b'(' | b')' | b'`'
        )
}

/// Whether the path below a step up, in any spelling, names such a file.
pub(super) fn is_sensitive(target: &[u8]) -> bool {
    let Some(files) = FILES.as_ref() else { return false };
    let mut plain = [0_u8; 96];
    let target = squeezed(&target[..target.len().min(96)], &mut plain);
    files.is_match(target)
}

/// Collapses each run of separators, with the dots between them, into one `/`.
fn squeezed<'p>(path: &[u8], out: &'p mut [u8; 96]) -> &'p [u8] {
    let mut length = 0;
    let mut at = 0;
    while at < path.len() && length < out.len() {
        let byte = path[at];
        if matches!(byte, b'/' | b'\\') {
            while at < path.len()
                && (matches!(path[at], b'/' | b'\\')
                    || path[at] == b'.' && matches!(path.get(at + 1), Some(b'/' | b'\\')))
            {
                at += 1;
            }
            out[length] = b'/';
        } else {
            out[length] = byte;
            at += 1;
        }
        length += 1;
    }
    &out[..length]
}

/// A sensitive file by its whole path.
pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    if !view.mask.has(Mask::SLASH.and(Mask::BACKSLASH)) {
        return None;
    }
    let files = FILES.as_ref()?;
    if let Some(found) = system(view).or_else(|| unrooted(view, files)) {
        return Some(found);
    }
    let is_plain = !view.mask.has(Mask::BACKSLASH)
        && view.find(b"//").is_none()
        && view.find(b"/./").is_none();
    if is_plain {
        return files
            .find_iter(view.low)
            .take(64)
            .find_map(|found| is_rooted(view, found.start()).then(|| found.range()));
    }
    // With odd separators: only at the start of the value.
    let mut out = [0; 96];
    let start = view.low.iter().take(40).position(|byte| matches!(byte, b'/' | b'\\'))?;
    let path = squeezed(view.window(start, 96), &mut out);
    view.spend(96);
    let found = files.find(path)?;
    let head = &view.low[..start];
    let is_start = start == 0
        || head.ends_with(b":") && start <= 5
        || matches!(view.at(start - 1), b'=' | b'"' | b'\'');
    (found.start() <= 1 && is_start && !view.is_prose())
        .then(|| start..view.low.len().min(start + 96))
        .or_else(|| {
            files
                .find_iter(view.low)
                .take(64)
                .find_map(|found| is_rooted(view, found.start()).then(|| found.range()))
        })
}

/// An argument that consists only of a path of system configuration or logs.
fn system(view: &View<'_>) -> Option<Range<usize>> {
    const ROOTS: &[&[u8]] = &[
        b"/etc/",
        b"/var/log/",
        b"/proc/",
        b"/private/etc/",
        b"/usr/local/cpanel/",
        b"/usr/local/pureftpd/",
        b"/usr/local/www/",
        b"/var/run/",
        b"/var/db/",
        b"/var/cpanel/",
        b"/volumes/",
    ];
    let is_path = |byte: &u8| !ends_path(*byte);
    let is_whole =
        view.place == Place::Argument && view.low.len() <= 128 && view.low.iter().all(is_path);
    let is_text = matches!(view.place, Place::Text | Place::Cookie) && view.low.len() <= 96;
    let names_program = || {
        let path = view.low.strip_prefix(b"c:").unwrap_or(view.low);
        let rest = path.get(1..).and_then(|path| path.strip_prefix(b"program files"));
        rest.is_some_and(|rest| !rest.contains(&b'='))
    };
    // In text, a path without an extension may be one of the application.
    let has_suffix = || {
        let name = view.low.iter().rev().take_while(|byte| !matches!(byte, b'/' | b'\\'));
        name.take(32).any(|byte| matches!(byte, b'.' | b'_'))
    };
    if (is_whole || is_text && has_suffix() && view.low.iter().all(is_path) || names_program())
        && names_settings(view.low)
    {
        return Some(0..view.low.len());
    }
    let root = ROOTS.iter().find(|root| view.starts(0, root))?;
    (is_whole && view.low.len() > root.len() + 2).then_some(0..view.low.len())
}

/// `C:\xampp\php.ini`, `/web/conf/httpd.conf`: settings and logs of servers in any directory.
fn names_settings(path: &[u8]) -> bool {
    const NAMES: &[&[u8]] = &[
        b"php.ini",
        b"httpd.conf",
        b"my.ini",
        b"my.cnf",
        b"error_log",
        b"access_log",
        b"error.log",
        b"access.log",
        b"boot.ini",
        b"win.ini",
        b"system.ini",
        b"nginx.conf",
        b"apache2.conf",
        b"vhosts.conf",
        b"mysql.log",
        b"pure-ftpd.log",
        b"proftpd.conf",
        b"php4.ini",
        b"php5.ini",
        b"web.config",
        b"sam",
        b"hosts",
        b"shadow",
        b"passwd",
        b"wp-config.php",
        b"error.log",
        b"ftphosts",
        b"proftp.conf",
        b"pureftpd.log",
        b"my.cnf",
        b"tomcat-users.xml",
        b"applicationhost.config",
        b"machine.config",
        b"unattend.xml",
        b"sysprep.inf",
    ];
    let path = path.strip_suffix(b"\0").or_else(|| path.strip_suffix(b"%00")).unwrap_or(path);
    let is_rooted = matches!(path.first(), Some(b'/' | b'\\'))
        || path.get(1..3) == Some(b":\\")
        || path.get(1..3) == Some(b":/");
    let name = path.rsplit(|byte| matches!(byte, b'/' | b'\\')).next().unwrap_or_default();
    is_rooted && path.len() > name.len() + 2 && NAMES.contains(&name)
}

/// `etc/passwd`: such a file without its leading slash, which the application adds.
fn unrooted(view: &View<'_>, files: &AhoCorasick) -> Option<Range<usize>> {
    let path = view.low.strip_suffix(b"\0").unwrap_or(view.low);
    if path.len() > 64
        || !path.first()?.is_ascii_alphabetic()
        || view.mask.has(Mask::BLANK.and(Mask::LINE))
        || !matches!(view.place, Place::Argument | Place::Cookie | Place::Text)
    {
        return None;
    }
    view.spend(path.len());
    let rooted = [b"/", path].concat();
    let mut out = [0; 96];
    let found = files.find(squeezed(&rooted, &mut out))?;
    let is_system = [&b"etc"[..], b"proc", b"windows", b"winnt"].contains(&view.word(0));
    (found.start() == 0 && is_system).then_some(0..path.len())
}

/// Whether a path at `at` begins there, as the value or an assigned one.
fn is_rooted(view: &View<'_>, at: usize) -> bool {
    if view.is_prose() || view.place == Place::Raw {
        return false;
    }
    if at == 0 {
        return true;
    }
    let before = view.at(at - 1);
    // `/home/anna/.ssh/id_rsa`: a file that is secret in any directory.
    let head = &view.low[..at];
    let is_hidden = view.starts(at, b"/.") || view.starts(at, b"id_rsa");
    // `member/.htpasswd`
    if view.starts(at, b".ht")
        && view.place == Place::Argument
        && head.ends_with(b"/")
        && !head.iter().any(|byte| ends_path(*byte))
    {
        return true;
    }
    if is_hidden
        && matches!(head[0], b'/' | b'~')
        && view.place != Place::Path
        && !head.iter().any(|byte| ends_path(*byte))
    {
        return true;
    }
    // `cat /etc/passwd`
    if before == b' ' && words::COMMANDS.binary_search(&view.word_before(at - 1)).is_ok() {
        return true;
    }
    match view.place {
        Place::Path => {
            matches!(before, b'/' | b'\\' | b':' | b';') || view.at(at) == b'/' && at <= 24
        }
        // `C:/windows/win.ini` in place of a product name.
        Place::Agent => at < 4,
        Place::Text | Place::Whole => {
            matches!(before, b'=' | b':' | b'@') || before == b'/' && view.at(at) != b'/' && at < 3
        }
        _ => {
            matches!(before, b'=' | b':' | b'"' | b'\'' | b'(' | b'@' | b',' | 0)
                || matches!(before, b'/' | b'\\')
                    && view.low[..at - 1].iter().all(|byte| {
                        matches!(byte, b'/' | b'\\' | b'.' | b':')
                            || byte.is_ascii_alphabetic() && at < 4
                    })
        }
    }
}
