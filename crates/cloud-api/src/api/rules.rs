//! `/v1/rules`: rules over sessions that nodes apply after those in their nginx.conf.

pub mod denials;
pub mod hits;
pub mod trial;

use api_sessions_extract::NoVariables;
use api_sessions_protocol::SessionRule;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::Deserialize;

use crate::auth::Identity;
use crate::error::AppError;
use crate::extractors::{NoQuery, Query};
use crate::ingest::body;
use crate::json::{self, Object};
use crate::limits::MAX_RULES_BODY_BYTES;
use crate::state::AppState;
use api_sessions_store::clock::now_ms;

/// A rule of the body. Unknown fields are errors: a misspelt one would silently keep its default.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRule {
    #[serde(default)]
    name: String,
    on: Option<String>,
    when: Option<String>,
    count: Option<String>,
    #[serde(default)]
    over: String,
    per: Option<String>,
    then: Option<String>,
    mode: Option<String>,
    fleet: Option<String>,
}

impl From<NewRule> for SessionRule {
    /// An empty value counts as absent, since forms send empty fields.
    fn from(new: NewRule) -> SessionRule {
        let given = |word: Option<String>| word.filter(|word| !word.is_empty());
        SessionRule {
            name: new.name,
            on: given(new.on),
            when: given(new.when),
            count: given(new.count),
            over: new.over,
            per: given(new.per),
            then: given(new.then),
            mode: given(new.mode),
            fleet: given(new.fleet),
        }
    }
}

/// The list, wrapped in an object.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    rules: Vec<Object<NewRule>>,
}

fn parse(sent: &[u8]) -> Result<Vec<SessionRule>, AppError> {
    let is_object = sent.trim_ascii_start().starts_with(b"{");
    let rules: Vec<Object<NewRule>> = match is_object {
        true => json::object::<Wrapped>(sent)?.rules,
        false => serde_json::from_slice(sent)
            .map_err(|error| AppError::bad_request(format!("invalid body: {error}")))?,
    };
    Ok(rules.into_iter().map(|Object(rule)| rule.into()).collect())
}

/// Rules over sessions that nodes apply.
#[utoipa::path(
    get,
    path = "/v1/rules",
    responses((status = 200, description = "The rules, in their order.", body = Vec<SessionRule>))
)]
pub async fn get(
    State(state): State<AppState>,
    _: Query<NoQuery>,
) -> Result<Json<Vec<SessionRule>>, AppError> {
    state.read(|store| store.rules()).await.map(Json)
}

/// Replaces all rules over sessions.
///
/// Nodes with `sync=on` apply them within two seconds, after those in their nginx.conf.
#[utoipa::path(
    put,
    path = "/v1/rules",
    request_body = Vec<SessionRule>,
    responses(
        (status = 200, description = "The rules now in effect.", body = Vec<SessionRule>),
        (status = 408, description = "The body took too long."),
        (status = 413, description = "The body is too large."),
        (status = 422, description = "A node would refuse a rule; the node's own message.")
    )
)]
pub async fn put(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<Json<Vec<SessionRule>>, AppError> {
    let sent = body::read(request.into_body(), MAX_RULES_BODY_BYTES).await?;
    let rules = parse(&sent)?;
    replace(&state, rules.clone(), &identity).await?;
    Ok(Json(rules))
}

/// Checks and stores rules, for the API and the Console.
///
/// # Errors
/// 422 if a node would refuse one; the error of the store.
pub async fn replace(
    state: &AppState,
    rules: Vec<SessionRule>,
    identity: &Identity,
) -> Result<(), AppError> {
    check(&rules)?;
    let (count, by) = (rules.len(), identity.name.clone());
    state.change(move |store| store.set_rules(&rules, &by, now_ms())).await?;
    tracing::info!(rules = count, by = %identity.name, "rules changed");
    Ok(())
}

/// Validates rules with the nodes' own parser.
///
/// # Errors
/// 422 with the node's message, which names the rule.
pub fn check(rules: &[SessionRule]) -> Result<(), AppError> {
    let parsed = api_sessions_rules::parse_all(rules, &mut NoVariables);
    parsed.map(drop).map_err(|error| refused(error.to_string()))
}

fn refused(detail: String) -> AppError {
    AppError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_rule", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_taken_with_and_without_its_name() {
        let list = br#" [{"name": "a", "over": "1/1m", "on": ""}]"#;
        let wrapped = br#"{"rules": [{"name": "a", "over": "1/1m"}]}"#;
        assert_eq!(parse(list).unwrap(), parse(wrapped).unwrap());
        assert_eq!(parse(list).unwrap()[0].on, None);
    }

    #[test]
    fn a_misspelt_field_is_refused() {
        let error = parse(br#"[{"name": "a", "over": "1/1m", "mod": "enforce"}]"#).unwrap_err();
        assert!(error.detail.contains("mod"), "{error}");
        assert!(parse(b"[[\"a\"]]").is_err());
    }
}
