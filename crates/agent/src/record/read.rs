//! Reads a record's parameters and the values to hide from the request, once.

use std::ops::Range;

use api_sessions_protocol::ParamType;

use super::line::{Shown, Value};
use super::options::RecordOptions;
use crate::limits::{MAX_VALUE_BYTES, MIN_PART_BYTES};
use api_sessions_extract::KeyExport;
use api_sessions_extract::builtin::Rule;
use api_sessions_extract::{Exchange, Part, Point, PointSource, Scratch, Side};
use api_sessions_identity::{FoundBy, ParameterHash, Resolution};
use api_sessions_redact::{HIDDEN, Secrets, cut};

/// One value of a parameter, in the memory of [`Values`].
struct Read {
    /// Index among own keys, then context parameters; `None` for the built-in key.
    of: Option<usize>,
    value: Range<usize>,
    /// Its hash, if it is hashed.
    hash: Option<ParameterHash>,
}

/// Parameters of one request. Buffers are reused from record to record.
#[derive(Default)]
pub(super) struct Values {
    bytes: Vec<u8>,
    reads: Vec<Read>,
    /// Indexes of path segments that a hidden point has read.
    pub(super) segments: Vec<u32>,
    /// Indexes of path segments that are shown whatever they look like.
    pub(super) shown_segments: Vec<u32>,
    /// A hidden point has read the host.
    pub(super) host: bool,
    /// A hidden point has read the client's address.
    pub(super) ip: bool,
}

impl Values {
    /// Reads all parameters once, and collects the values to hide.
    pub(super) fn read<X: Exchange + ?Sized>(
        &mut self,
        settings: &RecordOptions<'_>,
        resolution: &Resolution<'_>,
        found: &[u8],
        exchange: &X,
        scratch: &mut Scratch,
        secrets: &mut Secrets,
    ) {
        self.bytes.clear();
        self.reads.clear();
        self.segments.clear();
        self.shown_segments.clear();
        self.shown_segments.extend(settings.shown.iter().filter_map(
            |point| match point.source() {
                PointSource::Path(nth) => Some(*nth),
                _ => None,
            },
        ));
        (self.host, self.ip) = (false, false);
        secrets.clear();
        if let FoundBy::Builtin(entry) = resolution.found_by {
            secrets.show_hash_of(found);
            self.keep(None, found, true, settings);
            match entry.rule {
                // The claims do not appear verbatim anywhere; the token that contains them is recognised by its format.
                Rule::JwtSid | Rule::JwtSub => {}
                // The whole header is hidden by its name; hiding the user alone would hide any equal word.
                Rule::BasicUser => {}
                Rule::CookiePair(one, two) => {
                    for name in [one, two] {
                        add_part(&Part::Cookie(name.as_bytes().into()), exchange, secrets);
                    }
                }
                _ => secrets.add(found),
            }
        }
        if let FoundBy::Cookie = resolution.found_by {
            self.keep(None, found, true, settings);
            secrets.add(found);
        }
        let own = settings.keys.own;
        for (at, key) in own.iter().enumerate() {
            let value = match resolution.found_by.own() {
                // Read already.
                Some(own) if at == own => Some(found),
                _ => key.point.read(exchange, scratch),
            };
            if let Some(value) = value {
                let hash = key.export != KeyExport::Plain;
                if hash {
                    self.hide(&key.point, value, exchange, secrets);
                }
                if key.export != KeyExport::Off {
                    self.keep(Some(at), value, hash, settings);
                }
            }
        }
        for (at, param) in settings.params.iter().enumerate() {
            if let Some(value) = param.point.read(exchange, scratch) {
                if param.hash {
                    self.hide(&param.point, value, exchange, secrets);
                }
                self.keep(Some(own.len() + at), value, param.hash, settings);
            }
        }
        for mask in settings.masks {
            if let Some(value) = mask.read(exchange, scratch) {
                self.hide(mask, value, exchange, secrets);
            }
        }
        // Everything to be hidden is known by now. A parameter in clear text must show none of it. Checked before the
        // value is cut, since a cut could leave half a secret.
        for read in self.reads.iter_mut().filter(|read| read.hash.is_none()) {
            let value = self.bytes.get(read.value.clone()).unwrap_or_default();
            if secrets.shown_in(value) {
                read.value = 0..0;
            }
        }
    }

    fn keep(&mut self, of: Option<usize>, value: &[u8], hash: bool, settings: &RecordOptions<'_>) {
        let hash = hash.then(|| settings.hasher.parameter(value));
        let start = self.bytes.len();
        if hash.is_none() {
            self.bytes.extend_from_slice(value);
        }
        self.reads.push(Read { of, value: start..self.bytes.len(), hash });
    }

