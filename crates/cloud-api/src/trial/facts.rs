//! The facts about a request in its stored record.

use ahash::AHashMap;
use api_sessions_extract::{Point, Recorded};
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
        if point.decoders().is_empty() {
            match point.source().recorded(self.record, self.path) {
                Recorded::Value(value) => then(Some(value)),
                Recorded::Status(status) => then(Some(status.to_string().as_bytes())),
                Recorded::Absent => then(None),
                Recorded::Unknown => return self.read_parameter(point, then),
            }
            return true;
        }
        self.read_parameter(point, then)
    }
}

impl StoredFacts<'_> {
    fn read_parameter(&self, point: &Point, then: &mut dyn FnMut(Option<&[u8]>)) -> bool {
        let text = point.as_str();
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
