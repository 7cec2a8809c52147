//! What a worker sends of a window: one JSON object a line, for each application. Lists hold fingerprints alone.

use serde::{Deserialize, Serialize};

use super::facts::{KeyFacts, Kind};
use super::sample::SAMPLED;

/// Facts of an application within a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowFacts {
    /// Its start, milliseconds since 1970.
    pub start: u64,
    /// Its length, milliseconds.
    pub length: u64,
    /// What was seen.
    pub application: ApplicationFacts,
}

/// What was seen of an application.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplicationFacts {
    /// Its name; empty: none.
    pub name: String,
    /// Successful requests.
    pub requests: u64,
    /// Verdicts demote nothing.
    pub report: bool,
    /// Keys and candidates.
    pub keys: Vec<KeyLine>,
}

/// What was seen of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLine {
    /// Kind of key.
    pub kind: Kind,
    /// Its label, or the point of a candidate.
    pub name: String,
    /// What was seen.
    pub facts: KeyFacts,
}

/// Not facts of a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFacts(pub String);

impl std::fmt::Display for BadFacts {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(&self.0)
    }
}

/// Longest name that is accepted, bytes.
const MAX_NAME_BYTES: usize = 1024;

#[derive(Serialize, Deserialize)]
struct Line {
    window: u64,
    length: u64,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    application: String,
    requests: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    report: bool,
    keys: Vec<Facts>,
}

#[derive(Serialize, Deserialize)]
struct Facts {
    kind: Kind,
    name: String,
    present: u64,
    decided: u64,
    #[serde(default)]
    issued: u64,
    #[serde(default)]
    kept: u64,
    /// The lowest fingerprints of values.
    lowest: Vec<u32>,
    /// Client, then its values.
    clients: Vec<(u32, Vec<u32>)>,
    values: Vec<Value>,
}

#[derive(Serialize, Deserialize)]
struct Value {
    value: u32,
    requests: u64,
    clients: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    users: Vec<u32>,
    endpoint: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    more_endpoints: bool,
    /// Number of a short time, and networks in it.
    moments: Vec<(u32, Vec<u32>)>,
}

impl WindowFacts {
    /// Appends it as a line.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        let application = &self.application;
        let line = Line {
            window: self.start,
            length: self.length,
            application: application.name.clone(),
            requests: application.requests,
            report: application.report,
            keys: application.keys.iter().map(Facts::of).collect(),
        };
        // Writing numbers and texts to memory does not fail.
        if serde_json::to_writer(&mut *out, &line).is_ok() {
            out.push(b'\n');
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// Not such a line, or longer lists than there are.
    pub fn parse(line: &[u8]) -> Result<Self, BadFacts> {
        let line: Line =
            serde_json::from_slice(line).map_err(|error| BadFacts(error.to_string()))?;
        if !(1000..=3_600_000).contains(&line.length) {
            return Err(BadFacts("length: 1000 to 3600000 milliseconds are accepted".to_owned()));
        }
        if line.application.len() > MAX_NAME_BYTES || line.keys.len() > super::MAX_NAMES {
            return Err(BadFacts("the name or the list of keys is too long".to_owned()));
        }
        let keys = line.keys.into_iter().map(Facts::into_line).collect::<Result<_, _>>()?;
        Ok(Self {
            start: line.window / line.length * line.length,
            length: line.length,
            application: ApplicationFacts {
                name: line.application,
                requests: line.requests,
                report: line.report,
                keys,
            },
        })
    }
}

impl Facts {
    fn of(line: &KeyLine) -> Self {
        let facts = &line.facts;
        Self {
            kind: line.kind,
            name: line.name.clone(),
            present: facts.present,
            decided: facts.decided,
            issued: facts.issued,
            kept: facts.kept,
            lowest: facts.distinct.iter().map(|(value, ())| value).collect(),
            clients: facts
                .clients
                .0
                .iter()
                .map(|(client, values)| (client, values.as_slice().to_vec()))
                .collect(),
            values: facts
                .values
                .0
                .iter()
                .map(|(value, known)| Value {
                    value,
                    requests: known.requests,
                    clients: known.clients.as_slice().to_vec(),
                    users: known.users.as_slice().to_vec(),
                    endpoint: known.endpoint,
                    more_endpoints: known.has_other_endpoints,
                    moments: known
                        .moments()
                        .map(|moment| {
                            let networks = moment.networks.iter().take(moment.len.into());
                            (moment.number, networks.copied().collect())
                        })
                        .collect(),
                })
                .collect(),
        }
    }

    fn into_line(self) -> Result<KeyLine, BadFacts> {
        let longest = self.lowest.len().max(self.clients.len()).max(self.values.len());
        if longest > SAMPLED || self.name.len() > MAX_NAME_BYTES {
            return Err(BadFacts(format!(
                "a list of {longest}, or a long name: {SAMPLED} are accepted"
            )));
        }
        let mut facts = KeyFacts {
            present: self.present,
            decided: self.decided,
            issued: self.issued,
            kept: self.kept,
            ..KeyFacts::default()
        };
        for value in self.lowest {
            facts.distinct.entry(value, |_| true);
        }
        for (client, values) in &self.clients {
            facts.clients.add_all(*client, values);
        }
        for value in self.values {
            let Some(known) = facts.values.0.entry(value.value, |_| true) else { continue };
            known.requests = value.requests;
            known.clients.merge(&value.clients);
            known.users.merge(&value.users);
            known.endpoint = value.endpoint;
            known.has_other_endpoints = value.more_endpoints;
            for (moment, networks) in value.moments.iter().filter(|moment| moment.0 != 0) {
                networks.iter().for_each(|network| known.add_network(*moment, *network));
            }
        }
        Ok(KeyLine { kind: self.kind, name: self.name, facts })
    }
}
