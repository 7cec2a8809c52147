//! Where an exporter sends to, and how.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ureq::http::{HeaderName, HeaderValue, header};

use super::spool::SpoolSettings;
use crate::limits::MAX_SOCKET_PATH_BYTES;

/// Settings of `api_sessions_export`, by value: an exporter outlives the configuration it came from.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// Where batches go.
    pub endpoint: Endpoint,
    /// Bearer token.
    pub token: Option<String>,
    /// Additional headers of each batch and sync request.
    pub headers: Vec<ExportHeader>,
    /// Name of the node.
    pub node: String,
    /// Longest time that a record waits for others while the cloud accepts batches.
    pub flush: Duration,
    /// Longest batch, bytes before compression.
    pub batch: usize,
    /// Compress batches.
    pub gzip: bool,
    /// Longest time of one attempt.
    pub timeout: Duration,
    /// PEM certificates to trust instead of the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Longest time for sending or spooling the rest when the worker exits.
    pub shutdown: Duration,
    /// The spool, for records that cannot be sent; without one they only wait in memory.
    pub spool: Option<SpoolSettings>,
}

impl ExportSettings {
    /// All configured headers, including `Authorization` with the token.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let bearer = self.token.as_ref().and_then(|token| {
            let mut value = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
            value.set_sensitive(true);
            Some((header::AUTHORIZATION, value))
        });
        let named = self.headers.iter().map(|header| (header.name.clone(), header.value.clone()));
        bearer.into_iter().chain(named).collect()
    }

    /// Name of a batch, distinct from those of all other nodes.
    pub(super) fn batch_name(&self, name: &str) -> String {
        format!("{}-{name}", token(&self.node))
    }
}

/// A name fit for a header: characters other than ASCII letters, digits, `.`, `-` and `_` become `_`.
fn token(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

/// A header that the operator adds to each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportHeader {
    name: HeaderName,
    value: HeaderValue,
}

/// Why a header cannot be added. Messages do not show the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// No colon, or a name or value with characters that are invalid in a header.
    #[error("\"Name: value\" expected, without control characters")]
    Syntax,
    /// The exporter sets this header itself.
    #[error("header \"{0}\" is set by the exporter")]
    Reserved(String),
}

impl ExportHeader {
    /// Parses `Name: value`.
    ///
    /// # Errors
    /// See [`BadHeader`].
    pub fn parse(line: &str) -> Result<Self, BadHeader> {
        let (name, value) = line.split_once(':').ok_or(BadHeader::Syntax)?;
        let name: HeaderName = name.trim().parse().map_err(|_| BadHeader::Syntax)?;
        let mut value = HeaderValue::from_str(value.trim()).map_err(|_| BadHeader::Syntax)?;
        if value.is_empty() {
            return Err(BadHeader::Syntax);
        }
        let reserved = [
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::CONTENT_LENGTH,
            header::TRANSFER_ENCODING,
            header::CONNECTION,
        ];
        let is_own = name.as_str() == api_sessions_protocol::IDEMPOTENCY_KEY
            || name.as_str().starts_with("api-sessions-");
        if reserved.contains(&name) || is_own {
            return Err(BadHeader::Reserved(name.to_string()));
        }
        value.set_sensitive(true);
        Ok(Self { name, value })
    }

    /// Name in lower case.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }
}

/// A receiver of batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    records: String,
    sync: Option<String>,
    facts: Option<String>,
    socket: Option<PathBuf>,
}

/// A URL that cannot be used as an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Another scheme, no host, credentials, a variable or a fragment.
    #[error(
        "invalid URL \"{0}\": \"http://host[:port][/path]\", \"https://…\" or \"unix:/path[:/path]\" expected, with a port from 1 to 65535, without user, password, fragment or variables (credentials go into \"header_file=\")"
    )]
    Syntax(String),
    /// The path does not fit into `sockaddr_un` (unix(7)).
    #[error("\"unix:{0}\" is too long: a path of at most 107 bytes is accepted")]
    LongSocket(String),
}

/// Path of the API that accepts batches.
const RECORDS: &str = "/v1/records";

