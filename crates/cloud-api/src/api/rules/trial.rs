//! `POST /v1/rules/try`: what a rule would have done to stored requests.

use api_sessions_extract::NoVariables;
use api_sessions_protocol::SessionRule;
use api_sessions_rules::parse_all;
use axum::Json;
use axum::extract::{Request, State};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{NewRule, refused};
use crate::error::AppError;
use crate::ingest::body;
use crate::json::{self, Object};
use crate::limits::MAX_RULES_BODY_BYTES;
use crate::replay;
use crate::state::AppState;
use crate::trial::{self, Trial};
use api_sessions_store::ReplayQuery;
use api_sessions_store::clock::now_ms;

/// Default period, milliseconds: a week.
pub const DEFAULT_PERIOD: u64 = 7 * 86_400_000;

/// Body of a trial.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTrial {
    rule: Object<NewRule>,
    from: Option<Value>,
    to: Option<Value>,
}

/// A rule and the period to try it on.
#[derive(ToSchema)]
#[allow(dead_code, reason = "describes the body")]
pub struct TrialRequest {
    /// The rule; its mode is ignored.
    rule: SessionRule,
    /// Earliest start of a request: milliseconds since 1970 or RFC 3339; absent: seven days before `to`.
    from: Option<String>,
    /// Latest start of a request; absent: now.
    to: Option<String>,
}

/// What a rule would have done to stored requests.
///
/// Requests are replayed in the order they started, with the nodes' own counting code, for at most a minute. Only one
/// trial runs at a time; it stops when its client disconnects.
#[utoipa::path(
    post,
    path = "/v1/rules/try",
    request_body = TrialRequest,
    responses(
        (status = 200, description = "What the rule would have done.", body = Trial),
        (status = 408, description = "The body took too long."),
        (status = 413, description = "The body is too large."),
        (status = 422, description = "A node would refuse the rule; the node's own message.")
    )
)]
pub async fn post(
    State(state): State<AppState>,
    request: Request,
) -> Result<Json<Trial>, AppError> {
    let sent = body::read(request.into_body(), MAX_RULES_BODY_BYTES).await?;
    let NewTrial { rule: Object(rule), from, to } = json::object(&sent)?;
    try_rule(&state, rule.into(), replay::time("from", from)?, replay::time("to", to)?)
        .await
        .map(Json)
}

/// Tries a rule, for the API and the Console.
///
/// # Errors
/// 422 if a node would refuse the rule; 503 while another trial runs; the error of the store.
pub async fn try_rule(
    state: &AppState,
    rule: SessionRule,
    from: Option<u64>,
    to: Option<u64>,
) -> Result<Trial, AppError> {
    // Parsed as a list, so that errors read as those of `PUT /v1/rules`.
    let parsed = parse_all(std::slice::from_ref(&rule), &mut NoVariables);
    let rule = parsed.map_err(|error| refused(error.to_string()))?.pop();
    let rule = rule.ok_or_else(|| refused("a rule is missing".to_owned()))?;
    let to = to.unwrap_or_else(now_ms);
    let query = ReplayQuery {
        from: from.unwrap_or_else(|| to.saturating_sub(DEFAULT_PERIOD)),
        to,
        with_rules: false,
    };
    replay::exclusively(state, move |store, is_cancelled| {
        let parameters = store.parameters()?.parameters;
        trial::run(store, &rule, &parameters, &query, is_cancelled)
    })
    .await
}
