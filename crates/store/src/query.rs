//! Questions to a store, and its answers, in words that are no engine's own.

use std::collections::BTreeMap;
use std::fmt;

use api_sessions_protocol::Record;
use serde::Serialize;

use super::Paged;

/// Milliseconds of a day.
pub const DAY_MS: u64 = 86_400_000;

/// A UTC day, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(pub u32);

impl Day {
    /// The day that `ts` (ms since 1970) falls into.
    pub fn of(ts: u64) -> Day {
        Day(u32::try_from(ts / DAY_MS).unwrap_or(u32::MAX))
    }

    /// Its first millisecond.
    pub fn start(self) -> u64 {
        u64::from(self.0) * DAY_MS
    }

    /// Reads `2026-11-23`.
    pub fn parse(text: &str) -> Option<Day> {
        crate::clock::parse_ms(&format!("{text}T00:00:00Z")).map(Day::of)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = crate::clock::rfc3339(self.start());
        f.write_str(text.get(..10).unwrap_or(&text))
    }
}

/// One status, or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// `403`
    Code(u16),
    /// `4xx`: the hundreds.
    Class(u16),
}

impl StatusFilter {
    /// Reads `403` or `4xx`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(class) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
            return match class.parse() {
                Ok(class @ 1..=9) if text.len() == 3 => Some(Self::Class(class)),
                _ => None,
            };
        }
        text.parse().ok().filter(|code| *code < 1000).map(Self::Code)
    }

    /// Whether `status` is meant.
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Code(code) => code == status,
            Self::Class(class) => status / 100 == class,
        }
    }

    /// Lowest and highest status meant.
    pub fn range(self) -> (u16, u16) {
        match self {
            Self::Code(code) => (code, code),
            Self::Class(class) => (class * 100, class * 100 + 99),
        }
    }
}

/// What is looked for. Of a session, each filter is met by any of its requests; of a request, all
/// are met by that request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Not before this (ms since 1970): sessions that were active at it or later.
    pub from: Option<u64>,
    /// Not after this (ms since 1970).
    pub to: Option<u64>,
    /// Application, exactly.
    pub application: Option<String>,
    /// Host, exactly.
    pub host: Option<String>,
    /// Client address, exactly.
    pub ip: Option<String>,
    /// User, exactly.
    pub user: Option<String>,
    /// Role, exactly.
    pub role: Option<String>,
    /// Response status or class.
    pub status: Option<StatusFilter>,
    /// Method, exactly.
    pub method: Option<String>,
    /// Type of attack, exactly; `any`: whatever type.
    pub attack: Option<String>,
    /// Part of an endpoint, letters of either case.
    pub endpoint: Option<String>,
    /// Session id.
    pub session: Option<String>,
    /// Whether requests were denied.
    pub denied: Option<bool>,
}

/// Filter word for "any type of attack".
pub const ANY_ATTACK: &str = "any";

impl Filter {
    /// Whether one request meets all of it. `session` is not looked at.
    pub fn matches(&self, request: &StoredRequest) -> bool {
        let record = &request.record;
        let same = |want: &Option<String>, have: Option<&str>| {
            want.as_deref().is_none_or(|want| have == Some(want))
        };
        self.from.is_none_or(|from| record.ts >= from)
            && self.to.is_none_or(|to| record.ts <= to)
            && same(&self.application, record.app.as_deref())
            && same(&self.host, record.host.as_deref())
            && same(&self.ip, Some(&record.ip))
            && same(&self.user, record.user.as_deref())
            && same(&self.role, record.role.as_deref())
            && same(&self.method, Some(&record.method))
            && self.status.is_none_or(|status| status.matches(record.status))
            && self.denied.is_none_or(|denied| record.denied == denied)
            && self.attack.as_deref().is_none_or(|want| {
                if want == ANY_ATTACK {
                    !record.attacks.is_empty()
                } else {
                    record.attacks.iter().any(|attack| attack == want)
                }
            })
            && self.endpoint.as_deref().is_none_or(|want| {
                contains_ignore_case(&record.path, want)
                    || contains_ignore_case(&request.endpoint, want)
            })
    }
}

/// Whether `text` holds `part`, ASCII letters of either case.
pub fn contains_ignore_case(text: &str, part: &str) -> bool {
    let (text, part) = (text.as_bytes(), part.as_bytes());
    part.is_empty() || text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part))
}

/// Order of sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// Time of the newest request.
    #[default]
    LastTs,
    /// Time of the oldest request.
    FirstTs,
    /// Number of requests.
    Requests,
    /// Number of malicious requests.
    Attacks,
    /// Number of denied requests.
    Denied,
    /// Time from the oldest to the newest request.
    Duration,
}

/// A page of sessions that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// What is looked for.
    pub filter: Filter,
    /// By what they are ordered.
    pub sort: Sort,
    /// Smallest first.
    pub ascending: bool,
    /// Most sessions in the page.
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl Paged for SessionQuery {
    fn question(&self) -> String {
        format!("{:?}", (&self.filter, self.sort, self.ascending))
    }

    fn cursor(&mut self) -> &mut Option<String> {
        &mut self.cursor
    }
}

