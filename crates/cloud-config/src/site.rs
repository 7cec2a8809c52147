//! The address under which browsers see the Console. Links, redirects, cookies and the check of `Origin` depend on it.
//!
//! It comes from `--public-url`, or else from the request: `Host`, and from a `--trusted-proxy` also
//! `X-Forwarded-Proto`, `X-Forwarded-Host`, `X-Forwarded-Port` and `X-Forwarded-Prefix`.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU16;
use std::str::FromStr;

use axum::http::HeaderMap;
use axum::http::uri::Authority;
use ipnet::IpNet;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A TCP client.
    Ip(IpAddr),
    /// A client of a Unix-domain socket.
    Unix,
}

/// Peers whose `X-Forwarded-*` headers are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedProxy {
    /// All addresses of a network.
    Network(IpNet),
    /// Every client of a Unix-domain socket, as in NGINX's `set_real_ip_from unix:`.
    Unix,
}

impl TrustedProxy {
    /// The network, if its address has host bits set, which are ignored.
    pub fn with_low_bits(&self) -> Option<IpNet> {
        match self {
            TrustedProxy::Network(network) => Some(*network).filter(|it| it.trunc() != *it),
            TrustedProxy::Unix => None,
        }
    }

    fn includes(&self, peer: Peer) -> bool {
        match (self, peer) {
            // Either may be an IPv4-mapped IPv6 address.
            (TrustedProxy::Network(network), Peer::Ip(ip)) => {
                network.contains(&ip) || network.contains(&ip.to_canonical()) || {
                    let IpAddr::V4(v4) = ip else { return false };
                    network.contains(&IpAddr::V6(v4.to_ipv6_mapped()))
                }
            }
            (TrustedProxy::Unix, Peer::Unix) => true,
            _ => false,
        }
    }
}

impl FromStr for TrustedProxy {
    type Err = ();

    /// Parses `10.0.0.0/8`, `::1` or `unix:`.
    fn from_str(text: &str) -> Result<TrustedProxy, ()> {
        match text {
            "unix:" => Ok(TrustedProxy::Unix),
            _ if text.contains('/') => text.parse().map(TrustedProxy::Network).map_err(drop),
            _ => text.parse::<IpAddr>().map(|ip| TrustedProxy::Network(ip.into())).map_err(drop),
        }
    }
}

/// Scheme of the Console's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Scheme {
    fn parse(text: &str) -> Option<Scheme> {
        match text.to_ascii_lowercase().as_str() {
            "http" => Some(Scheme::Http),
            "https" => Some(Scheme::Https),
            _ => None,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    const fn port(self) -> &'static str {
        match self {
            Scheme::Http => ":80",
            Scheme::Https => ":443",
        }
    }
}

/// The address under which browsers see the Console.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Site {
    /// `None` if no trusted source gives it.
    scheme: Option<Scheme>,
    /// Host in lower case, with its port unless that is the scheme's default. Empty if the request has none.
    host: String,
    /// Path without a trailing slash: empty, or such as `/sessions`.
    prefix: String,
}

