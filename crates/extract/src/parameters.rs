//! Keys and context parameters as written by the cloud, and as used by a node.

use api_sessions_protocol::{
    DemotedKey, ParamType, Parameter, ParameterExport, ParameterSet, SessionRule,
};
use serde::{Deserialize, Serialize};

use crate::builtin::{self, EntrySet};
use crate::limits::{MAX_LABEL_BYTES, MAX_PARAMETERS, MAX_PARAMETERS_BYTES};
use crate::{ContextParam, KeyExport, SessionKey};
use crate::{NoVariables, Point, PointError};

/// Settings parsed from a document of the cloud.
#[derive(Debug, Default)]
pub struct CloudSettings {
    /// Version of the document.
    pub version: String,
    /// Keys in order of priority; they precede those of nginx.conf.
    pub keys: Vec<SessionKey>,
    /// Context parameters; they precede those of nginx.conf.
    pub params: Vec<ContextParam>,
    /// Session rules; they follow those of nginx.conf. Their content is not checked here.
    pub rules: Vec<SessionRule>,
    /// Built-in entries that are not used, by application.
    pub demoted: Vec<(String, EntrySet)>,
}

/// The text in shared memory.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParametersText {
    /// Version of the document.
    pub version: String,
    /// As written by the cloud.
    #[serde(default)]
    pub parameters: ParameterSet,
    /// As written by the cloud.
    #[serde(default)]
    pub rules: Vec<SessionRule>,
    /// As written by the cloud.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub demoted: Vec<DemotedKey>,
}

/// Why a document is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadParameters {
    /// It is not the text of a document.
    #[error("it does not parse: {0}")]
    Json(String),
    /// More parameters than can be read for each request.
    #[error("{0} parameters, of which {MAX_PARAMETERS} are accepted")]
    TooMany(usize),
    /// It does not fit into shared memory.
    #[error("its parameters and rules are larger than {MAX_PARAMETERS_BYTES} bytes")]
    TooLarge,
    /// A parameter's point is invalid.
    #[error("parameter \"{point}\": {error}")]
    Point {
        /// The point, as written.
        point: String,
        /// What is wrong.
        error: PointError,
    },
    /// A parameter's name is invalid.
    #[error(
        "parameter \"{0}\": a name has 1 to {MAX_LABEL_BYTES} bytes without control characters"
    )]
    Name(String),
}

impl CloudSettings {
    /// Parses the text that a poller has published.
    ///
    /// # Errors
    /// See [`BadParameters`].
    pub fn parse(text: &[u8]) -> Result<Self, BadParameters> {
        let text: ParametersText =
            serde_json::from_slice(text).map_err(|error| BadParameters::Json(error.to_string()))?;
        let demoted = by_application(&text.demoted);
        Ok(Self { rules: text.rules, demoted, ..Self::new(text.version, &text.parameters)? })
    }

    /// Parses a document.
    ///
    /// # Errors
    /// See [`BadParameters`].
    pub fn new(version: String, set: &ParameterSet) -> Result<Self, BadParameters> {
        if set.parameters.len() > MAX_PARAMETERS {
            return Err(BadParameters::TooMany(set.parameters.len()));
        }
        let mut settings = Self { version, ..Self::default() };
        for parameter in &set.parameters {
            settings.add(parameter)?;
        }
        Ok(settings)
    }

    fn add(&mut self, parameter: &Parameter) -> Result<(), BadParameters> {
        // Variables belong to the operator: the Console may not read what they contain.
        let point = Point::parse(&parameter.point, &mut NoVariables)
            .map_err(|error| BadParameters::Point { point: parameter.point.clone(), error })?;
        let name = parameter.name.clone().unwrap_or_else(|| parameter.point.clone());
        if name.is_empty()
            || name.len() > MAX_LABEL_BYTES && parameter.name.is_some()
            || name.chars().any(char::is_control)
        {
            return Err(BadParameters::Name(parameter.point.clone()));
        }
        // A click in the Console must not export a live credential in clear text.
        let is_credential = point.is_whole_credential() || builtin::covers(&point);
        let export = match parameter.export {
            ParameterExport::Plain if is_credential => ParameterExport::Hashed,
            export => export,
        };
        let is_context =
            !parameter.group || matches!(parameter.kind, ParamType::User | ParamType::Role);
        if is_context && export != ParameterExport::Off {
            self.params.push(ContextParam {
                point: point.clone(),
                name: name.clone(),
                kind: parameter.kind,
                hash: export == ParameterExport::Hashed,
            });
        }
        if parameter.group {
            let export = match export {
                ParameterExport::Hashed => KeyExport::Hashed,
                ParameterExport::Plain => KeyExport::Plain,
                ParameterExport::Off => KeyExport::Off,
            };
            self.keys.push(SessionKey { point, name, export });
        }
        Ok(())
    }
}

fn by_application(demoted: &[DemotedKey]) -> Vec<(String, EntrySet)> {
    let mut applications: Vec<&str> = demoted.iter().map(|key| &*key.application).collect();
    applications.sort_unstable();
    applications.dedup();
    let of = |application: &str| {
        let keys = demoted.iter().filter(|key| key.application == application);
        (application.to_owned(), EntrySet::of(keys.map(|key| &*key.key)))
    };
    applications.into_iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(json: &str) -> Result<CloudSettings, BadParameters> {
        CloudSettings::parse(
            format!("{{\"version\":\"v1\",\"parameters\":{{\"parameters\":[{json}]}}}}").as_bytes(),
        )
    }

    #[test]
    fn groups_are_keys_and_others_context() {
        let settings =
            set(r#"{"point":"request.cookie.tenant","name":"sid","group":true,"export":"plain"},
            {"point":"request.cookie.PHPSESSID","name":"php","group":true,"export":"plain"},
            {"point":"request.header.X-User","type":"user","export":"hashed"},
            {"point":"request.header.X-Login","type":"user","group":true,"export":"hashed"},
            {"point":"request.query.q","export":"plain"},
            {"point":"request.header.Authorization","export":"plain"}"#)
            .unwrap();
        let keys: Vec<_> = settings.keys.iter().map(|key| (&*key.name, key.export)).collect();
        assert_eq!(
            keys,
            [
                ("sid", KeyExport::Plain),
                ("php", KeyExport::Hashed),
                ("request.header.X-Login", KeyExport::Hashed)
            ]
        );
        let params: Vec<_> =
            settings.params.iter().map(|param| (&*param.name, param.kind, param.hash)).collect();
        assert_eq!(
            params,
            [
                ("request.header.X-User", ParamType::User, true),
                ("request.header.X-Login", ParamType::User, true),
                ("request.query.q", ParamType::Context, false),
                ("request.header.Authorization", ParamType::Context, true),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (json, named) in [
            (r#"{"point":"request.cookies.sid"}"#, "request.cookies.sid"),
            (r#"{"point":"$http_authorization"}"#, "$http_authorization"),
            (r#"{"point":"request.ip","name":""}"#, "request.ip"),
            (r#"{"point":7}"#, "does not parse"),
        ] {
            let error = set(json).unwrap_err().to_string();
            assert!(error.contains(named), "{json}: {error}");
        }
    }
}
