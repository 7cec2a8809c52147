//! From a finished request to its line.

use std::ops::Range;

use api_sessions_wire::{FullRequest, MAX_RECORD_BYTES, ParamType};

use super::full::{Origin, full_request};
use super::limits::{MAX_FIELD_BYTES, MAX_PATH_BYTES, MAX_VALUE_BYTES, cut};
use super::line::{Line, Shown, Value};
use super::redact::Secrets;
use super::{ContextParam, line};
use crate::point::{Exchange, Point, Scratch, Side};
use crate::session::{FoundBy, Hasher, KeyExport, Keys, Resolution, SessionKey};

/// What a record says of a request, besides its session and parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'f> {
    /// `$request_id`.
    pub id: &'f [u8],
    /// Start of the request, milliseconds since 1970.
    pub ts: u64,
    /// Name of the node.
    pub node: &'f str,
    /// Application.
    pub app: Option<&'f [u8]>,
    /// Protocol.
    pub proto: &'f [u8],
    /// `http` or `https`.
    pub scheme: &'static str,
    /// Response status.
    pub status: u16,
    /// Milliseconds.
    pub time_ms: u64,
    /// Milliseconds.
    pub upstream_ms: Option<u64>,
    /// Bytes.
    pub request_bytes: u64,
    /// Bytes.
    pub response_bytes: u64,
    /// Refused by the denylist, or would have been.
    pub denied: bool,
    /// Types of attack; with any, the full content goes into the record.
    pub attacks: &'f [&'f str],
}

/// What the location says of records.
#[derive(Clone, Copy)]
pub struct Settings<'s> {
    /// Keys that apply.
    pub keys: Keys<'s>,
    /// Context parameters.
    pub params: &'s [ContextParam],
    /// Points whose values nobody may see.
    pub masks: &'s [Point],
    /// Hashes parameters.
    pub hasher: &'s Hasher,
}

/// One value of a parameter, in the encoder's memory.
struct Read {
    /// Place among own keys, then context parameters; `None` for the built-in key.
    of: Option<usize>,
    value: Range<usize>,
}

/// Writes records. Its buffers are used again from record to record.
#[derive(Default)]
pub struct Encoder {
    values: Vec<u8>,
    reads: Vec<Read>,
    secrets: Secrets,
    line: Vec<u8>,
}

impl Encoder {
    /// The record of a request as one line, newline included, at most [`MAX_RECORD_BYTES`] long;
    /// `None` for one that would be longer.
    ///
    /// `found` is the value that identified the session.
    pub fn encode<X: Exchange + ?Sized>(
        &mut self,
        facts: &Facts<'_>,
        settings: &Settings<'_>,
        resolution: &Resolution<'_>,
        found: &[u8],
        exchange: &X,
        scratch: &mut Scratch,
    ) -> Option<&[u8]> {
        self.read_values(settings, resolution, found, exchange, scratch);
        let Self { values, reads, secrets, line } = self;
        let field = |bytes| secrets.hide(cut(bytes, MAX_FIELD_BYTES));
        let present = |bytes: Option<_>| bytes.map(field).filter(|text| !text.is_empty());
        let path = secrets.hide_in_path(exchange.path());
        let session = resolution.id.to_hex();
        let params = || {
            reads.iter().map(|read| {
                let value = values.get(read.value.clone()).unwrap_or_default();
                shown(read, value, settings, resolution, secrets)
            })
        };
        let named = |kind| {
            let is_named = reads.iter().any(|read| meaning(read, settings, resolution).1 == kind);
            let first = || params().find(|param| param.kind == kind);
            is_named.then(first).flatten().map(|param| param.value)
        };
        let mut fields = Line {
            id: cut(facts.id, MAX_FIELD_BYTES),
            ts: facts.ts,
            node: facts.node.as_bytes(),
            session: &session,
            key: resolution.label.as_bytes(),
            source: resolution.found_by.source(),
            app: present(facts.app),
            ip: cut(exchange.ip(), MAX_FIELD_BYTES),
            ua: present(exchange.header(Side::Request, b"user-agent")),
            host: present(exchange.host()),
            method: present(Some(exchange.method())),
            path: Some(cut(&path, MAX_PATH_BYTES)).filter(|path| !path.is_empty()),
            proto: present(Some(facts.proto)),
            scheme: Some(facts.scheme),
            status: facts.status,
            time_ms: facts.time_ms,
            upstream_ms: facts.upstream_ms,
            request_bytes: facts.request_bytes,
            response_bytes: facts.response_bytes,
            user: named(ParamType::User),
            role: named(ParamType::Role),
            attacks: facts.attacks,
            denied: facts.denied,
            request: None,
        };
        if !facts.attacks.is_empty() {
            let origin = Origin { proto: facts.proto };
            fields.request = Some(full_request(exchange, origin, &hidden(settings), secrets));
        }

        line.clear();
        line::write(&fields, params(), line);
        if line.len() >= MAX_RECORD_BYTES && fields.request.is_some() {
            // Without the content rather than not at all.
            let cut = FullRequest { truncated: true, ..FullRequest::default() };
            fields.request = Some(cut);
            line.clear();
            line::write(&fields, params(), line);
        }
        line.push(b'\n');
        (line.len() <= MAX_RECORD_BYTES).then_some(&**line)
    }

