//! Encodes a finished request as a line.

use api_sessions_protocol::limits::MAX_RECORD_BYTES;
use api_sessions_protocol::{FullRequest, LinkReason, ParamType, RuleHit, SessionId};

use super::line::{Line, Shown};
use super::options::RecordOptions;
use super::read::Values;
use super::{evidence, line};
use crate::limits::{MAX_FIELD_BYTES, MAX_PATH_BYTES};
use api_sessions_detect::Finding;
use api_sessions_extract::KeyExport;
use api_sessions_extract::{Exchange, Ja4Form, Point, Scratch, Side};
use api_sessions_identity::Resolution;
use api_sessions_redact::{HIDDEN, Places, Rule, Secrets, cut, full_request, hide_path};

/// Fields of a record besides its session and parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestMeta<'f> {
    /// `$request_id`.
    pub id: &'f [u8],
    /// Start of the request, milliseconds since 1970.
    pub ts: u64,
    /// Name of the node.
    pub node: &'f str,
    /// Application, if the location has one.
    pub app: Option<&'f [u8]>,
    /// Protocol of the request: `HTTP/1.1`.
    pub proto: &'f [u8],
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Response status.
    pub status: u16,
    /// Time until the last byte was sent to the client, milliseconds.
    pub time_ms: u64,
    /// Time that the upstream servers took, milliseconds; `None` without one.
    pub upstream_ms: Option<u64>,
    /// Bytes received from the client, headers included.
    pub request_bytes: u64,
    /// Bytes sent to the client, headers included.
    pub response_bytes: u64,
    /// Refused by the denylist, or would have been if enforced.
    pub denied: bool,
    /// Types of attack; if there are any, the record includes the full content.
    pub attacks: &'f [&'f str],
    /// Session rules that fired for the request or refused it.
    pub rules: &'f [RuleHit<'f>],
    /// Findings of the detectors.
    pub findings: &'f [Finding],
    /// Ids of identifiers that the exchange issued to the session.
    pub links: &'f [(SessionId, LinkReason)],
    /// The previous session of this client, with another user.
    pub previous: Option<SessionId>,
}

/// Writes records. Its buffers are reused from record to record.
#[derive(Default)]
pub struct RecordEncoder {
    values: Values,
    secrets: Secrets,
    line: Vec<u8>,
}

impl RecordEncoder {
    /// The record of a request as one line, newline included, at most [`MAX_RECORD_BYTES`] long. A longer one loses its
    /// content first, then most of its parameters' values; so no record is dropped here for its length.
    ///
    /// `found` is the value that identified the session.
    pub fn encode<X: Exchange + ?Sized>(
        &mut self,
        facts: &RequestMeta<'_>,
        settings: &RecordOptions<'_>,
        resolution: &Resolution<'_>,
        found: &[u8],
        exchange: &X,
        scratch: &mut Scratch,
    ) -> &[u8] {
        let Self { values, secrets, line } = self;
        values.read(settings, resolution, found, exchange, scratch, secrets);
        // Hidden before it is cut: a cut could leave half a secret, which would no longer be recognised.
        let mut field = |bytes| cut(secrets.hide_field(bytes), MAX_FIELD_BYTES);
        let mut present = |bytes: Option<_>| bytes.map(&mut field).filter(|text| !text.is_empty());
        let (app, proto) = (present(facts.app), present(Some(facts.proto)));
        let ua = present(exchange.header(Side::Request, b"user-agent"));
        let host = present(exchange.host().map(|host| placeholder(values.host, host)));
        let method = present(Some(exchange.method()));
        let ip = present(Some(placeholder(values.ip, exchange.ip()))).unwrap_or_default();
        let ja4 = present(exchange.ja4(Ja4Form::Plain));
        // A rule that hides JA4 applies to its stable form as well.
        let is_ja4_hidden = ja4 == Some(HIDDEN.as_bytes());
        let ja4_stable = match exchange.ja4(Ja4Form::Stable) {
            Some(_) if is_ja4_hidden => Some(HIDDEN.as_bytes()),
            form => present(form),
        };
        let path = hide_path(exchange.path(), &values.segments, &values.shown_segments, secrets);
        let session = resolution.id.to_hex();
        let params = || values.shown(settings, resolution);
        let mut fields = Line {
            id: cut(facts.id, MAX_FIELD_BYTES),
            ts: facts.ts,
            node: facts.node.as_bytes(),
            session: &session,
            key: resolution.label.as_str().as_bytes(),
            source: resolution.source(),
            app,
            ip,
            ua,
            host,
            method,
            path: Some(cut(&path, MAX_PATH_BYTES)).filter(|path| !path.is_empty()),
            proto,
            scheme: Some(facts.scheme),
            ja4,
            ja4_stable,
            status: facts.status,
            time_ms: facts.time_ms,
            upstream_ms: facts.upstream_ms,
            request_bytes: facts.request_bytes,
            response_bytes: facts.response_bytes,
            user: values.named(ParamType::User, settings, resolution),
            role: values.named(ParamType::Role, settings, resolution),
            attacks: facts.attacks,
            rules: facts.rules,
            evidence: Vec::new(),
            links: facts.links,
            previous: facts.previous,
            denied: facts.denied,
            request: None,
        };
        if !facts.attacks.is_empty() {
            let hidden = Places::new(hidden(settings));
            let shown = Places::new(settings.shown.iter());
            let rule = Rule {
                content: settings.content,
                proto: facts.proto,
                hasher: settings.hasher,
                hidden: &hidden,
                shown: &shown,
            };
            let full = full_request(exchange, &rule, secrets);
            fields.evidence = evidence::of(facts.findings, &full);
            fields.request = Some(full);
        }

        line.clear();
        line::write(&fields, params(), line);
        if line.len() >= MAX_RECORD_BYTES {
            // Without its content rather than not at all.
            fields.request =
                fields.request.map(|_| FullRequest { truncated: true, ..FullRequest::default() });
            line.clear();
            line::write(&fields, params(), line);
        }
        if line.len() >= MAX_RECORD_BYTES {
            // Hundreds of parameters with thousands of bytes each that JSON escapes.
            line.clear();
            line::write(&fields, params().map(Shown::cut_short), line);
        }
        line.push(b'\n');
        line
    }
}

fn placeholder(hide: bool, text: &[u8]) -> &[u8] {
    if hide { HIDDEN.as_bytes() } else { text }
}

/// Points whose values are masked.
fn hidden<'s>(settings: &RecordOptions<'s>) -> impl Iterator<Item = &'s Point> {
    let keys = settings.keys.own.iter().filter(|key| key.export != KeyExport::Plain);
    let params = settings.params.iter().filter(|param| param.hash);
    keys.map(|key| &key.point).chain(params.map(|param| &param.point)).chain(settings.masks)
}

#[cfg(test)]
mod tests;
