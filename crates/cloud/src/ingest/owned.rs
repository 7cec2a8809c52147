//! Records that outlive the bytes they were read from.

use std::borrow::Cow;

use api_sessions_wire::{FullRequest, Param, Record};

fn cow(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn option(text: Option<Cow<'_, str>>) -> Option<Cow<'static, str>> {
    text.map(cow)
}

/// `record` with its own strings.
pub fn record(record: Record<'_>) -> Record<'static> {
    Record {
        id: cow(record.id),
        ts: record.ts,
        node: cow(record.node),
        session: cow(record.session),
        key: cow(record.key),
        source: record.source,
        app: option(record.app),
        ip: cow(record.ip),
        ua: option(record.ua),
        host: option(record.host),
        method: cow(record.method),
        path: cow(record.path),
        proto: option(record.proto),
        scheme: option(record.scheme),
        status: record.status,
        time_ms: record.time_ms,
        upstream_ms: record.upstream_ms,
        request_bytes: record.request_bytes,
        response_bytes: record.response_bytes,
        user: option(record.user),
        role: option(record.role),
        params: record.params.into_iter().map(param).collect(),
        attacks: record.attacks.into_iter().map(cow).collect(),
        denied: record.denied,
        request: record.request.map(full_request),
    }
}

fn param(param: Param<'_>) -> Param<'static> {
    Param {
        name: cow(param.name),
        value: cow(param.value),
        kind: param.kind,
        hashed: param.hashed,
        truncated: param.truncated,
    }
}

/// `content` with its own strings.
pub fn full_request(content: FullRequest<'_>) -> FullRequest<'static> {
    FullRequest {
        line: cow(content.line),
        headers: content.headers.into_iter().map(|(name, value)| (cow(name), cow(value))).collect(),
        body: option(content.body),
        body_base64: option(content.body_base64),
        truncated: content.truncated,
    }
}
