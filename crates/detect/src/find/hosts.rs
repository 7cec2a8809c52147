//! URLs of hosts that only a server itself reaches: its own, its network's, in the ways of writing that hide them.

use std::ops::Range;

use api_sessions_values::{Place, View};

/// Names that resolve to addresses written in them, and to the host itself.
const RESOLVERS: &[&[u8]] = &[
    b"nip.io",
    b"xip.io",
    b"sslip.io",
    b"localtest.me",
    b"lvh.me",
    b"vcap.me",
    b"lacolhost.com",
    b"rbndr.us",
    b"localdomain.pw",
    b"1u.ms",
];
/// Where a client of its own asks to be sent back to (RFC 8252, 7.3).
const RETURNS: &[&[u8]] =
    &[b"callback", b"redirect", b"return", b"oauth", b"signin", b"login", b"auth/", b"origin"];

/// Whether the URL whose scheme stands in `start..colon` asks for such a host.
pub(super) fn is_inside(view: &View<'_>, start: usize, colon: usize) -> bool {
    if matches!(view.place, Place::Raw | Place::Link | Place::Whole) || view.is_prose() {
        return false;
    }
    let host = host(view, colon);
    let text = &view.low[host.clone()];
    view.spend(text.len() + 8);
    if text.is_empty() {
        return false;
    }
    // Readers of URLs disagree where such a host ends.
    let is_torn = matches!(view.at(host.end), b'\\' | 0) && host.end < view.low.len()
        || view.starts(host.end, b"#@");
    if is_hidden(text) || is_own(text) && is_torn {
        return true;
    }
    // A value that is nothing but the URL, of an argument.
    let rest = view.window(host.end, 200);
    let returns = RETURNS.iter().any(|word| memchr::memmem::find(rest, word).is_some());
    let is_asked =
        is_service(rest) || PAGES.iter().any(|page| memchr::memmem::find(rest, page).is_some());
    is_own(text) && start == 0 && view.place == Place::Argument && !returns && is_asked
}

/// Pages that are meant for nobody outside.
const PAGES: &[&[u8]] = &[
    b"/admin",
    b"/server-status",
    b"/latest/",
    b"/manager",
    b"/actuator",
    b"/console",
    b"/metadata",
    b"/internal",
    b"/status",
    b"/_cat",
    b"/secret",
    b"/flag",
    b"/private",
    b"/debug",
];

/// Behind the host no port, or that of a service of the system; applications under development have higher ones.
fn is_service(rest: &[u8]) -> bool {
    const SERVICES: &[u32] =
        &[2375, 2379, 3306, 5432, 5601, 5984, 6379, 8500, 9200, 10250, 11211, 15672, 27017];
    let Some(port) = rest.strip_prefix(b":") else { return true };
    let port = port.iter().take(5).map_while(|byte| (*byte as char).to_digit(10));
    let port = port.fold(0, |port, digit| port * 10 + digit);
    port < 1024 || SERVICES.contains(&port)
}

/// Between the slashes, or the `@`, and the port.
fn host(view: &View<'_>, colon: usize) -> Range<usize> {
    let begin = colon
        + 1
        + view.window(colon + 1, 4).iter().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
    let window = view.window(begin, 128);
    let end = window
        .iter()
        .position(|byte| {
            matches!(byte, b'/' | b'\\' | b'?' | b'#' | b'"' | b'\'' | b' ' | b'<' | b'>')
        })
        .unwrap_or(window.len());
    let from = memchr::memrchr(b'@', &window[..end]).map_or(0, |at| at + 1);
    let port = match window.get(from) {
        Some(b'[') => memchr::memchr(b']', &window[from..end]).map_or(end, |at| from + at + 1),
        _ => memchr::memchr(b':', &window[from..end]).map_or(end, |at| from + at),
    };
    begin + from..begin + port
}

/// Nobody who may writes addresses so: in one number, in octal or hexadecimal, cut, as IPv6 of IPv4.
fn is_hidden(host: &[u8]) -> bool {
    let host = host.strip_suffix(b".").unwrap_or(host);
    if let Some(inner) = host.strip_prefix(b"[") {
        let inner = inner.strip_suffix(b"]").unwrap_or(inner);
        return inner.starts_with(b"::")
            || inner.starts_with(b"0:0")
            || inner.starts_with(b"0000:")
            || inner.starts_with(b"fd00:ec2")
            || inner.contains(&b'%');
    }
    if RESOLVERS.iter().any(|name| host.ends_with(name)) {
        return true;
    }
    let is_number = |part: &[u8]| {
        let digits = part.strip_prefix(b"0x").unwrap_or(part);
        let is_hex = digits.len() < part.len();
        !digits.is_empty()
            && digits
                .iter()
                .all(|byte| if is_hex { byte.is_ascii_hexdigit() } else { byte.is_ascii_digit() })
    };
    let mut parts = host.split(|byte| *byte == b'.');
    if !parts.clone().all(is_number) {
        return false;
    }
    let count = parts.clone().count();
    let is_odd = |part: &[u8]| {
        part.starts_with(b"0x") || part.len() > 1 && part.starts_with(b"0") || part.len() > 3
    };
    count < 4 && host.len() > 2 || parts.any(is_odd)
}

/// The server itself, a private network, link-local addresses.
fn is_own(host: &[u8]) -> bool {
    let private = || {
        let mut parts = host.split(|byte| *byte == b'.');
        let is_address = parts.clone().count() == 4
            && parts.clone().all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_digit));
        let second = |from: u8, to: u8| {
            let number = host
                .split(|byte| *byte == b'.')
                .nth(1)
                .and_then(|part| std::str::from_utf8(part).ok());
            number
                .and_then(|part| part.parse::<u8>().ok())
                .is_some_and(|part| (from..=to).contains(&part))
        };
        is_address
            && match parts.next() {
                Some(b"127" | b"10" | b"0") => true,
                Some(b"172") => second(16, 31),
                Some(b"192") => second(168, 168),
                Some(b"169") => second(254, 254),
                _ => false,
            }
    };
    matches!(
        host,
        b"localhost"
            | b"metadata"
            | b"instance-data"
            | b"kubernetes.default.svc"
            | b"host.docker.internal"
    ) || host.ends_with(b".internal")
        || private()
}