    /// Hides a value that a hidden point has read.
    fn hide<X: Exchange + ?Sized>(
        &mut self,
        point: &Point,
        value: &[u8],
        exchange: &X,
        secrets: &mut Secrets,
    ) {
        secrets.add(value);
        let is_host = |name: &[u8]| name == b"host";
        match point.source() {
            PointSource::Path(nth) => self.segments.push(*nth),
            PointSource::Ip => self.ip = true,
            PointSource::Host => self.host = true,
            PointSource::Header { side: Side::Request, name, .. } => self.host |= is_host(name),
            PointSource::HeaderLike(begin) => self.host |= b"host".starts_with(begin),
            PointSource::Variable(_) => {
                for part in point.parts() {
                    match part {
                        Part::Address => self.ip = true,
                        Part::Host => self.host = true,
                        part => add_part(part, exchange, secrets),
                    }
                }
            }
            // Only full content shows these, which hides the places that points read.
            PointSource::Header { .. }
            | PointSource::Cookie(_)
            | PointSource::CookieLike(_)
            | PointSource::SetCookie(_)
            | PointSource::Query { .. }
            | PointSource::Form(_)
            | PointSource::Multipart(_)
            | PointSource::Json { .. } => {}
            PointSource::Method | PointSource::Ja4(_) | PointSource::Status => {}
        }
        if self.host {
            add_host(exchange, secrets);
        }
    }

    /// Parameters as the record shows them.
    pub(super) fn shown<'v>(
        &'v self,
        settings: &RecordOptions<'v>,
        resolution: &'v Resolution<'v>,
    ) -> impl Iterator<Item = Shown<'v>> {
        let settings = *settings;
        self.reads.iter().map(move |read| {
            let (name, kind) = meaning(read, &settings, resolution);
            let name = name.as_bytes();
            if let Some(hash) = read.hash {
                return Shown {
                    name,
                    value: Value::Hash(hash),
                    kind,
                    hashed: true,
                    truncated: false,
                };
            }
            let value = match read.value.is_empty() {
                true => HIDDEN.as_bytes(),
                false => self.bytes.get(read.value.clone()).unwrap_or_default(),
            };
            let shown = cut(value, MAX_VALUE_BYTES);
            let truncated = shown.len() < value.len();
            Shown { name, value: Value::Text(shown), kind, hashed: false, truncated }
        })
    }

    /// Value of the first parameter of a type.
    pub(super) fn named<'v>(
        &'v self,
        kind: ParamType,
        settings: &RecordOptions<'v>,
        resolution: &'v Resolution<'v>,
    ) -> Option<Value<'v>> {
        // Hardly any location has one.
        if !settings.params.iter().any(|param| param.kind == kind) {
            return None;
        }
        self.shown(settings, resolution).find(|param| param.kind == kind).map(|param| param.value)
    }
}

/// Adds what a part of a composite value contains, if it is long enough to be a secret by itself.
fn add_part<X: Exchange + ?Sized>(part: &Part, exchange: &X, secrets: &mut Secrets) {
    part.read(exchange, &mut |value| {
        if value.len() >= MIN_PART_BYTES {
            secrets.add(value);
        }
    });
}

/// Hosts compare without case and port; a hidden one is also searched for as it was sent.
fn add_host<X: Exchange + ?Sized>(exchange: &X, secrets: &mut Secrets) {
    let header = exchange.header(Side::Request, b"host").map(<[u8]>::trim_ascii);
    for host in [header, exchange.host()].into_iter().flatten() {
        let end = match memchr::memrchr(b':', host) {
            Some(at) if host.iter().skip(at + 1).all(u8::is_ascii_digit) => at,
            _ => host.len(),
        };
        let name = host.get(..end).unwrap_or_default();
        secrets.add(name);
        secrets.add(&name.to_ascii_lowercase());
    }
}

/// Name and type of a parameter.
fn meaning<'p>(
    read: &Read,
    settings: &RecordOptions<'p>,
    resolution: &'p Resolution<'p>,
) -> (&'p str, ParamType) {
    let own = settings.keys.own;
    match read.of {
        None => (resolution.label.as_str(), ParamType::Session),
        Some(at) => match own.get(at) {
            Some(key) => (&*key.name, ParamType::Session),
            None => match settings.params.get(at - own.len()) {
                Some(param) => (&*param.name, param.kind),
                None => ("", ParamType::Context),
            },
        },
    }
}
