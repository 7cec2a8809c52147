//! The value of a key in a stored record.

use api_sessions_extract::builtin::TABLE;
use api_sessions_extract::{NoVariables, Point, PointSource, Recorded, Side};
use api_sessions_key_facts::{Kind, quoted_point};
use api_sessions_protocol::{HIDDEN, ParamType, Parameter, Record, Source};

use crate::overview;

/// How records represent the values of a point.
#[derive(Debug, Clone)]
pub(super) struct Carrier {
    pub(super) point: Point,
    /// Names of the parameters with an equivalent point.
    names: Vec<String>,
    /// Names of keys that nodes find without configuration: the built-in set and followed cookies.
    labels: Vec<String>,
}

/// A value in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried<'r> {
    /// In clear, or its keyed hash.
    Value { text: &'r str, hashed: bool },
    /// There is one, but it is truncated or hidden, so that it cannot be compared.
    Unreadable,
    /// The request has none, or it was not exported.
    Nothing,
}

impl Carrier {
    pub(super) fn new(point: Point, parameters: &[Parameter]) -> Self {
        let is_same = |text: &str| {
            Point::parse(text, &mut NoVariables).is_ok_and(|other| {
                other.source() == point.source() && other.decoders() == point.decoders()
            })
        };
        let of_parameters = parameters.iter().filter(|parameter| is_same(&parameter.point));
        let mut names = vec![point.as_str().to_owned()];
        if let (PointSource::Header { side: Side::Request, name, nth: 0 }, []) =
            (point.source(), point.decoders())
        {
            // In the spelling of suggestions, whatever the case of the query.
            names.push(quoted_point("header", &String::from_utf8_lossy(name)));
        }
        names.extend(
            of_parameters.flat_map(|it| [Some(it.point.clone()), it.name.clone()]).flatten(),
        );
        let of_set = TABLE.iter().filter(|entry| {
            overview::point(Kind::Builtin, entry.name, &[]).is_some_and(|text| is_same(&text))
        });
        let mut labels: Vec<String> = of_set.map(|entry| entry.name.to_owned()).collect();
        if let (PointSource::Cookie(name), []) = (point.source(), point.decoders()) {
            labels.push(String::from_utf8_lossy(name).into_owned());
        }
        Self { point, names, labels }
    }

    /// Whether responses set it, which nodes follow.
    pub(super) fn is_cookie(&self) -> bool {
        matches!(self.point.source(), PointSource::Cookie(_) | PointSource::CookieLike(_))
    }

    pub(super) fn of<'r>(&self, record: &'r Record<'_>) -> Carried<'r> {
        if let Some(text) = self.in_every_record(record) {
            return Carried::Value { text, hashed: false };
        }
        let is_found = matches!(record.source, Source::Builtin | Source::Client | Source::Link)
            && self.labels.iter().any(|label| *label == record.key);
        let named =
            record.params.iter().find(|param| self.names.iter().any(|it| *it == param.name));
        let found = named.or_else(|| {
            let is_it = |kind, name: &str| kind == ParamType::Session && name == record.key;
            record.params.iter().find(|param| is_found && is_it(param.kind, &param.name))
        });
        match found {
            None => Carried::Nothing,
            Some(param) if param.truncated || !param.hashed && param.value == HIDDEN => {
                Carried::Unreadable
            }
            Some(param) => Carried::Value { text: &param.value, hashed: param.hashed },
        }
    }

    /// A value that every record has, parameter or not.
    fn in_every_record<'r>(&self, record: &'r Record<'_>) -> Option<&'r str> {
        if !self.point.decoders().is_empty() {
            return None;
        }
        match self.point.source().recorded(record, record.path.as_bytes()) {
            Recorded::Value(text) => std::str::from_utf8(text).ok(),
            Recorded::Status(_) | Recorded::Absent | Recorded::Unknown => None,
        }
    }
}
