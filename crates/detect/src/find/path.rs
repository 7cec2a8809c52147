//! Paths that leave their directory, files that only attackers request, and URL schemes that read files.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{patterns, words};
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

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    share(view)
        .or_else(|| device(view))
        .or_else(|| cut(view))
        .or_else(|| super::hosts::bare(view))
        .or_else(|| scheme(view))
        .or_else(|| climbing(view))
        .or_else(|| dots(view))
        .or_else(|| sensitive(view))
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

/// URL schemes that read files or internal services, at the start of a value or of an assigned one.
fn scheme(view: &View<'_>) -> Option<Range<usize>> {
    const MAX_COLONS: usize = 8;
    let first = view.find(b":")?;
    scheme_at(view, first).or_else(|| {
        // URLs in the arguments of a URL.
        let is_url = view.starts(first, b"://") && !view.mask.has(Mask::BLANK.and(Mask::LINE));
        let rest = memchr::memmem::find_iter(view.from(first + 1), b"://").take(MAX_COLONS);
        rest.take_while(|_| is_url)
            .find_map(|at| scheme_at(view, first + 1 + at))
            .filter(|found| view.at(found.start.wrapping_sub(1)) == b'=')
    })
}

fn scheme_at(view: &View<'_>, colon: usize) -> Option<Range<usize>> {
    let start = view.low[..colon]
        .iter()
        .rposition(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.')
        .map_or(0, |at| at + 1);
    let is_start = start == 0
        || matches!(view.at(start - 1), b'=' | b'/' | b'\\' | b'"' | b'\'' | b':' | b'@');
    let name = &view.low[start..colon];
    let has_slashes = view.starts(colon, b"://") || view.starts(colon, b":\\\\");
    let found = is_start
        && match name {
            b"php" | b"expect" | b"tftp" | b"phar" | b"glob" | b"zlib" | b"compress.zlib"
            | b"compress.bzip2" | b"ogg" | b"rar" | b"ssh2.shell" | b"ssh2.exec" | b"gopher"
            | b"dict" | b"ldapi" | b"netdoc" | b"zip" | b"local_file" | b"local-file" => {
                has_slashes || name == b"netdoc"
            }
            b"ldap" | b"ldaps" | b"rmi" | b"sftp" | b"nfs" | b"smb" => {
                has_slashes && start == 0 && view.place == Place::Argument
            }
            b"redis" | b"rediss" | b"mysql" | b"postgresql" | b"postgres" | b"mongodb"
            | b"memcached" | b"smtp" | b"smtps" | b"imap" | b"pop3" | b"telnet" | b"ssh"
            | b"amqp" | b"tcp" | b"udp" => {
                has_slashes
                    && start == 0
                    && view.place == Place::Argument
                    && super::hosts::is_local(view, colon)
            }
            b"jar" => view.find_within(colon, 200, b"!/").is_some() || view.starts(colon, b":http"),
            b"file" => {
                (view.starts(colon, b":///")
                    || view.starts(colon, b":/")
                    || view.starts(colon, b":\\"))
                    && match view.place {
                        Place::Text => start == 0 && names_root(view.from(colon + 1)),
                        Place::Whole | Place::Raw => false,
                        _ => true,
                    }
            }
            b"data" => {
                view.starts(colon, b"://")
                    || view.find_within(colon, 64, b"pd9wah").is_some()
                    || view.find_within(colon, 64, b"<?").is_some()
            }
            b"http" | b"https" | b"ftp" | b"ws" => {
                remote(view, colon) || super::hosts::is_inside(view, start, colon)
            }
            b"unix" => {
                view.place == Place::Argument
                    && (view.starts(colon, b":/")
                        || view.find_within(colon, 200, b"|http").is_some())
            }
            b"" => false,
            // `0://`: only a lax parser takes a number for a scheme.
            name => {
                has_slashes
                    && start == 0
                    && matches!(view.place, Place::Argument | Place::Text)
                    && (name.iter().all(u8::is_ascii_digit)
                        || super::hosts::is_disguised(view, colon))
            }
        };
    found.then(|| start..(colon + 32).min(view.low.len()))
}

/// `///etc/`, `/c:/windows/`: a system directory, which never holds pages of an application.
fn names_root(path: &[u8]) -> bool {
    const ROOTS: &[&[u8]] =
        &[b"etc/", b"proc/", b"dev/", b"root/", b"sys/", b"c:/windows", b"c:/boot", b"c:\\"];
    let slashes = path.iter().take_while(|byte| **byte == b'/').count();
    let path = &path[slashes..];
    let path = path
        .strip_prefix(b"localhost/")
        .or_else(|| path.strip_prefix(b"127.0.0.1/"))
        .unwrap_or(path);
    ROOTS.iter().any(|root| path.starts_with(root))
}

/// A remote script, with a `?` or NUL that cuts off an appended suffix; or the metadata service of a cloud.
fn remote(view: &View<'_>, colon: usize) -> bool {
    let rest = view.window(colon + 3, 300);
    view.spend(rest.len());
    let end = rest.strip_suffix(b"?").or_else(|| rest.strip_suffix(b"\0"));
    let is_script = end.is_some_and(|url| {
        [&b".txt"[..], b".php", b".gif", b".jpg", b".asp", b".aspx", b".jsp"]
            .iter()
            .any(|suffix| url.ends_with(suffix))
    });
    // `http://192.0.2.1:8080/a?`: an appended suffix becomes its query.
    let by_address = rest
        .iter()
        .take_while(|byte| **byte != b'/')
        .all(|byte| byte.is_ascii_digit() || b".:".contains(byte));
    if rest.ends_with(b"?") && by_address && rest.first().is_some_and(u8::is_ascii_digit) {
        return true;
    }
    is_script || super::hosts::is_metadata(rest)
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

fn ends_path(byte: u8) -> bool {
    byte <= b' ' && byte != 0
        || matches!(
            byte,
            b'"' | b'\'' | b'<' | b'>' | b'|' | b'=' | b'&' | b'?' | b',' | b'(' | b')' | b'`'
        )
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

fn is_sensitive(target: &[u8]) -> bool {
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
fn sensitive(view: &View<'_>) -> Option<Range<usize>> {
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
