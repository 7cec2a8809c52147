//! `GET /v1/users`, `GET /v1/users/{user}`, `POST /v1/users/{user}/deny`

use api_sessions_protocol::DenyOrder;
use axum::extract::{Request, State};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::query::RawQuery;
use super::{csv, download};
use crate::aggregate::{self, Facet, UserSummary};
use crate::auth::Identity;
use crate::error::AppError;
use crate::extractors::{NoQuery, Path, Query};
use crate::ingest::body;
use crate::json;
use crate::limits::MAX_DENYLIST_BODY_BYTES;
use crate::state::AppState;
use crate::user::{self, UserDetail};
use api_sessions_store::clock::now_ms;
use api_sessions_store::{Filter, Store, StoreError};

/// The users of the sessions that match.
#[derive(Debug, Serialize, ToSchema)]
pub struct Users {
    /// Number of sessions counted: the most recently active ones.
    #[schema(maximum = 1000)]
    pub counted: u64,
    /// Number of sessions that match; at most 10,000.
    #[schema(maximum = 10_000)]
    pub total: u64,
    /// Users, most recently active first.
    pub users: Vec<UserSummary>,
    /// Days that could not be read completely: `2026-11-23`. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
}

impl Users {
    /// The users of the sessions that match, for the API and the Console.
    ///
    /// # Errors
    /// [`StoreError`]
    pub fn matching(store: &dyn Store, filter: Filter) -> Result<(Users, Vec<Facet>), StoreError> {
        let page = aggregate::matching(store, filter)?;
        let facets = aggregate::facets(&page.sessions);
        let users = Users {
            counted: page.sessions.len() as u64,
            total: page.total,
            users: aggregate::users(store, &page.sessions)?,
            incomplete: page.incomplete,
        };
        Ok((users, facets))
    }
}

/// Users of the sessions that match, with the totals of their own requests in these.
#[utoipa::path(
    get,
    path = "/v1/users",
    params(RawQuery),
    responses((status = 200, description = "Users.", body = Users))
)]
pub async fn list(
    State(state): State<AppState>,
    Query(query): Query<RawQuery>,
) -> Result<Json<Users>, AppError> {
    let filter = query.filter_alone()?;
    let (users, _) = state.list(move |store| Users::matching(store, filter)).await?;
    Ok(Json(users))
}

/// The same as CSV.
#[utoipa::path(
    get,
    path = "/v1/users.csv",
    params(RawQuery),
    responses((status = 200, description = "Users.", body = String, content_type = "text/csv"))
)]
pub async fn download(
    State(state): State<AppState>,
    Query(query): Query<RawQuery>,
) -> Result<impl IntoResponse, AppError> {
    let filter = query.filter_alone()?;
    let (found, _) = state.list(move |store| Users::matching(store, filter)).await?;
    Ok((download::headers("users", &found.incomplete), csv::render_users(&found.users)))
}

/// One user, with the values and failures of their sessions.
#[utoipa::path(
    get,
    path = "/v1/users/{user}",
    params(("user" = String, Path, description = "The user, exactly.")),
    responses(
        (status = 200, description = "The user.", body = UserDetail),
        (status = 404, description = "No session had this user.")
    )
)]
pub async fn detail(
    State(state): State<AppState>,
    Path(user): Path<String>,
    _: Query<NoQuery>,
) -> Result<Json<UserDetail>, AppError> {
    state
        .list(move |store| user::find(store, &user))
        .await?
        .map(|(detail, _)| Json(detail))
        .ok_or_else(|| AppError::not_found("no session had this user"))
}

/// How to deny the sessions of a user: the fields of a denylist entry.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DenyUser {
    /// Duration in seconds; absent: permanent.
    #[serde(default)]
    pub seconds: Option<u64>,
    /// Applications it applies to; empty: all.
    #[serde(default)]
    pub applications: Vec<String>,
    /// Reason.
    #[serde(default)]
    pub reason: Option<String>,
}

/// Outcome of denying a user.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeniedUser {
    /// Newly denied sessions, most recently active first, without those that an existing entry already covers.
    pub denied: Vec<String>,
    /// Number of sessions that nodes cannot deny: their ids are not 32 hexadecimal digits.
    pub impossible: u64,
}

/// Denies the current sessions of a user: those whose most recent user it is.
///
/// Covers at most the 1000 most recently active ones. Each gets its own entry; later sessions of the user are not
/// denied.
#[utoipa::path(
    post,
    path = "/v1/users/{user}/deny",
    params(("user" = String, Path, description = "The user, exactly.")),
    request_body = DenyUser,
    responses(
        (status = 200, description = "The sessions are denied.", body = DeniedUser),
        (status = 408, description = "The body took too long."),
        (status = 413, description = "The body is too large.")
    )
)]
pub async fn deny(
    State(state): State<AppState>,
    Extension(identity): Extension<Identity>,
    Path(user): Path<String>,
    request: Request,
) -> Result<Json<DeniedUser>, AppError> {
    let sent = body::read(request.into_body(), MAX_DENYLIST_BODY_BYTES).await?;
    let deny: DenyUser = json::object(&sent)?;
    deny_present(&state, user, deny, &identity).await.map(Json)
}

/// Denies the current sessions of a user, for the API and the Console.
///
/// # Errors
/// 400 if a value is invalid or exceeds its limit; the error of the store.
pub async fn deny_present(
    state: &AppState,
    user: String,
    deny: DenyUser,
    identity: &Identity,
) -> Result<DeniedUser, AppError> {
    let DenyUser { seconds, applications, reason } = deny;
    // A valid placeholder; each entry replaces it with its session's id.
    let session = "0".repeat(32);
    let entry =
        DenyOrder { session, seconds, applications, reason }.entry(&identity.name, now_ms())?;
    let (denied, impossible) = state.change(move |store| user::deny(store, &user, &entry)).await?;
    for session in &denied {
        tracing::info!(%session, by = %identity.name, "session denied");
    }
    Ok(DeniedUser { denied, impossible })
}