impl Site {
    /// Parses a URL with a scheme, a host and an optional path.
    ///
    /// # Errors
    /// The reason why the URL is invalid.
    pub fn parse(url: &str) -> Result<Site, &'static str> {
        let (scheme, rest) = url.split_once("://").ok_or("the scheme is missing")?;
        let scheme = Scheme::parse(scheme).ok_or("the scheme is neither http nor https")?;
        if rest.contains(['?', '#']) {
            return Err("a query or fragment is not possible");
        }
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if host.contains('@') {
            return Err("a user is not possible");
        }
        let host = host_of(host).ok_or("the host is invalid")?;
        let prefix = prefix_of(path).ok_or("the path is invalid")?;
        Ok(Site { scheme: Some(scheme), host: without_default_port(scheme, host), prefix })
    }

    /// The address given by a request: its `Host`, and the `X-Forwarded-*` headers of a trusted proxy.
    pub(crate) fn of_request(
        trusted: &[TrustedProxy],
        peer: Option<Peer>,
        headers: &HeaderMap,
    ) -> Site {
        let is_trusted = peer.is_some_and(|peer| trusted.iter().any(|proxy| proxy.includes(peer)));
        // The trusted proxy has appended the last of several values.
        let forwarded = |name: &str| -> Option<&str> {
            let value = headers.get_all(name).iter().next_back().filter(|_| is_trusted)?;
            value.to_str().ok()?.rsplit(',').next().map(str::trim)
        };
        let scheme = forwarded("x-forwarded-proto").and_then(Scheme::parse);
        let own = || headers.get("host").and_then(|host| host.to_str().ok()).and_then(host_of);
        let host = forwarded("x-forwarded-host").and_then(host_of).or_else(own);
        let prefix = forwarded("x-forwarded-prefix").and_then(prefix_of).unwrap_or_default();
        let port = forwarded("x-forwarded-port").and_then(|port| port.parse().ok());
        let host = with_port(host.unwrap_or_default(), port, scheme);
        let host = scheme.map_or(host.clone(), |scheme| without_default_port(scheme, host));
        Site { scheme, host, prefix }
    }

    /// Whether browsers use TLS, as far as known.
    pub fn is_secure(&self) -> bool {
        self.scheme == Some(Scheme::Https)
    }

    /// The path of a link to `path`, which starts with a slash.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The URL of `path`, which starts with a slash or is empty.
    pub fn url(&self, path: &str) -> String {
        let scheme = self.scheme.unwrap_or(Scheme::Http).as_str();
        format!("{scheme}://{}{}{path}", self.host, self.prefix)
    }

    /// `path` without this site's prefix, for proxies that do not remove it. `None` if the path does not have the
    /// prefix.
    pub fn strip<'a>(&self, path: &'a str) -> Option<&'a str> {
        let rest = path.strip_prefix(&self.prefix).filter(|_| !self.prefix.is_empty())?;
        (rest.is_empty() || rest.starts_with('/')).then_some(rest)
    }

    /// The origin of this site; without its scheme if that is unknown.
    pub fn origin(&self) -> String {
        match self.scheme {
            Some(scheme) => format!("{}://{}", scheme.as_str(), self.host),
            None => self.host.clone(),
        }
    }

    /// Whether `origin`, the value of an `Origin` header, is this site.
    pub fn is_origin(&self, origin: &str) -> bool {
        let Some((scheme, host)) = origin.split_once("://") else { return false };
        let (Some(scheme), Some(host)) = (Scheme::parse(scheme), host_of(host)) else {
            return false;
        };
        let same = |own: &str| {
            without_default_port(scheme, host.clone())
                == without_default_port(scheme, own.to_owned())
        };
        self.scheme.is_none_or(|own| own == scheme) && !self.host.is_empty() && same(&self.host)
    }

    /// Attributes of the Console's cookie.
    pub fn cookie_attributes(&self) -> String {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        format!("Path={}/; HttpOnly; SameSite=Lax{secure}", self.prefix)
    }
}

/// A host with an optional port, normalized as by browsers: lower case, short IPv6 addresses, no leading zeros in the
/// port.
fn host_of(text: &str) -> Option<String> {
    let authority: Authority = text.parse().ok()?;
    let (host, port) = (authority.host(), authority.as_str().strip_prefix(authority.host())?);
    let is_name = |name: &str| {
        let is_valid = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        !name.is_empty() && name.bytes().all(is_valid)
    };
    let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => format!("[{}]", address.parse::<Ipv6Addr>().ok()?),
        None => is_name(host).then(|| host.to_ascii_lowercase())?,
    };
    match port.strip_prefix(':') {
        Some(number) => match number.parse::<u16>().ok()? {
            0 => None,
            number => Some(format!("{host}:{number}")),
        },
        None => port.is_empty().then_some(host),
    }
}

/// Adds the port given by a proxy to a host without one. Ignores the default port of the other scheme, which belongs to
/// an intermediate hop.
fn with_port(host: String, port: Option<NonZeroU16>, scheme: Option<Scheme>) -> String {
    let is_stated = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
    match (port.map(NonZeroU16::get), scheme) {
        (None, _) | (Some(80), Some(Scheme::Https)) | (Some(443), Some(Scheme::Http)) => host,
        _ if host.is_empty() || is_stated => host,
        (Some(port), _) => format!("{host}:{port}"),
    }
}

