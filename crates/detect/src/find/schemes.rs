//! URL schemes that read files or reach internal services.

use std::ops::Range;

use super::hosts;
use api_sessions_values::{Mask, Place, View};

/// URL schemes that read files or internal services, at the start of a value or of an assigned one.
pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
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
                    && hosts::is_local(view, colon)
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
                remote(view, colon) || hosts::is_inside(view, start, colon)
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
                    && (name.iter().all(u8::is_ascii_digit) || hosts::is_disguised(view, colon))
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
    is_script || hosts::is_metadata(rest)
}
