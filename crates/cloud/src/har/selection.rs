//! Selects the entries of a HAR file that a node would have seen.

use std::collections::BTreeMap;

use api_sessions_store::clock;

use super::entry::Entry;
use super::exchange::HarExchange;

/// The hosts that the node serves, and counts of the entries left out.
#[derive(Debug, Default)]
pub(super) struct Selection {
    /// In lower case. If none is given, the host of the first request.
    pub(super) hosts: Vec<String>,
    /// Number of requests to each other host.
    pub(super) other_hosts: BTreeMap<String, usize>,
    /// Answered from the browser's cache.
    pub(super) from_cache: usize,
    /// Without a response.
    pub(super) unanswered: usize,
    /// Requests that are not HTTP, such as `data:`.
    pub(super) not_http: usize,
    /// Start of the last entry, ms since 1970.
    last_ms: u64,
    /// Number of requests that a node would have seen.
    pub(super) selected: usize,
    /// Number of these whose time cannot be parsed.
    pub(super) without_time: usize,
    /// Whether any of them has cookies or credentials.
    pub(super) has_credentials: bool,
}

impl Selection {
    /// Selects these hosts; if there are none, that of the first request.
    pub(super) fn new(hosts: Vec<String>) -> Self {
        let hosts = hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        Self { hosts, ..Self::default() }
    }

    /// Returns the request if the node would have seen it.
    pub(super) fn select(&mut self, entry: Entry) -> Option<HarExchange> {
        let is_cached = !entry.from_cache.is_empty();
        let has_time = clock::parse_ms(&entry.started_date_time).is_some();
        let Some(request) = HarExchange::new(entry, self.last_ms) else {
            self.not_http += 1;
            return None;
        };
        self.last_ms = request.started_ms;
        if self.hosts.is_empty() {
            self.hosts.push(request.host.clone());
        }
        if !self.hosts.contains(&request.host) {
            *self.other_hosts.entry(request.host).or_default() += 1;
            return None;
        }
        if is_cached {
            self.from_cache += 1;
            return None;
        }
        if request.status.is_none() {
            self.unanswered += 1;
            return None;
        }
        self.selected += 1;
        self.without_time += usize::from(!has_time);
        self.has_credentials |= request.has_credentials();
        Some(request)
    }
}
