//! Where an exporter sends to, and how.

use std::time::Duration;

use super::spool::SpoolSettings;

/// ExportSettings of `api_sessions_export`, by value: an exporter outlives the configuration it came from.
#[derive(Debug, Clone)]
pub struct ExportSettings {
    /// Where to.
    pub endpoint: Endpoint,
    /// Bearer token.
    pub token: Option<String>,
    /// Name of the node.
    pub node: String,
    /// Longest time that a record waits for others, if the cloud takes it.
    pub flush: Duration,
    /// Bytes of a batch, before compression.
    pub batch: usize,
    /// Compress batches.
    pub gzip: bool,
    /// Longest time of one attempt.
    pub timeout: Duration,
    /// PEM certificates to trust instead of the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Longest time for what is left when the worker ends.
    pub shutdown: Duration,
    /// Where records wait that cannot be sent; in memory alone if there is none.
    pub spool: Option<SpoolSettings>,
}

impl ExportSettings {
    /// Name of a batch among those of all nodes.
    pub(super) fn batch_name(&self, name: &str) -> String {
        format!("{}-{name}", token(&self.node))
    }
}

/// A name as it may stand in a header: what is not a letter, digit, dot, dash or underscore is one.
fn token(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    name.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

/// A receiver of batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    records: String,
    sync: Option<String>,
}

/// Not a URL that records can be sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid URL \"{0}\": \"http://host[:port][/path]\" or \"https://…\" is accepted, with a port from 1 to 65535, without user, password or fragment"
)]
pub struct BadUrl(String);

impl Endpoint {
    /// `{url}/v1/records`; a URL with a query is used as it is, for receivers that take NDJSON at an
    /// address of their own (`http://host:8123/?query=INSERT…`).
    ///
    /// # Errors
    /// Another scheme, no host, credentials or a fragment.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let bad = || BadUrl(url.to_owned());
        let uri: ureq::http::Uri = url.parse().map_err(|_| bad())?;
        let scheme = uri.scheme_str().ok_or_else(bad)?;
        let authority = uri.authority().ok_or_else(bad)?.as_str();
        let wrong = !matches!(scheme, "http" | "https")
            || uri.host().is_none_or(str::is_empty)
            || !has_usable_port(authority)
            || authority.contains('@')
            || url.contains('#');
        if wrong {
            return Err(bad());
        }
        if uri.query().is_some() {
            return Ok(Self { records: url.to_owned(), sync: None });
        }
        let base = url.trim_end_matches('/');
        Ok(Self { records: format!("{base}/v1/records"), sync: Some(format!("{base}/v1/sync")) })
    }

    /// Where denylist and settings are polled; none for a URL with a query.
    pub fn sync(&self) -> Option<&str> {
        self.sync.as_deref()
    }

    /// As it may stand in a log: a query may hold a password.
    pub fn shown(&self) -> &str {
        self.records.split('?').next().unwrap_or_default()
    }

    /// Where batches are posted.
    pub fn records(&self) -> &str {
        &self.records
    }
}

/// No port, or one from 1 to 65535: the URL's own grammar takes any number.
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
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }
}
