//! The user of a page.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use api_sessions_cloud_api::auth::Identity;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_config::site::Site;
use api_sessions_store::Role;

/// The properties of the user that a page depends on.
#[derive(Debug, Clone)]
pub struct Viewer {
    /// Whether to show forms that change something.
    pub(super) is_admin: bool,
    /// The Console's address, as the browser sees it.
    pub(super) site: Site,
}

impl Viewer {
    /// The path of a link to `path` of the table of routes.
    pub(super) fn link(&self, path: &str) -> String {
        self.site.link(path)
    }
}

/// The layer in front of every route provides the identity and the site; public pages have neither, and no viewer.
impl<S: Send + Sync> FromRequestParts<S> for Viewer {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AppError> {
        let identity = parts.extensions.get::<Identity>();
        let identity = identity.ok_or_else(|| AppError::unauthorized("a token is required"))?;
        let site = parts.extensions.get::<Site>().cloned().unwrap_or_default();
        Ok(Viewer { is_admin: identity.role == Role::Admin, site })
    }
}
