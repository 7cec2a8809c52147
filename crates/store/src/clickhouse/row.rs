//! A request as a row.

use api_sessions_protocol::{FullRequest, Param, Record, Source};
use serde::{Deserialize, Serialize};

use crate::{Day, NewRequest, StoredRequest};

/// All columns that a request is made of again, but for its full content.
pub(super) const COLUMNS: &str = "session, ts, batch, line, id, node, key, source, app, ip, ua, host, method, path, \
    endpoint, proto, scheme, status, time_ms, upstream_ms, request_bytes, response_bytes, user, role, params, \
    attacks, denied, notEmpty(content) AS has_content";

/// A row on its way in.
#[derive(Serialize)]
pub(super) struct NewRow<'r> {
    day: String,
    session: &'r str,
    ts: u64,
    batch: &'r str,
    line: u32,
    id: &'r str,
    node: &'r str,
    key: &'r str,
    source: &'static str,
    app: Option<&'r str>,
    ip: &'r str,
    ua: Option<&'r str>,
    host: Option<&'r str>,
    method: &'r str,
    path: &'r str,
    endpoint: &'r str,
    proto: Option<&'r str>,
    scheme: Option<&'r str>,
    status: u16,
    time_ms: u64,
    upstream_ms: Option<u64>,
    request_bytes: u64,
    response_bytes: u64,
    user: Option<&'r str>,
    role: Option<&'r str>,
    params: String,
    attacks: Vec<&'r str>,
    denied: u8,
    content: String,
    arrived: u64,
}

impl<'r> NewRow<'r> {
    /// Of a batch, whose name it carries, and which arrived then (ms since 1970).
    pub(super) fn new(batch: &'r str, request: &'r NewRequest, arrived: u64) -> Self {
        let NewRequest { record, endpoint, line } = request;
        let content = record.request.as_ref().and_then(|full| serde_json::to_string(full).ok());
        NewRow {
            day: Day::of(record.ts).to_string(),
            session: &record.session,
            ts: record.ts,
            batch,
            line: *line,
            id: &record.id,
            node: &record.node,
            key: &record.key,
            source: record.source.as_str(),
            app: record.app.as_deref(),
            ip: &record.ip,
            ua: record.ua.as_deref(),
            host: record.host.as_deref(),
            method: &record.method,
            path: &record.path,
            endpoint,
            proto: record.proto.as_deref(),
            scheme: record.scheme.as_deref(),
            status: record.status,
            time_ms: record.time_ms,
            upstream_ms: record.upstream_ms,
            request_bytes: record.request_bytes,
            response_bytes: record.response_bytes,
            user: record.user.as_deref(),
            role: record.role.as_deref(),
            params: serde_json::to_string(&record.params).unwrap_or_default(),
            attacks: record.attacks.iter().map(|kind| &**kind).collect(),
            denied: record.denied.into(),
            content: content.unwrap_or_default(),
            arrived,
        }
    }
}

/// A row on its way out ([`COLUMNS`]).
#[derive(Deserialize)]
pub(super) struct Row {
    session: String,
    pub(super) ts: u64,
    pub(super) batch: String,
    pub(super) line: u32,
    id: String,
    node: String,
    key: String,
    source: Source,
    app: Option<String>,
    ip: String,
    ua: Option<String>,
    host: Option<String>,
    method: String,
    path: String,
    endpoint: String,
    proto: Option<String>,
    scheme: Option<String>,
    status: u16,
    time_ms: u64,
    upstream_ms: Option<u64>,
    request_bytes: u64,
    response_bytes: u64,
    user: Option<String>,
    role: Option<String>,
    params: String,
    attacks: Vec<String>,
    denied: u8,
    has_content: u8,
    #[serde(default)]
    content: String,
}

impl From<Row> for StoredRequest {
    fn from(row: Row) -> StoredRequest {
        let params: Vec<Param<'_>> = serde_json::from_str(&row.params).unwrap_or_default();
        let content: Option<FullRequest<'_>> = serde_json::from_str(&row.content).ok();
        let record = Record {
            id: row.id.into(),
            ts: row.ts,
            node: row.node.into(),
            session: row.session.into(),
            key: row.key.into(),
            source: row.source,
            app: row.app.map(Into::into),
            ip: row.ip.into(),
            ua: row.ua.map(Into::into),
            host: row.host.map(Into::into),
            method: row.method.into(),
            path: row.path.into(),
            proto: row.proto.map(Into::into),
            scheme: row.scheme.map(Into::into),
            status: row.status,
            time_ms: row.time_ms,
            upstream_ms: row.upstream_ms,
            request_bytes: row.request_bytes,
            response_bytes: row.response_bytes,
            user: row.user.map(Into::into),
            role: row.role.map(Into::into),
            params,
            attacks: row.attacks.into_iter().map(Into::into).collect(),
            denied: row.denied != 0,
            request: content,
        };
        StoredRequest {
            record: record.into_owned(),
            endpoint: row.endpoint,
            has_content: row.has_content != 0,
        }
    }
}
