//! One attempt to post a batch, and the meaning of the response (docs/export.md).

mod explain;
mod transport;
mod trust;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use api_sessions_protocol::{IDEMPOTENCY_KEY, NDJSON};
use flate2::Compression;
use flate2::write::GzEncoder;
use ureq::Agent;
use ureq::config::Config;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Uri, header};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector, NextTimeout, TcpConnector};

use super::settings::{Endpoint, ExportSettings};
use crate::limits::{MAX_ANSWER_BYTES, MAX_QUOTED_CHARS};
pub(crate) use explain::explain;
use transport::{TlsConnector, UnixConnector};
pub use trust::check_certificates;
use trust::tls_config;

/// Outcome of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Durably stored.
    Stored,
    /// The batch itself is invalid: no retry would succeed.
    Refused(String),
    /// Too large: send it again in smaller parts.
    TooLarge,
    /// Keep it and retry.
    NotNow {
        reason: String,
        /// `Retry-After`.
        after: Option<Duration>,
    },
}

pub(super) struct Client {
    /// The client, or why there is none.
    agent: Result<Agent, String>,
    url: String,
    facts_url: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
    gzip: bool,
    timeout: Duration,
    /// Buffer, reused from batch to batch.
    compressed: Vec<u8>,
}

impl Client {
    pub(super) fn new(settings: &ExportSettings) -> Self {
        Self {
            agent: agent(&settings.endpoint, settings.ca_pem.as_deref()),
            url: settings.endpoint.records().to_owned(),
            facts_url: settings.endpoint.facts().map(str::to_owned),
            headers: settings.headers(),
            gzip: settings.gzip,
            timeout: settings.timeout,
            compressed: Vec::new(),
        }
    }

    /// Posts records or key facts under a name, within `limit` or the configured timeout, whichever is shorter.
    pub(super) fn post(
        &mut self,
        (name, lines): (&str, &[u8]),
        are_facts: bool,
        limit: Option<Duration>,
    ) -> Answer {
        let url = match (are_facts, &self.facts_url) {
            (false, _) => &self.url,
            (true, Some(url)) => url,
            (true, None) => return Answer::Refused("has no place for facts".to_owned()),
        };
        let timeout = limit.map_or(self.timeout, |limit| limit.min(self.timeout));
        let agent = match &self.agent {
            Ok(agent) => agent,
            Err(reason) => return Answer::NotNow { reason: reason.clone(), after: None },
        };
        let mut request = agent
            .post(url)
            .header(header::CONTENT_TYPE, NDJSON)
            .header(IDEMPOTENCY_KEY, name)
            .config()
            .timeout_global(Some(timeout))
            .build();
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let body = match self.gzip.then(|| compress(lines, &mut self.compressed)) {
            Some(Ok(())) => {
                request = request.header(header::CONTENT_ENCODING, "gzip");
                &self.compressed[..]
            }
            _ => lines,
        };
        match request.send(body) {
            Ok(response) => meaning(response),
            Err(error) => Answer::NotNow { reason: explain(&error), after: None },
        }
    }
}

fn meaning(mut response: Response<ureq::Body>) -> Answer {
    let status = response.status();
    let after = response
        .headers()
        .get(header::RETRY_AFTER)
        .and_then(|value| pause(value.to_str().ok()?.trim(), SystemTime::now()));
    // Read to the end, so that the connection can be reused.
    let body = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_vec();
    if status.is_success() {
        return Answer::Stored;
    }
    let reason = answered(status, response.headers(), &body.unwrap_or_default());
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::UNPROCESSABLE_ENTITY => Answer::Refused(reason),
        StatusCode::PAYLOAD_TOO_LARGE => Answer::TooLarge,
        _ => Answer::NotNow { reason, after },
    }
}

/// The pause in `Retry-After` (RFC 9110, 10.2.3): seconds or a date. `None` for a date in the past.
fn pause(text: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(now).ok()
}

/// An unexpected status, with what the response says of it.
pub(crate) fn answered(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    let code = status.as_u16();
    match headers.get(header::LOCATION).filter(|_| status.is_redirection()) {
        Some(target) => {
            let target = quote(target.as_bytes());
            format!(
                "answered {code}{target} (redirects are not followed: the URL of what answers is expected)"
            )
        }
        None => format!("answered {code}{}", quote(body)),
    }
}

/// The beginning of a text from the receiver, without control characters.
fn quote(text: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(text)
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .take(MAX_QUOTED_CHARS)
        .collect();
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(": {text}") }
}

fn compress(lines: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
    out.clear();
    let mut encoder = GzEncoder::new(out, Compression::fast());
    encoder.write_all(lines)?;
    encoder.finish().map(|_| ())
}

/// An agent that keeps one connection open. No proxy and no redirects: batches go to the configured address only. TLS
/// roots are only read for an `https` address, since the system's take megabytes.
pub(crate) fn agent(endpoint: &Endpoint, ca_pem: Option<&[u8]>) -> Result<Agent, String> {
    let tls = match endpoint.is_tls() {
        true => Some(Arc::new(tls_config(ca_pem)?)),
        false => None,
    };
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .max_idle_connections(1)
        .user_agent(concat!("api-sessions-nginx/", env!("CARGO_PKG_VERSION")))
        .build();
    let connector = UnixConnector(endpoint.socket().map(Path::to_owned))
        .chain(TcpConnector::default())
        .chain(TlsConnector(tls));
    Ok(match endpoint.socket() {
        Some(_) => Agent::with_parts(config, connector, NoResolver),
        None => Agent::with_parts(config, connector, DefaultResolver::default()),
    })
}

/// For a Unix-domain socket, which has no host to look up.
#[derive(Debug)]
struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(
        &self,
        _uri: &Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_as_a_date_was_ignored() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (text, seconds) in [
            ("120", Some(120)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", Some(60)),
            ("Sun Nov  6 08:50:37 1994", Some(60)),
            ("Sun, 06 Nov 1994 08:49:36 GMT", None),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(pause(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
