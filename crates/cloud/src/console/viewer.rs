//! The user of a page.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::auth::Identity;
use crate::error::AppError;
use api_sessions_store::Role;

/// The user of a page, as far as the page depends on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Viewer {
    /// Forms that change something are shown.
    pub(super) is_admin: bool,
}

/// [`crate::auth::guard`] leaves the identity; a public page has none, and no viewer.
impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AppError> {
        let identity = parts.extensions.get::<Identity>();
        let identity = identity.ok_or_else(|| AppError::unauthorized("a token is required"))?;
        Ok(Viewer { is_admin: identity.role == Role::Admin })
    }
}
