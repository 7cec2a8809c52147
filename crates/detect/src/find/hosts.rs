//! URLs of hosts that only the server can reach: itself and its network, also in notations that disguise
//! them.

use std::ops::Range;

use api_sessions_values::{Place, View};

/// Domains whose names resolve to the address that they contain, or to the host itself.
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
    b"r3dir.me",
    b"localhost.localdomain",
    b"ip6-localhost",
    b"ip6-loopback",
];
/// Metadata services, which tell cloud machines their identity and permissions.
const METADATA: &[&[u8]] = &[
    b"169.254.169.254",
    b"169.254.170.2",
    b"metadata.google.internal",
    b"metadata.azure.internal",
    b"metadata.packet.net",
    b"metadata.platformequinix.com",
    b"metadata.tencentyun.com",
    b"100.100.100.200",
    b"168.63.129.16",
    b"192.0.0.192",
    b"[::ffff:a9fe",
    b"[fd00:ec2::254",
    b"fd00:ec2::254",
    b"[fd20:ce::254",
    b"2852039166",
];
/// Words of redirect URLs: native apps ask to be redirected to a loopback address (RFC 8252, 7.3).
const RETURNS: &[&[u8]] =
    &[b"callback", b"redirect", b"return", b"oauth", b"signin", b"login", b"auth/", b"origin"];

/// Whether the URL with the scheme at `start..colon` requests such a host.
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
    // URL parsers disagree where such a host ends.
    let is_torn = matches!(view.at(host.end), b'\\' | 0) && host.end < view.low.len();
    let is_odd = is_torn || names_other_host(view, colon, host.start);
    if is_hidden(text) || is_own(text) && is_odd || is_second_host(view, host.end) {
        return true;
    }
    if start > 0 && is_passed_on(view, start, text, host.end) {
        return true;
    }
    // Only if the value consists of the URL.
    let rest = view.window(host.end, 200);
    let returns = RETURNS.iter().any(|word| memchr::memmem::find(rest, word).is_some());
    if start > 0 || returns || !is_own(text) {
        return false;
    }
    let is_page = PAGES.iter().any(|page| memchr::memmem::find(rest, page).is_some());
    match view.place {
        Place::Argument => {
            is_page || is_service(rest) || is_loopback(text) && !is_named(view, RETURNS)
        }
        // Applications on an intranet or on the user's own machine (`http://localhost/`) send their own
        // address.
        Place::Text => {
            let is_web = [&b":80"[..], b":443"].iter().any(|port| is_port(rest, port));
            let is_named = !text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'[');
            let is_bare = matches!(rest, b"" | b"/");
            is_page
                || rest.first() == Some(&b':') && !is_web && is_service(rest)
                || !is_named && (is_bare || is_loopback(text) && is_service(rest))
        }
        _ => false,
    }
}

/// Whether the name of the value contains one of the words.
fn is_named(view: &View<'_>, words: &[&[u8]]) -> bool {
    let name = view.name.to_ascii_lowercase();
    words.iter().any(|word| memchr::memmem::find(&name, word).is_some())
}

/// `http://shop.example@10.0.0.1/`: a host in place of the user's name.
fn names_other_host(view: &View<'_>, colon: usize, host: usize) -> bool {
    let user = view.low.get(colon + 1..host).unwrap_or_default();
    let Some(user) = user.strip_suffix(b"@") else { return false };
    let user = user.strip_prefix(b"//").unwrap_or(user);
    user.contains(&b'.') && !user.iter().any(|byte| matches!(byte, b':' | b'@'))
}

/// `a.php?url=http://127.0.0.1:22`: a URL of the host itself in an argument of another.
fn is_passed_on(view: &View<'_>, start: usize, host: &[u8], end: usize) -> bool {
    if view.place != Place::Argument || view.at(start - 1) != b'=' || !is_loopback(host) {
        return false;
    }
    let name = view.word_before(start - 1);
    let returns = RETURNS.iter().any(|word| memchr::memmem::find(name, word).is_some());
    !returns && is_service(view.window(end, 8)) && view.window(end, 8).first() == Some(&b':')
}

/// `http://a#@b/`, `http://a &@b/`, also after a port: URL parsers disagree which of the hosts is requested.
fn is_second_host(view: &View<'_>, end: usize) -> bool {
    let port = view.window(end, 7);
    let port = match port.first() {
        Some(b':') => 1 + port[1..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
        _ => 0,
    };
    let end = end + port;
    [&b"#@"[..], b"# @", b" &@", b" @", b"\\@"].iter().any(|sign| view.starts(end, sign))
}

/// Whether the text begins with that port, and not with a longer number.
fn is_port(rest: &[u8], port: &[u8]) -> bool {
    rest.strip_prefix(port).is_some_and(|rest| !rest.first().is_some_and(u8::is_ascii_digit))
}

/// Whether a host is the metadata service of a cloud.
pub(super) fn is_metadata(host: &[u8]) -> bool {
    METADATA.iter().any(|name| host.starts_with(name))
}

/// Parts of the names of arguments that hold a URL or a host.
const OF_URLS: &[&[u8]] = &[
    b"addr",
    b"dest",
    b"domain",
    b"endpoint",
    b"feed",
    b"fetch",
    b"host",
    b"href",
    b"image",
    b"img",
    b"link",
    b"load",
    b"page",
    b"path",
    b"proxy",
    b"remote",
    b"server",
    b"site",
    b"source",
    b"src",
    b"target",
    b"uri",
    b"url",
];

/// A value that is a path on a cloud's metadata service, without a scheme; or on the host itself, in an argument
/// whose name says that it holds a URL.
pub(super) fn bare(view: &View<'_>) -> Option<Range<usize>> {
    if !matches!(view.place, Place::Argument | Place::Text | Place::Header) {
        return None;
    }
    let signs = view.window(0, 4).iter().take_while(|byte| b"/\\@".contains(byte)).count();
    if let Some(name) = METADATA.iter().find(|name| view.starts(signs, name)) {
        let end = signs + name.len();
        return matches!(view.at(end), b'/' | b'\\' | b':').then_some(0..end);
    }
    if view.place != Place::Argument || view.low.len() > 200 {
        return None;
    }
    let host = view.window(signs, 100);
    let length =
        host.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte));
    let host = &host[..length.count()];
    view.spend(host.len());
    let end = signs + host.len();
    let has_dot = host.contains(&b'.');
    let is_cluster = host.ends_with(b".svc.cluster.local") || host == b"kubernetes.default.svc";
    let is_machine =
        has_dot && (host.ends_with(b".docker.internal") || host == b"host.containers.internal");
    let resolves = has_dot && RESOLVERS.iter().any(|name| host.ends_with(name));
    let is_page = || {
        let is_own = host == b"localhost" || is_loopback(host);
        is_own && view.at(end) == b'/' && is_named(view, OF_URLS) && !is_named(view, RETURNS)
    };
    let found = matches!(view.at(end), b'/' | b':') && (is_cluster || is_machine || resolves);
    (found || is_page()).then_some(0..end)
}

