//! The types of what is stored and returned, independent of the engine.

use std::collections::BTreeMap;

use api_sessions_protocol::Record;
use serde::Serialize;
use utoipa::ToSchema;

/// A record and the values the cloud derives from it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRequest {
    /// The record as the node sent it.
    pub record: Record<'static>,
    /// Template of its path ([`crate::path_template::endpoint`]).
    pub endpoint: String,
    /// Line number in its batch, from 0.
    pub line: u32,
}

/// A batch of records.
#[derive(Debug, Default)]
pub struct Batch {
    /// `Idempotency-Key`; a batch without one is stored every time it is sent.
    pub key: Option<String>,
    /// Valid lines.
    pub requests: Vec<NewRequest>,
    /// For a truncated batch, the number of lines received. When the batch is sent again under the same key,
    /// only lines from this one on are stored.
    pub cut: Option<u32>,
}

/// Outcome of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stored {
    /// Requests made durable by this call.
    pub stored: u64,
    /// Requests already stored under the same key.
    pub duplicates: u64,
}

/// One page of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// Items in order.
    pub items: Vec<T>,
    /// Cursor of the next page; `None` on the last.
    pub next: Option<String>,
    /// Days that could not be read completely: `2026-11-23`.
    pub incomplete: Vec<String>,
}

/// One page of sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionPage {
    /// Sessions that match, on all pages; at most 10,000.
    pub total: u64,
    /// More than 10,000 sessions match.
    pub total_is_lower_bound: bool,
    /// Sessions in order.
    pub sessions: Vec<SessionSummary>,
    /// Cursor of the next page; `None` on the last.
    pub next: Option<String>,
    /// Days that could not be read completely: `2026-11-23`.
    pub incomplete: Vec<String>,
}

/// A session in a list.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
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
    /// Most recent user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Most recent role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Label of the key that identified the session.
    pub key: String,
    /// Where the key came from (`key`, `builtin`, `link`, `client`, `ip_ua_ja4`, `ip_ua`, `ip`).
    pub source: String,
    /// Client addresses, most requests first; at most 10.
    pub ips: Vec<String>,
    /// Countries of these (two letters of ISO 3166-1), in the same order and number; absent if none is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub countries: Vec<String>,
    /// Organisations of their networks, in the same order and number; absent if none is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub organisations: Vec<String>,
    /// JA4 of its clients, in the same order and number; absent if none is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ja4: Vec<String>,
    /// Stable forms of these, in the same order and number; absent if none is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ja4_stable: Vec<String>,
    /// All its users, in the same order and number; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<String>,
    /// Number of requests with one of `users`.
    #[serde(skip)]
    pub with_user: u64,
    /// All its roles, in the same order and number; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// Hosts, in the same order and number.
    pub hosts: Vec<String>,
    /// Applications, in the same order and number.
    pub applications: Vec<String>,
    /// Attack types, in the same order and number.
    pub attack_types: Vec<String>,
    /// Endpoints, most requests first, at most 3, with their counts.
    pub endpoints: Vec<ValueCount>,
    /// Number of distinct endpoints, including those not listed.
    pub endpoint_count: u64,
    /// Days with requests of the session, oldest first.
    pub days: Vec<String>,
}

/// Counts of a session on one day.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SessionDay {
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

/// Requests of all sessions in an interval of [`ACTIVITY_MS`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Activity {
    /// Start of the interval, ms since 1970.
    pub ts: u64,
    /// Number of requests.
    pub requests: u64,
    /// Number of malicious requests.
    pub attacks: u64,
    /// Number of denied requests.
    pub denied: u64,
    /// Number of requests with a status from [`FIRST_ERROR`] on.
    pub errors: u64,
}

impl Activity {
    /// Adds the counts of another interval.
    pub fn add(&mut self, other: &Activity) {
        self.requests += other.requests;
        self.attacks += other.attacks;
        self.denied += other.denied;
        self.errors += other.errors;
    }
}

/// The lowest status that counts as an error of the server.
pub const FIRST_ERROR: u16 = 500;

/// Length of an [`Activity`] interval, ms.
pub const ACTIVITY_MS: u64 = 300_000;

/// How often a value occurs in a session.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ValueCount {
    /// The value; `(other)` for all values beyond the limit.
    pub value: String,
    /// Requests with this value.
    pub count: u64,
    /// Share of the session's requests, 0 to 1.
    pub share: f64,
}

/// One session in full.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SessionDetail {
    /// The same values as in a list.
    #[serde(flatten)]
    pub summary: SessionSummary,
    /// Counts by day, oldest first.
    pub parts: Vec<SessionDay>,
    /// Counts and shares by `attack`, `ip`, `method`, `status`, `user`, `role`, `host`,
    /// `endpoint`, `application`, `ua`, `key`, `ja4`, `ja4_stable`, `country`, `asn`, `organisation`; most requests
    /// first.
    pub by: BTreeMap<String, Vec<ValueCount>>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

/// A stored request.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct StoredRequest {
    /// The record as the node sent it; lists omit the full content.
    #[serde(flatten)]
    pub record: Record<'static>,
    /// Template of its path, such as `/users/{int}`.
    pub endpoint: String,
    /// Whether full content is stored; `/v1/requests/{id}` returns it.
    pub has_content: bool,
}

/// Health of a store.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct StoreHealth {
    /// Stored days, oldest first.
    pub days: Vec<DayHealth>,
    /// Error of the last write; `None` if it succeeded.
    pub write_error: Option<String>,
}

/// Health of one day.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct DayHealth {
    /// `2026-11-23`
    pub day: String,
    /// Bytes on disk, write-ahead log included.
    pub bytes: u64,
    /// The reason why the day cannot be read completely.
    pub error: Option<String>,
}
