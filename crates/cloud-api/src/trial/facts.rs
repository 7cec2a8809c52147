//! The facts about a request in its stored record.

use ahash::AHashMap;
use api_sessions_extract::{Ja4Form, Point, PointSource, Side};
use api_sessions_protocol::{HIDDEN, ParamType, Parameter, Record, Source};
use api_sessions_rules::{Answer, Facts, Rule};

/// Prefix of the attack type that a rule's `mark` adds.
const MARK: &str = "rule:";

/// Maps points to the names of parameters in records.
#[derive(Debug, Default)]
pub(super) struct Labels {
    /// Names by point, for the context parameters that the cloud manages.
    named: AHashMap<String, String>,
    /// The point whose distinct values the rule counts; hashed values suffice for it.
    counted: Option<String>,
}

impl Labels {
    pub(super) fn new(parameters: &[Parameter], rule: &Rule) -> Labels {
        let name = |parameter: &Parameter| {
            Some((parameter.point.clone(), parameter.name.clone()?)).filter(|_| !parameter.group)
        };
        Labels {
            named: parameters.iter().filter_map(name).collect(),
            counted: rule.count.point().map(|point| point.as_str().to_owned()),
        }
    }

    fn of<'p>(&'p self, point: &'p str) -> &'p str {
        self.named.get(point).map_or(point, String::as_str)
    }
}

/// A record as a rule sees it.
pub(super) struct StoredFacts<'r> {
    pub(super) record: &'r Record<'static>,
    /// Path, normalised.
    pub(super) path: &'r [u8],
    /// Whether it is the first request of its session in the period.
    pub(super) begins_session: Answer,
    pub(super) labels: &'r Labels,
}

impl StoredFacts<'_> {
    /// Values that are fields of the record. `None`: the record does not tell; `Some(None)`: the request has none.
    fn known(&self, point: &Point) -> Option<Option<&[u8]>> {
        let record = self.record;
        if !point.decoders().is_empty() {
            return None;
        }
        Some(match point.source() {
            PointSource::Ip => Some(record.ip.as_bytes()),
            PointSource::Host => record.host.as_deref().map(str::as_bytes),
            PointSource::Method => Some(record.method.as_bytes()),
            PointSource::Ja4(form) => {
                let value = match form {
                    Ja4Form::Plain => &record.ja4,
                    Ja4Form::Stable => &record.ja4_stable,
                };
                match value.as_deref() {
                    Some(HIDDEN) => return None,
                    value => value.map(str::as_bytes),
                }
            }
            PointSource::Header { side: Side::Request, name, nth: 0 }
                if **name == *b"user-agent" =>
            {
                record.ua.as_deref().map(str::as_bytes)
            }
            PointSource::Path(n) => {
                let path = self.path.strip_prefix(b"/").unwrap_or(self.path);
                path.split(|byte| *byte == b'/').nth(*n as usize).filter(|part| !part.is_empty())
            }
            _ => return None,
        })
    }
}

impl Facts for StoredFacts<'_> {
    fn method(&self) -> &[u8] {
        self.record.method.as_bytes()
    }

    fn path(&self) -> &[u8] {
        self.path
    }

    fn status(&self) -> u16 {
        self.record.status
    }

    fn has_attack(&self, kind: Option<&str>) -> bool {
        let mut attacks = self.record.attacks.iter().filter(|attack| !attack.starts_with(MARK));
        attacks.any(|attack| kind.is_none_or(|kind| kind == attack))
    }

    fn attacks(&self) -> u64 {
        self.record.attacks.iter().filter(|attack| !attack.starts_with(MARK)).count() as u64
    }

    fn source(&self) -> Source {
        self.record.source
    }

    fn user(&self) -> Option<&[u8]> {
        self.record.user.as_deref().map(str::as_bytes)
    }

    fn session(&self) -> &[u8] {
        self.record.session.as_bytes()
    }

    fn ip(&self) -> &[u8] {
        self.record.ip.as_bytes()
    }

    fn ja4(&self) -> Option<&[u8]> {
        // If JA4 is a hashed key, the record hides it, and it does not distinguish clients.
        let Record { ja4, ja4_stable, .. } = self.record;
        let form = ja4_stable.as_deref().or(ja4.as_deref())?;
        (form != HIDDEN).then_some(form.as_bytes())
    }

    fn begins_session(&self) -> Answer {
        self.begins_session
    }

    fn has_conflicting_parameters(&self) -> Answer {
        Answer::Unknown
    }

    fn bytes_in(&self) -> u64 {
        self.record.request_bytes
    }

    fn bytes_out(&self) -> u64 {
        self.record.response_bytes
    }

    fn time_ms(&self) -> u64 {
        self.record.time_ms
    }

    fn read(&self, point: &Point, then: &mut dyn FnMut(Option<&[u8]>)) -> bool {
        if let Some(value) = self.known(point) {
            then(value);
            return true;
        }
        let text = point.as_str();
        if text == "response.status" {
            then(Some(self.record.status.to_string().as_bytes()));
            return true;
        }
        let label = self.labels.of(text);
        let found = self.record.params.iter().find(|param| {
            param.kind != ParamType::Session && (param.name == label || param.name == text)
        });
        match found {
            // A hash distinguishes values, but does not reveal them.
            Some(param) if param.truncated => false,
            Some(param) if param.hashed && self.labels.counted.as_deref() != Some(text) => false,
            Some(param) => {
                then(Some(param.value.as_bytes()));
                true
            }
            // Absent from the request, or not exported at the time.
            None => false,
        }
    }
}