/// Whether a URL of any scheme, with its host after `colon`, hides an address or asks a metadata service.
pub(super) fn is_disguised(view: &View<'_>, colon: usize) -> bool {
    let host = &view.low[host(view, colon)];
    view.spend(host.len());
    is_hidden(host) || is_metadata(host)
}

/// Whether a URL of another protocol, with its host after `colon`, requests an internal server.
pub(super) fn is_local(view: &View<'_>, colon: usize) -> bool {
    let host = &view.low[host(view, colon)];
    is_own(host) || is_hidden(host) || is_metadata(host)
}

/// Pages that are not meant for outside users.
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
    b"/containers/",
    b"/runtime/invocation",
    b"/v1/sys/",
    b"/v1/agent",
    b"/v2/keys",
    b"/v2/credentials",
    b"/computemetadata",
    b"/opc/v",
    b"/heapdump",
    b"/jolokia",
    b"/phpinfo",
    b"/.env",
    b"/.git",
    b"/api/v1/namespaces",
    b"/api/v1/secrets",
    b"/_all_docs",
    b"/_search",
];

/// Whether the port after the host is absent or that of a system service; applications under development use
/// higher ports.
fn is_service(rest: &[u8]) -> bool {
    const SERVICES: &[u32] = &[
        1433, 1521, 2181, 2375, 2376, 2379, 3306, 5432, 5601, 5984, 6379, 6443, 7001, 8009, 8200,
        8500, 9090, 9200, 9300, 10250, 10255, 11211, 15672, 27017,
    ];
    let Some(port) = rest.strip_prefix(b":") else { return true };
    let port = port.iter().take(5).map_while(|byte| (*byte as char).to_digit(10));
    let port = port.fold(0, |port, digit| port * 10 + digit);
    port < 1024 || SERVICES.contains(&port)
}

/// Range of the host: after the slashes or the `@`, and before the port.
fn host(view: &View<'_>, colon: usize) -> Range<usize> {
    let begin = colon
        + 1
        + view.window(colon + 1, 4).iter().take_while(|byte| matches!(byte, b'/' | b'\\')).count();
    let window = view.window(begin, 128);
    let end = window
        .iter()
        .position(|byte| {
            matches!(byte, b'/' | b'\\' | b'?' | b'#' | b'"' | b'\'' | 0..=b' ' | b'<' | b'>')
        })
        .unwrap_or(window.len());
    let from = memchr::memrchr(b'@', &window[..end]).map_or(0, |at| at + 1);
    let port = match window.get(from) {
        Some(b'[') => memchr::memchr(b']', &window[from..end]).map_or(end, |at| from + at + 1),
        _ => memchr::memchr(b':', &window[from..end]).map_or(end, |at| from + at),
    };
    begin + from..begin + port
}

/// Whether an address is written in a notation that hides it: as one number, octal, hexadecimal, shortened,
/// or as IPv4 in IPv6.
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
    let is_of_cloud = matches!(host, b"instance-data" | b"rancher-metadata");
    if RESOLVERS.iter().any(|name| host.ends_with(name))
        || host == b"0"
        || is_of_cloud
        || is_in_name(host)
    {
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
        part.starts_with(b"0x")
            || part.len() > 1 && part.starts_with(b"0")
            || part.len() > 3
            // More than a byte, for parsers that truncate it.
            || part.len() == 3 && part > b"255"
    };
    count < 4 && host.len() > 2 || parts.any(is_odd)
}

/// `127.0.0.1.example.com`: a name that resolves to the address it begins with.
fn is_in_name(host: &[u8]) -> bool {
    if host.starts_with(b"127-0-0-1.") || host.starts_with(b"7f000001.") {
        return true;
    }
    memchr::memchr_iter(b'.', host)
        .nth(3)
        .is_some_and(|end| is_own(&host[..end]) && end + 1 < host.len())
}

/// Whether a host is a loopback, link-local or unspecified IPv4 address.
fn is_loopback(host: &[u8]) -> bool {
    host.starts_with(b"127.") || matches!(host, b"0.0.0.0") || host.starts_with(b"169.254.")
}

/// Whether a host is the server itself or in a private or link-local network.
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
        || host.ends_with(b".svc.cluster.local")
        || [&b"[fe80:"[..], b"[fc", b"[fd"].iter().any(|net| host.starts_with(net))
        || private()
}