/// A page of one session's requests that is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestQuery {
    /// Session id.
    pub session: String,
    /// What is looked for; its `session` is not looked at.
    pub filter: Filter,
    /// Newest first.
    pub descending: bool,
    /// Most requests in the page.
    pub limit: usize,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

impl Paged for RequestQuery {
    fn question(&self) -> String {
        format!("{:?}", (&self.session, &self.filter, self.descending))
    }

    fn cursor(&mut self) -> &mut Option<String> {
        &mut self.cursor
    }
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Cursor of the next page; `None`: this was the last.
    pub next: Option<String>,
    /// Days whose file could not be read, or not all of it: `2026-11-23`.
    pub incomplete: Vec<String>,
}

/// One page of sessions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionPage {
    /// Sessions that match, on all pages.
    pub total: u64,
    /// This page.
    pub sessions: Vec<SessionSummary>,
    /// Cursor of the next page; `None`: this was the last.
    pub next: Option<String>,
    /// Days whose file could not be read, or not all of it: `2026-11-23`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

/// A session in a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct SessionSummary {
    /// Session id.
    pub session: String,
    /// Start of its oldest request, ms since 1970.
    pub first_ts: u64,
    /// Start of its newest request, ms since 1970.
    pub last_ts: u64,
    /// Number of requests.
    pub requests: u64,
    /// Number of malicious requests.
    pub attacks: u64,
    /// Number of denied requests.
    pub denied: u64,
    /// User last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Role last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Label of the key that identified it.
    pub key: String,
    /// Where the key came from (`key`, `builtin`, `ip_ua`, `ip`).
    pub source: String,
    /// Client addresses, most requests first; at most [`MAX_LISTED`].
    pub ips: Vec<String>,
    /// Hosts, likewise.
    pub hosts: Vec<String>,
    /// Applications, likewise.
    pub applications: Vec<String>,
    /// Types of attack, likewise.
    pub attack_types: Vec<String>,
    /// Endpoints, most requests first, at most [`MAX_ENDPOINTS`], with their counts.
    pub endpoints: Vec<Counted>,
    /// How many endpoints there are, those not listed included.
    pub endpoint_count: u64,
    /// Days it has parts on, oldest first.
    pub days: Vec<String>,
}

/// Most values of one kind in a [`SessionSummary`].
pub const MAX_LISTED: usize = 10;

/// Most endpoints in a [`SessionSummary`].
pub const MAX_ENDPOINTS: usize = 3;

/// A day's part of a session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// `2026-11-23`
    pub day: String,
    /// Start of its oldest request, ms since 1970.
    pub first_ts: u64,
    /// Start of its newest request, ms since 1970.
    pub last_ts: u64,
    /// Number of requests.
    pub requests: u64,
    /// Number of malicious requests.
    pub attacks: u64,
    /// Number of denied requests.
    pub denied: u64,
}

/// Requests of all sessions in a stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// Its begin, ms since 1970; it lasts [`ACTIVITY_MS`].
    pub ts: u64,
    /// Number of requests.
    pub requests: u64,
    /// Number of malicious requests.
    pub attacks: u64,
    /// Number of denied requests.
    pub denied: u64,
}

/// Length of an [`Activity`], ms.
pub const ACTIVITY_MS: u64 = 300_000;

/// How often a value occurs in a session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counted {
    /// The value; `(other)` for all beyond the limit of values kept.
    pub value: String,
    /// Requests that have it.
    pub count: u64,
    /// Of all requests of the session, 0 to 1.
    pub share: f64,
}

/// One session in full.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionDetail {
    /// As in the list.
    #[serde(flatten)]
    pub summary: SessionSummary,
    /// Day parts, oldest first.
    pub parts: Vec<Part>,
    /// Counts and shares by `attack`, `ip`, `method`, `status`, `user`, `role`, `host`,
    /// `endpoint`, `application`, `ua`, `key`; most requests first.
    pub by: BTreeMap<String, Vec<Counted>>,
    /// Days whose file could not be read, or not all of it: `2026-11-23`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

/// A request as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredRequest {
    /// As the node sent it. In lists without its full content.
    #[serde(flatten)]
    pub record: Record<'static>,
    /// Shape of its path.
    pub endpoint: String,
    /// Full content is kept: [`super::Records::request`] has it.
    pub has_content: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_filters() {
        assert_eq!(StatusFilter::parse("403"), Some(StatusFilter::Code(403)));
        assert_eq!(StatusFilter::parse("4xx"), Some(StatusFilter::Class(4)));
        for bad in ["", "xx", "44xx", "0xx", "4x", "abc", "-1", "99999"] {
            assert_eq!(StatusFilter::parse(bad), None, "{bad}");
        }
        assert!(StatusFilter::Class(4).matches(499) && !StatusFilter::Class(4).matches(500));
    }

    #[test]
    fn a_day_is_a_utc_day() {
        let day = Day::parse("2026-11-23").unwrap();
        assert_eq!(Day::of(day.start() + DAY_MS - 1), day);
        assert_eq!(day.to_string(), "2026-11-23");
        assert_eq!(Day::parse("2026-13-01"), None);
    }
}