    /// Reads all parameters once, and collects what is to be hidden.
    fn read_values<X: Exchange + ?Sized>(
        &mut self,
        settings: &Settings<'_>,
        resolution: &Resolution<'_>,
        found: &[u8],
        exchange: &X,
        scratch: &mut Scratch,
    ) {
        self.values.clear();
        self.reads.clear();
        self.secrets.clear();
        if let FoundBy::Builtin(_) = resolution.found_by {
            self.keep(None, found);
            self.secrets.add(found);
        }
        let own = settings.keys.own;
        for (at, key) in own.iter().enumerate() {
            let value = match resolution.found_by.own() {
                // Read already.
                Some(own) if at == own => Some(found),
                _ => key.point.read(exchange, scratch),
            };
            if let Some(value) = value {
                if key.export != KeyExport::Plain {
                    self.secrets.add(value);
                }
                if key.export != KeyExport::Off {
                    self.keep(Some(at), value);
                }
            }
        }
        for (at, param) in settings.params.iter().enumerate() {
            if let Some(value) = param.point.read(exchange, scratch) {
                if param.hash {
                    self.secrets.add(value);
                }
                self.keep(Some(own.len() + at), value);
            }
        }
        for mask in settings.masks {
            if let Some(value) = mask.read(exchange, scratch) {
                self.secrets.add(value);
            }
        }
    }

    fn keep(&mut self, of: Option<usize>, value: &[u8]) {
        let start = self.values.len();
        self.values.extend_from_slice(value);
        self.reads.push(Read { of, value: start..self.values.len() });
    }
}

/// Points whose values nobody may see in clear.
fn hidden<'s>(settings: &Settings<'s>) -> Vec<&'s Point> {
    let keys = settings.keys.own.iter().filter(|key| key.export != KeyExport::Plain);
    let params = settings.params.iter().filter(|param| param.hash);
    keys.map(|key| &key.point)
        .chain(params.map(|param| &param.point))
        .chain(settings.masks)
        .collect()
}

/// Name and type of a parameter, and whether it is hashed.
fn meaning<'p>(
    read: &Read,
    settings: &Settings<'p>,
    resolution: &Resolution<'p>,
) -> (&'p str, ParamType, bool) {
    let own = settings.keys.own;
    let session =
        |key: &'p SessionKey| (&*key.name, ParamType::Session, key.export != KeyExport::Plain);
    match read.of {
        None => (resolution.label, ParamType::Session, true),
        Some(at) => match own.get(at) {
            Some(key) => session(key),
            None => match settings.params.get(at - own.len()) {
                Some(param) => (&*param.name, param.kind, param.hash),
                None => ("", ParamType::Context, true),
            },
        },
    }
}

fn shown<'p>(
    read: &Read,
    value: &'p [u8],
    settings: &Settings<'p>,
    resolution: &Resolution<'p>,
    secrets: &Secrets,
) -> Shown<'p> {
    let (name, kind, hashed) = meaning(read, settings, resolution);
    let name = name.as_bytes();
    if hashed {
        let value = Value::Hash(settings.hasher.parameter(value));
        return Shown { name, value, kind, hashed, truncated: false };
    }
    // Hidden before it is cut: a cut may leave half of what is to be hidden.
    let shown = secrets.hide(value);
    let value = cut(shown, MAX_VALUE_BYTES);
    let truncated = value.len() < shown.len();
    Shown { name, value: Value::Text(value), kind, hashed, truncated }
}

#[cfg(test)]
mod tests;