impl Endpoint {
    /// Batches go to `{url}/v1/records`. A URL that already ends in that path is used as it is, and so is one with a
    /// query, for receivers that accept NDJSON at an address of their own (`http://host:8123/?query=INSERT…`). A
    /// Unix-domain socket is written `unix:/path`, optionally followed by a colon and a URI; as in `proxy_pass`,
    /// `http://` may precede it.
    ///
    /// # Errors
    /// [`BadUrl`].
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let bad = || BadUrl::Syntax(without_credentials(url));
        let in_proxy_pass = url.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let bare = in_proxy_pass.map_or(url, |scheme| &url[scheme.len()..]);
        let (url, socket) = match bare.strip_prefix("unix:") {
            Some(rest) => {
                let (path, uri) = rest.split_once(':').unwrap_or((rest, ""));
                if !path.starts_with('/') || !(uri.is_empty() || uri.starts_with('/')) {
                    return Err(bad());
                }
                if path.len() > MAX_SOCKET_PATH_BYTES {
                    return Err(BadUrl::LongSocket(path.to_owned()));
                }
                // The host name that NGINX uses for such an upstream.
                (format!("http://localhost{uri}"), Some(PathBuf::from(path)))
            }
            None => (url.to_owned(), None),
        };
        let uri: ureq::http::Uri = url.parse().map_err(|_| bad())?;
        let scheme = uri.scheme_str().ok_or_else(bad)?;
        let authority = uri.authority().ok_or_else(bad)?.as_str();
        let wrong = !matches!(scheme, "http" | "https")
            || uri.host().is_none_or(str::is_empty)
            || !has_usable_port(authority)
            || authority.contains(['@', '$'])
            || url.contains('#');
        if wrong {
            return Err(bad());
        }
        if uri.query().is_some() {
            return Ok(Self { records: url, sync: None, facts: None, socket });
        }
        let base = url.trim_end_matches('/');
        let base = base.strip_suffix(RECORDS).unwrap_or(base);
        Ok(Self {
            records: format!("{base}{RECORDS}"),
            sync: Some(format!("{base}/v1/sync")),
            facts: Some(format!("{base}/v1/key-facts")),
            socket,
        })
    }

    /// Where denylist and settings are polled; `None` for a URL with a query.
    pub fn sync(&self) -> Option<&str> {
        self.sync.as_deref()
    }

    /// Where key facts are posted; `None` for a URL with a query.
    pub fn facts(&self) -> Option<&str> {
        self.facts.as_deref()
    }

    /// For logs. Without the query, which may contain a password.
    pub fn shown(&self) -> String {
        let url = self.records.split('?').next().unwrap_or_default();
        match &self.socket {
            Some(path) => {
                let uri = url.strip_prefix("http://localhost").unwrap_or_default();
                format!("unix:{}:{uri}", path.display())
            }
            None => url.to_owned(),
        }
    }

    /// Where batches are posted.
    pub fn records(&self) -> &str {
        &self.records
    }

    /// The Unix-domain socket, if it is one.
    pub fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    pub(super) fn is_tls(&self) -> bool {
        self.records.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("https://"))
    }
}

/// A URL as shown in an error. What precedes an `@` may be a password and is left out.
fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}…{}", &url[..scheme + 3], &url[at..])
        }
        _ => url.to_owned(),
    }
}

/// Whether there is no port, or one from 1 to 65535: the grammar of URLs accepts any number.
fn has_usable_port(authority: &str) -> bool {
    // The colons of an IPv6 address are in brackets.
    let behind_host = authority.rsplit(']').next().unwrap_or_default();
    match behind_host.rsplit_once(':') {
        Some((_, port)) => port.parse().is_ok_and(|port: u16| port > 0),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lead_to_the_cloud_or_where_they_say() {
        for (url, records) in [
            ("http://127.0.0.1:8700", "http://127.0.0.1:8700/v1/records"),
            ("https://c.example.com/", "https://c.example.com/v1/records"),
            ("https://c.example.com/base", "https://c.example.com/base/v1/records"),
            ("http://[::1]:1", "http://[::1]:1/v1/records"),
            ("http://h:8123/?query=INSERT%20x", "http://h:8123/?query=INSERT%20x"),
            ("http://h/v1/records", "http://h/v1/records"),
            ("http://h/base/v1/records/", "http://h/base/v1/records"),
            ("unix:/run/cloud.sock", "http://localhost/v1/records"),
            ("unix:/run/cloud.sock:/base", "http://localhost/base/v1/records"),
            ("http://unix:/run/cloud.sock", "http://localhost/v1/records"),
            ("HTTP://unix:/run/cloud.sock:/", "http://localhost/v1/records"),
            ("http://unix:/run/cloud.sock:/base?q=1", "http://localhost/base?q=1"),
            ("http://unix/base", "http://unix/base/v1/records"),
            (&format!("unix:/{}", "x".repeat(106)), "http://localhost/v1/records"),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().records(), records);
            assert!(!Endpoint::parse(url).unwrap().shown().contains('?'));
        }
        for bad in [
            "",
            "off",
            "h:80",
            "ftp://h",
            "http://",
            "http://u:p@h",
            "http://h/#f",
            "http://a b",
            "http://h:99999",
            "http://h:0",
            "http://h:",
            "http://[::1]:0/x",
            "unix:run/cloud.sock",
            "unix:/run/cloud.sock:base",
            "unix:",
            "http://unix:",
            "http://unix:run/cloud.sock",
            "https://unix:/run/cloud.sock",
            "http://$backend",
            "http://h:$port",
            &format!("unix:/{}", "x".repeat(107)),
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_in_a_url_was_shown_in_the_error() {
        let error = Endpoint::parse("https://user:secret@host/").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!(error.contains("@host"), "{error}");
    }

    #[test]
    fn headers_are_checked_and_never_shown() {
        let header = ExportHeader::parse("DD-API-KEY: abc").unwrap();
        assert_eq!(header.name(), "dd-api-key");
        assert!(!format!("{header:?}").contains("abc"));
        for bad in ["", "X", "X:", "X: \u{1}", "a b: c", ": v"] {
            assert_eq!(ExportHeader::parse(bad), Err(BadHeader::Syntax), "{bad:?}");
        }
        for own in ["Content-Type: x", "Idempotency-Key: x", "Content-Encoding: x"] {
            assert!(matches!(ExportHeader::parse(own), Err(BadHeader::Reserved(_))), "{own}");
        }
    }
}
