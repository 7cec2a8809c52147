//! Authentication and authorization.
//!
//! A token is sent as `Authorization: Bearer`, or in the cookie set by the login to the Console. Only hashes are
//! stored; a token is 32 random bytes, so an unsalted hash is sufficient.

use axum::http::{HeaderMap, Method, header};

use crate::error::{AppError, brief};
use crate::limits::MAX_QUOTED_ORIGIN_BYTES;
use crate::state::AppState;
use api_sessions_cloud_config::site::Site;
use api_sessions_store::{Role, StoreError};

/// Name of the Console's cookie.
pub const COOKIE: &str = "api_sessions_token";

/// The access that a route requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// No token.
    Public,
    /// Ingest and admin tokens.
    Ingest,
    /// Viewer and admin tokens.
    Read,
    /// Admin tokens.
    Change,
}

impl Access {
    /// Whether a token of `role` has this access.
    pub const fn allows(self, role: Role) -> bool {
        match self {
            Access::Public => true,
            Access::Ingest => matches!(role, Role::Ingest | Role::Admin),
            Access::Read => matches!(role, Role::Viewer | Role::Admin),
            Access::Change => matches!(role, Role::Admin),
        }
    }
}

/// The identity of a token's owner; in the extensions of every authorized request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Role of the token.
    pub role: Role,
    /// Label and number of the token, for histories.
    pub name: String,
}

/// Generates a token.
///
/// # Errors
/// The operating system provides no random bytes.
pub fn new_token() -> Result<String, StoreError> {
    let mut raw = [0u8; 32];
    getrandom::fill(&mut raw)
        .map_err(|error| StoreError::Unavailable(format!("no random bytes: {error}")))?;
    let digits: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("ast_{digits}"))
}

/// The hash of a token, as stored.
pub fn hash(token: &str) -> [u8; 32] {
    blake3::derive_key("api-sessions-cloud token v1", token.as_bytes())
}

/// The token in `Authorization`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token in the Console's cookie.
pub fn cookie(headers: &HeaderMap) -> Option<&str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE)
        .map(|(_, token)| token)
}

/// The identity of a token; `None` if it is unknown.
///
/// # Errors
/// [`AppError`] if the store is unavailable.
pub async fn identify(state: &AppState, token: &str) -> Result<Option<Identity>, AppError> {
    let hash = hash(token);
    let found = state.read(move |store| store.find_token(&hash)).await?;
    Ok(found.map(|token| Identity {
        role: token.role,
        name: format!("{} (token {})", token.label, token.id),
    }))
}

/// The identity behind a request.
///
/// # Errors
/// 401: no token, or an unknown one. 403: the cookie came with a request from another site.
async fn authenticate(
    state: &AppState,
    method: &Method,
    headers: &HeaderMap,
    site: &Site,
) -> Result<Identity, AppError> {
    let token = match bearer(headers) {
        Some(token) => Some(token),
        None => {
            let token = cookie(headers);
            if token.is_some() && !method.is_safe() {
                require_own_origin(headers, site)?;
            }
            token
        }
    };
    let token = token.ok_or_else(|| AppError::unauthorized("a token is required"))?;
    identify(state, token).await?.ok_or_else(|| AppError::unauthorized("unknown token"))
}

/// Refuses a request that does not come from one of the Console's own pages.
///
/// # Errors
/// 403
pub fn require_own_origin(headers: &HeaderMap, site: &Site) -> Result<(), AppError> {
    if is_own_origin(headers, site) {
        return Ok(());
    }
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    Err(AppError::forbidden(format!(
        "requests from another site are refused: the browser is at {}, the Console at {}; \
         for a Console behind a proxy, --public-url states its address",
        origin.map_or_else(
            || "an unknown address".to_owned(),
            |origin| brief(origin, MAX_QUOTED_ORIGIN_BYTES)
        ),
        site.origin()
    )))
}

fn is_own_origin(headers: &HeaderMap, site: &Site) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some(site) => site == "same-origin" || site == "none",
        // Browsers send Sec-Fetch-Site only over TLS and to loopback.
        None => text("origin").is_some_and(|origin| site.is_origin(origin)),
    }
}

/// The identity behind a request to a route that requires `access`.
///
/// # Errors
/// 401: no token, or an unknown one. 403: the token's role may not do this, or the cookie came with a request from
/// another site.
pub async fn authorize(
    state: &AppState,
    access: Access,
    method: &Method,
    headers: &HeaderMap,
    site: &Site,
) -> Result<Identity, AppError> {
    let identity = authenticate(state, method, headers, site).await?;
    if !access.allows(identity.role) {
        state.metrics.forbidden();
        let role = identity.role.as_str();
        return Err(AppError::forbidden(format!("a token of role {role} may not do this")));
    }
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect::<Vec<(axum::http::HeaderName, _)>>()
            .into_iter()
            .collect()
    }

    #[test]
    fn tokens_are_found_in_header_and_cookie() {
        assert_eq!(bearer(&headers(&[("authorization", "bearer  x")])), Some("x"));
        assert_eq!(bearer(&headers(&[("authorization", "Basic x")])), None);
        let with = headers(&[("cookie", "a=b; api_sessions_token=t; c=d")]);
        assert_eq!(cookie(&with), Some("t"));
    }

    #[test]
    fn a_token_has_256_random_bits() {
        let token = new_token().unwrap();
        let digits = token.strip_prefix("ast_").unwrap();
        assert!(digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        assert_ne!(token, new_token().unwrap());
    }

    #[test]
    fn requests_from_another_site_are_recognized() {
        let site = Site::parse("http://127.0.0.1:8700").unwrap();
        let is_own = |pairs| is_own_origin(&headers(pairs), &site);
        assert!(is_own(&[("sec-fetch-site", "same-origin")]));
        assert!(!is_own(&[("sec-fetch-site", "cross-site")]));
        assert!(!is_own(&[("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:8700")]));
        assert!(is_own(&[("origin", "http://127.0.0.1:8700")]));
        assert!(!is_own(&[("origin", "http://evil"), ("host", "evil")]));
        assert!(!is_own(&[]));
    }

    #[test]
    fn roles_have_the_access_of_the_contract() {
        for (access, ingest, viewer, admin) in [
            (Access::Public, true, true, true),
            (Access::Ingest, true, false, true),
            (Access::Read, false, true, true),
            (Access::Change, false, false, true),
        ] {
            assert_eq!(access.allows(Role::Ingest), ingest);
            assert_eq!(access.allows(Role::Viewer), viewer);
            assert_eq!(access.allows(Role::Admin), admin);
        }
    }
}
