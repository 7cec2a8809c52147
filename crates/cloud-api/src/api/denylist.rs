//! `/v1/denylist`: the sessions that nodes deny. Entries must satisfy the limits of the nodes.

use api_sessions_protocol::{DenyEntry, DenyOrder};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::query::limit;
use super::rules::denials;
use crate::auth::Identity;
use crate::error::AppError;
use crate::extractors::{NoQuery, Path, Query};
use crate::ingest::body;
use crate::json;
use crate::limits::{MAX_DENYLIST_BODY_BYTES, MAX_PAGE_ITEMS};
use crate::state::AppState;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{DenyChange, HistoryQuery};

/// Denied sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Denylist {
    denylist: Vec<DenyEntry>,
}

/// Sessions currently denied.
#[utoipa::path(
    get,
    path = "/v1/denylist",
    responses((status = 200, description = "The denylist.", body = Denylist))
)]
pub async fn list(
    State(state): State<AppState>,
    _: Query<NoQuery>,
) -> Result<Json<Denylist>, AppError> {
    let denylist = state.read(|store| store.denylist(now_ms())).await?;
    Ok(Json(Denylist { denylist }))
}

/// Denies a session, or replaces its entry.
#[utoipa::path(
    post,
    path = "/v1/denylist",
    request_body = DenyOrder,
    responses(
        (status = 201, description = "The session is denied.", body = DenyEntry),
        (status = 408, description = "The body took too long."),
        (status = 413, description = "The body is too large.")
    )
)]
pub async fn add(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    request: Request,
) -> Result<(StatusCode, Json<DenyEntry>), AppError> {
    let sent = body::read(request.into_body(), MAX_DENYLIST_BODY_BYTES).await?;
    let order: DenyOrder = json::object(&sent)?;
    let entry = order.entry(&identity.name, now_ms())?;
    let kept = entry.clone();
    state.change(move |store| store.deny(&kept)).await?;
    tracing::info!(session = %entry.session, by = %identity.name, "session denied");
    Ok((StatusCode::CREATED, Json(entry)))
}

/// Removes a session from the denylist, and ends the denial of a session or an address by a rule.
#[utoipa::path(
    delete,
    path = "/v1/denylist/{session}",
    params(("session" = String, Path, description = "Session id; or the address that a rule denied, an IPv6 one by its network: 2001:db8::%2F64.")),
    responses(
        (status = 204, description = "The session is no longer denied."),
        (status = 404, description = "The session is not on the denylist.")
    )
)]
pub async fn remove(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    Path(session): Path<String>,
) -> Result<StatusCode, AppError> {
    if !remove_entry(&state, session, identity).await? {
        return Err(AppError::not_found("the session is not on the denylist"));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a session's entry and ends the denial of a session or an address by a rule, for the API and the Console.
/// Returns whether there was either.
///
/// # Errors
/// The error of the store.
pub async fn remove_entry(
    state: &AppState,
    session: String,
    identity: Identity,
) -> Result<bool, AppError> {
    let (of, by) = (session.clone(), identity.name.clone());
    let was_on = state
        .change(move |store| {
            let now = now_ms();
            let was_on = store.undeny(&of, &by, now)?;
            let is_denied_by_rule = denials::is_denied(store, &of, now)?;
            if is_denied_by_rule {
                store.lift(&of, &by, now)?;
            }
            Ok(was_on || is_denied_by_rule)
        })
        .await?;
    // An id that was not on the list may be arbitrary text, which does not belong in the log.
    if was_on {
        tracing::info!(%session, by = %identity.name, "session no longer denied");
    }
    Ok(was_on)
}

/// Query string of the history; an empty value counts as absent.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RawHistoryQuery {
    /// Session id.
    session: String,
    /// Items per page.
    #[param(value_type = u32, minimum = 1, maximum = 1000, default = 1000)]
    limit: String,
    /// `next` of the previous page.
    cursor: String,
}

/// A page of the denylist's history.
#[derive(Debug, Serialize, ToSchema)]
pub struct History {
    /// Additions and removals, newest first.
    history: Vec<DenyChange>,
    /// Cursor of the next page; null on the last.
    #[schema(required = true)]
    next: Option<String>,
}

/// Additions to and removals from the denylist, newest first.
#[utoipa::path(
    get,
    path = "/v1/denylist-history",
    params(RawHistoryQuery),
    responses((status = 200, description = "A page of the history.", body = History))
)]
pub async fn history(
    State(state): State<AppState>,
    Query(raw): Query<RawHistoryQuery>,
) -> Result<Json<History>, AppError> {
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    let query = HistoryQuery {
        session: given(raw.session),
        limit: limit(&raw.limit)?.unwrap_or(MAX_PAGE_ITEMS),
        cursor: given(raw.cursor),
    };
    let page = state.read(move |store| {
        let page = store.deny_history(&query)?;
        Ok(History { next: page.next, history: page.items })
    });
    page.await.map(Json)
}
