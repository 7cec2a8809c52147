//! Format in which a worker sends a window: a JSON object per line for each application. Its lists contain
//! only fingerprints.

use serde::{Deserialize, Serialize};

use super::facts::{KeyFacts, Kind};
use super::sample::SAMPLED;
use crate::limits::{MAX_NAMES, MAX_SENT_NAME_BYTES};

/// Facts about an application in a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowFacts {
    /// Start, milliseconds since 1970.
    pub start: u64,
    /// Length, milliseconds.
    pub length: u64,
    /// The facts.
    pub application: ApplicationFacts,
}

/// Facts about an application.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApplicationFacts {
    /// Its name; empty if it has none.
    pub name: String,
    /// Requests with a status of 100 to 399.
    pub requests: u64,
    /// Report only: verdicts do not demote keys.
    pub report: bool,
    /// Keys and candidates.
    pub keys: Vec<KeyLine>,
}

/// Facts about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyLine {
    /// Kind of key.
    pub kind: Kind,
    /// Its label, or the point of a candidate.
    pub name: String,
    /// The facts.
    pub facts: KeyFacts,
}

/// Error: a line does not contain valid facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadFacts(pub String);

impl std::fmt::Display for BadFacts {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(&self.0)
    }
}

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
    /// The lowest fingerprints of its values.
    lowest: Vec<u32>,
    /// Sampled clients, each with its values.
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
    /// Moments, each with the networks seen in it.
    moments: Vec<(u32, Vec<u32>)>,
}

impl WindowFacts {
    /// Appends the facts as a line.
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
        // Serializing numbers and texts to memory does not fail.
        if serde_json::to_writer(&mut *out, &line).is_ok() {
            out.push(b'\n');
        }
    }

    /// Parses a line.
    ///
    /// # Errors
    /// The line is invalid, or its lists are longer than [`Self::write_line`] writes.
    pub fn parse(line: &[u8]) -> Result<Self, BadFacts> {
        let line: Line =
            serde_json::from_slice(line).map_err(|error| BadFacts(error.to_string()))?;
        if !(1000..=3_600_000).contains(&line.length) {
            return Err(BadFacts("length: 1000 to 3600000 milliseconds are accepted".to_owned()));
        }
        if line.application.len() > MAX_SENT_NAME_BYTES || line.keys.len() > MAX_NAMES {
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
        if longest > SAMPLED || self.name.len() > MAX_SENT_NAME_BYTES {
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
