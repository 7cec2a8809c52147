//! `/v1/parameters`: keys and context parameters that nodes apply.
//!
//! Points are parsed with the nodes' own parser, so that no node rejects a set that was accepted here.

use ahash::AHashSet;
use api_sessions_extract::CloudSettings;
use api_sessions_extract::limits::MAX_PARAMETERS_BYTES;
use api_sessions_extract::{NoVariables, Point};
use api_sessions_protocol::{ParamType, Parameter, ParameterExport, ParameterSet};
use axum::extract::{Request, State};
use axum::{Extension, Json};
use serde::Deserialize;

use crate::auth::Identity;
use crate::error::AppError;
use crate::extractors::{NoQuery, Query};
use crate::ingest::body;
use crate::json::{self, Object};
use crate::limits::{
    MAX_PARAMETER_NAME_BYTES, MAX_PARAMETERS, MAX_PARAMETERS_BODY_BYTES, MAX_SYNC_VERSION_BYTES,
};
use crate::state::AppState;
use api_sessions_store::clock::now_ms;

/// Body of a PUT. Unknown fields are errors: a misspelt one would silently keep its default.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewSet {
    parameters: Vec<Object<NewParameter>>,
}

/// A parameter of the body.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewParameter {
    point: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default, rename = "type")]
    kind: ParamType,
    #[serde(default)]
    group: bool,
    #[serde(default)]
    export: ParameterExport,
}

impl From<NewSet> for ParameterSet {
    fn from(set: NewSet) -> ParameterSet {
        let parameter = |Object(new): Object<NewParameter>| {
            let NewParameter { point, name, kind, group, export } = new;
            Parameter { point, name, kind, group, export }
        };
        ParameterSet { parameters: set.parameters.into_iter().map(parameter).collect() }
    }
}

/// Keys and context parameters that nodes apply.
#[utoipa::path(
    get,
    path = "/v1/parameters",
    responses((status = 200, description = "The parameters.", body = ParameterSet))
)]
pub async fn get(
    State(state): State<AppState>,
    _: Query<NoQuery>,
) -> Result<Json<ParameterSet>, AppError> {
    state.read(|store| store.parameters()).await.map(Json)
}

/// Replaces all keys and context parameters.
#[utoipa::path(
    put,
    path = "/v1/parameters",
    request_body = ParameterSet,
    responses(
        (status = 200, description = "The parameters now in effect.", body = ParameterSet),
        (status = 408, description = "The body took too long."),
        (status = 413, description = "The body is too large.")
    )
)]
pub async fn put(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Json<ParameterSet>, AppError> {
    let sent = body::read(request.into_body(), MAX_PARAMETERS_BODY_BYTES).await?;
    let set = ParameterSet::from(json::object::<NewSet>(&sent)?);
    check(&set)?;
    let kept = set.clone();
    let by = identity.name.clone();
    state.change(move |store| store.set_parameters(&kept, &by, now_ms())).await?;
    tracing::info!(parameters = set.parameters.len(), by = %identity.name, "parameters changed");
    Ok(Json(set))
}

/// Validates a set.
///
/// # Errors
/// 400, naming the parameter.
pub fn check(set: &ParameterSet) -> Result<(), AppError> {
    if set.parameters.len() > MAX_PARAMETERS {
        return Err(AppError::bad_request(format!(
            "at most {MAX_PARAMETERS} parameters are allowed"
        )));
    }
    let mut names = AHashSet::new();
    for (n, parameter) in set.parameters.iter().enumerate() {
        let wrong = |text: &str| {
            Err(AppError::bad_request(format!("parameters[{n}] ({}): {text}", parameter.point)))
        };
        if let Err(error) = Point::parse(&parameter.point, &mut NoVariables) {
            return Err(AppError::bad_request(format!("parameters[{n}]: {error}")));
        }
        if parameter.name.as_deref().is_some_and(bad_name) {
            return wrong("name: 1 to 64 bytes without control characters are expected");
        }
        if !names.insert(parameter.name.as_deref().unwrap_or(&parameter.point)) {
            return wrong("its name is duplicate");
        }
        if parameter.kind == ParamType::Session {
            return wrong(
                "type: context, user or role is expected; `group` makes it a session key",
            );
        }
        if !parameter.group && parameter.export == ParameterExport::Off {
            return wrong("a parameter that is not exported must be a key");
        }
    }
    check_as_node(set)
}

/// Checks the rest with the nodes' own parser.
fn check_as_node(set: &ParameterSet) -> Result<(), AppError> {
    let document = serde_json::json!({ "version": "", "parameters": set }).to_string();
    if document.len() + MAX_SYNC_VERSION_BYTES > MAX_PARAMETERS_BYTES {
        let text = format!("parameters: at most {MAX_PARAMETERS_BYTES} bytes of JSON are allowed");
        return Err(AppError::bad_request(text));
    }
    let read = CloudSettings::parse(document.as_bytes());
    read.map(drop).map_err(|error| AppError::bad_request(error.to_string()))
}

fn bad_name(name: &str) -> bool {
    name.is_empty() || name.len() > MAX_PARAMETER_NAME_BYTES || name.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let parameter = Parameter { point: "request.ip".into(), ..Parameter::default() };
        let mut set = ParameterSet { parameters: vec![parameter.clone()] };
        assert!(check(&set).is_ok());
        set.parameters.push(parameter);
        assert!(check(&set).unwrap_err().detail.contains("parameters[1]"));
    }
}