fn without_default_port(scheme: Scheme, host: String) -> String {
    host.strip_suffix(scheme.port()).map(str::to_owned).unwrap_or(host)
}

/// A path without its trailing slash. Accepts only characters that are safe in links, redirects and cookie paths, and
/// no path that a browser would take for a host (`//host`).
fn prefix_of(path: &str) -> Option<String> {
    let is_valid = |b: u8| b.is_ascii_alphanumeric() || b"-._~/%+=:@".contains(&b);
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    if trimmed.is_empty() {
        return Some(String::new());
    }
    let mut segments = trimmed.strip_prefix('/')?.split('/');
    let is_safe = trimmed.bytes().all(is_valid)
        && segments.all(|segment| !matches!(segment, "" | "." | ".."));
    is_safe.then(|| trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Config;
    use crate::options::Options;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(*name, value.parse().unwrap());
        }
        map
    }

    fn config(trusted: &[&str]) -> Config {
        let trusted_proxy = trusted.iter().map(|text| (*text).to_owned()).collect();
        Config::load(Options { trusted_proxy, ..Options::default() }).unwrap()
    }

    const PROXY: Option<Peer> = Some(Peer::Ip(IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3))));

    #[test]
    fn links_left_the_sub_path() {
        let site = Site::parse("https://Console.Example:443/sessions/").unwrap();
        assert_eq!(site.link("/denylist"), "/sessions/denylist");
        assert_eq!(site.url("/login"), "https://console.example/sessions/login");
        assert_eq!(site.cookie_attributes(), "Path=/sessions/; HttpOnly; SameSite=Lax; Secure");
        assert!(site.is_origin("https://console.example"));
        for other in ["http://console.example", "https://console.example:8443", "null", ""] {
            assert!(!site.is_origin(other), "{other}");
        }
        let plain = Site::parse("http://[::1]:8080").unwrap();
        assert_eq!(plain.cookie_attributes(), "Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(plain.link("/"), "/");
        assert!(plain.is_origin("http://[::1]:8080"));
    }

    #[test]
    fn an_address_in_another_spelling_than_the_browsers_was_another_origin() {
        for (url, origin) in [
            ("http://[2001:0DB8:0:0:0:0:0:1]/s/", "http://[2001:db8::1]"),
            ("https://[::1]:0443/", "https://[::1]"),
            ("http://console.lan:08080", "http://console.lan:8080"),
            // Browsers write the mapped address in hexadecimal digits.
            ("http://[::ffff:192.0.2.1]/", "http://[::ffff:c000:201]"),
        ] {
            assert!(Site::parse(url).unwrap().is_origin(origin), "{url}");
        }
    }

    #[test]
    fn a_public_url_without_scheme_host_or_with_more_is_refused() {
        for wrong in [
            "console.example",
            "/sessions/",
            "ftp://console.example/",
            "https://",
            "https:///sessions",
            "https://a b/",
            "https://a:port/",
            "https://a:/",
            "https://a:0/",
            "https://a:70000/",
            "https://[::1",
            "https://[abc]/",
            "https://user:word@a/",
            "https://a/?x=1",
            "https://a/#x",
            "https://a//b/",
            "https://a/../b",
            "https://a/b;c",
            "https://a/b\"c",
            "https://a/é",
        ] {
            assert!(Site::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn forwarded_headers_count_from_trusted_proxies_alone() {
        let sent = headers(&[
            ("host", "127.0.0.1:8700"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "console.example"),
            ("x-forwarded-prefix", "/sessions"),
        ]);
        let trusting = config(&["10.0.0.0/8"]);
        let site = trusting.site(PROXY, &sent);
        assert_eq!(site, Site::parse("https://console.example/sessions").unwrap());
        let unknown = Site { host: "127.0.0.1:8700".into(), ..Site::default() };
        assert_eq!(config(&[]).site(PROXY, &sent), unknown);
        assert_eq!(config(&["10.1.2.4", "unix:"]).site(PROXY, &sent), unknown);
        assert_eq!(trusting.site(Some(Peer::Unix), &sent), unknown);
        assert_eq!(trusting.site(None, &sent), unknown);
        assert_eq!(config(&["unix:"]).site(Some(Peer::Unix), &sent), site);
        // A dual-stack listener sees IPv4 clients as mapped addresses.
        let mapped = Some(Peer::Ip("::ffff:10.1.2.3".parse().unwrap()));
        assert_eq!(trusting.site(mapped, &sent), site);
        for network in ["::ffff:10.1.2.3", "::ffff:10.0.0.0/104"] {
            assert_eq!(config(&[network]).site(PROXY, &sent), site, "{network}");
            assert_eq!(config(&[network]).site(mapped, &sent), site, "{network}");
        }
        assert_eq!(config(&["::/96"]).site(PROXY, &sent), unknown);
    }

    #[test]
    fn a_port_that_a_proxy_forwards_was_not_the_browsers() {
        for (sent, expected) in [
            (
                &[("x-forwarded-host", "a.example"), ("x-forwarded-port", "8443")][..],
                "a.example:8443",
            ),
            (
                &[("x-forwarded-host", "a.example:444"), ("x-forwarded-port", "8443")],
                "a.example:444",
            ),
            (&[("x-forwarded-host", "a.example"), ("x-forwarded-port", "443")], "a.example"),
            // From a plain-HTTP hop behind the one that terminates TLS.
            (&[("x-forwarded-host", "a.example"), ("x-forwarded-port", "80")], "a.example"),
            (&[("host", "a.example"), ("x-forwarded-port", "8443")], "a.example:8443"),
            (&[("host", "[::1]"), ("x-forwarded-port", "8443")], "[::1]:8443"),
            (&[("host", "[::1]:9"), ("x-forwarded-port", "8443")], "[::1]:9"),
            (&[("host", "a.example"), ("x-forwarded-port", "1, 8443")], "a.example:8443"),
            (&[("host", "a.example"), ("x-forwarded-port", "0")], "a.example"),
            (&[("host", "a.example"), ("x-forwarded-port", "x@evil.example")], "a.example"),
        ] {
            let sent = headers(&[sent, &[("x-forwarded-proto", "https")]].concat());
            let site = config(&["10.0.0.0/8"]).site(PROXY, &sent);
            assert_eq!(site, Site::parse(&format!("https://{expected}")).unwrap());
            let stranger = config(&[]).site(PROXY, &sent);
            assert!(!stranger.host.contains("8443"), "{stranger:?}");
        }
    }

    #[test]
    fn a_client_forged_forwarded_headers_through_a_proxy_that_appends() {
        let sent = headers(&[
            ("host", "own.example"),
            ("x-forwarded-host", "evil.example, console.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "//evil.example"),
        ]);
        let site = config(&["10.0.0.0/8"]).site(PROXY, &sent);
        assert_eq!(site, Site::parse("https://console.example").unwrap());
    }

    #[test]
    fn the_scheme_of_an_origin_counts_only_where_it_is_known() {
        let site = config(&[]).site(None, &headers(&[("host", "Console.example")]));
        assert!(site.is_origin("http://console.example"));
        assert!(site.is_origin("https://console.example"));
        assert!(!site.is_origin("https://evil.example"));
        assert!(!Site::default().is_origin("http://"));
    }

    proptest! {
        #[test]
        fn no_prefix_leads_to_another_host(path in "\\PC{0,40}") {
            let sent = headers(&[("host", "a")]);
            let mut sent = sent;
            if let Ok(value) = path.parse() { sent.insert("x-forwarded-prefix", value); }
            let link = config(&["10.0.0.0/8"]).site(PROXY, &sent).link("/x");
            prop_assert!(link.starts_with('/') && !link.starts_with("//") && link.ends_with("/x"));
            prop_assert!(!link.contains(['\\', ';', '"', '<', ' ', '?', '#']));
        }

        #[test]
        fn a_parsed_url_is_its_own_origin(url in "https?://[a-z0-9.:\\[\\]-]{1,20}(/[a-z./]{0,10})?") {
            if let Ok(site) = Site::parse(&url) {
                prop_assert_eq!(Site::parse(&site.url("")).unwrap(), site.clone());
                let origin = url.split('/').take(3).collect::<Vec<_>>().join("/");
                prop_assert!(site.is_origin(&origin));
            }
        }
    }
}
