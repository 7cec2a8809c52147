//! `/v1/parameters`: keys and context parameters that nodes take.
//!
//! The whole grammar of points is known to the nodes alone, and they report what they cannot take;
//! here a cheap look keeps out what cannot be a point.

use std::collections::HashSet;

use api_sessions_wire::{ParamType, ParameterExport, ParameterSet};
use axum::extract::{Request, State};
use axum::{Extension, Json};

use crate::auth::Identity;
use crate::clock::now_ms;
use crate::error::AppError;
use crate::ingest::body;
use crate::state::AppState;

/// Longest body, bytes.
const MAX_BODY: usize = 256 << 10;
/// Most parameters.
pub const MAX_PARAMETERS: usize = 64;
/// Longest point, bytes.
const MAX_POINT: usize = 512;
/// Longest name, bytes.
const MAX_NAME: usize = 64;

const SOURCES: [&str; 15] = [
    "request.header.",
    "request.cookie.",
    "request.query.",
    "request.path[",
    "request.body.form.",
    "request.body.multipart.",
    "request.body.json.",
    "request.ip",
    "request.host",
    "request.method",
    "response.header.",
    "response.cookie.",
    "response.status",
    "response.body.json.",
    "response.body.json[",
];

/// Sources whose name may stand in brackets at once: `request.header["X-A"]`.
const BRACKETED: [&str; 7] = [
    "request.header[",
    "request.cookie[",
    "request.query[",
    "request.body.form[",
    "request.body.multipart[",
    "request.body.json[",
    "response.header[",
];

/// What is in force.
pub async fn get(State(state): State<AppState>) -> Result<Json<ParameterSet>, AppError> {
    state.read(|store| store.parameters()).await.map(Json)
}

/// Puts others in force.
pub async fn put(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Json<ParameterSet>, AppError> {
    let sent = body::read(request.into_body(), MAX_BODY).await?;
    let set: ParameterSet =
        serde_json::from_slice(&sent).map_err(|error| AppError::bad_request(error.to_string()))?;
    check(&set)?;
    let kept = set.clone();
    let by = identity.name.clone();
    state.change(move |store| store.set_parameters(&kept, &by, now_ms())).await?;
    tracing::info!(parameters = set.parameters.len(), by = %identity.name, "parameters changed");
    Ok(Json(set))
}

/// Whether a set can be put in force.
///
/// # Errors
/// 400, naming the parameter.
pub fn check(set: &ParameterSet) -> Result<(), AppError> {
    if set.parameters.len() > MAX_PARAMETERS {
        return Err(AppError::bad_request(format!("at most {MAX_PARAMETERS} parameters")));
    }
    let mut names = HashSet::new();
    for (n, parameter) in set.parameters.iter().enumerate() {
        let wrong = |text: &str| {
            Err(AppError::bad_request(format!("parameters[{n}] ({}): {text}", parameter.point)))
        };
        if let Some(text) = bad_point(&parameter.point) {
            return wrong(text);
        }
        if parameter.name.as_deref().is_some_and(bad_name) {
            return wrong("name: 1 to 64 bytes, no control characters");
        }
        if !names.insert(parameter.name.as_deref().unwrap_or(&parameter.point)) {
            return wrong("its name is there twice");
        }
        if parameter.kind == ParamType::Session {
            return wrong("type: context, user or role; `group` makes it a session key");
        }
        if !parameter.group && parameter.export == ParameterExport::Off {
            return wrong("it is neither a key nor exported");
        }
    }
    Ok(())
}

fn bad_name(name: &str) -> bool {
    name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control)
}

fn bad_point(point: &str) -> Option<&'static str> {
    if point.is_empty() || point.len() > MAX_POINT {
        return Some("point: 1 to 512 bytes");
    }
    if point.contains('$') {
        return Some("point: NGINX variables are not taken from here");
    }
    if point.chars().any(char::is_control) || point.ends_with('.') {
        return Some("point: it ends too early or holds control characters");
    }
    let known = SOURCES.iter().chain(&BRACKETED).any(|source| {
        point.strip_prefix(source).is_some_and(|rest| match source.as_bytes().last() {
            Some(b'.' | b'[') => !rest.is_empty(),
            _ => rest.is_empty() || rest.starts_with('.'),
        })
    });
    if !known {
        return Some("point: no such source; see the points in the documentation");
    }
    brackets(point)
}

/// Brackets open and close; inside quotes anything goes.
fn brackets(point: &str) -> Option<&'static str> {
    let (mut open, mut quote, mut escaped) = (false, false, false);
    for letter in point.chars() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quote => escaped = true,
            '"' if open => quote = !quote,
            _ if quote => {}
            '[' if !open => open = true,
            ']' if open => open = false,
            '[' | ']' | '"' | ' ' => {
                return Some("point: a step with dots, brackets or spaces is written [\"…\"]");
            }
            _ => {}
        }
    }
    (open || quote).then_some("point: a bracket is not closed")
}

#[cfg(test)]
mod tests {
    use api_sessions_wire::Parameter;

    use super::*;

    #[test]
    fn points_are_looked_at() {
        for good in [
            "request.header.X-Session",
            "request.header[\"a.b\"]",
            "request.path[0]",
            "request.ip",
            "request.body.json[\"a.b\"][0].c",
            "request.header.Authorization.bearer.jwt.payload.sub",
            "response.body.json.token",
            "request.query[\"a[b]\"]",
        ] {
            assert_eq!(bad_point(good), None, "{good}");
        }
        for bad in [
            "",
            "request",
            "request.header.",
            "request.headers.a",
            "$cookie_sid",
            "request.ipx",
            "request.path[0",
            "request.header.a b",
            "request.cookie.a\n",
        ] {
            assert!(bad_point(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_name_is_there_once() {
        let parameter = Parameter { point: "request.ip".into(), ..Parameter::default() };
        let mut set = ParameterSet { parameters: vec![parameter.clone()] };
        assert!(check(&set).is_ok());
        set.parameters.push(parameter);
        assert!(check(&set).unwrap_err().detail.contains("parameters[1]"));
    }
}
