//! The layer in front of every route.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use api_sessions_cloud_api::auth::{Access, authorize};
use api_sessions_cloud_api::state::AppState;
use api_sessions_cloud_config::site::Peer;
use api_sessions_console as console;

/// Who a route is for; decides the form of error responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Programs: JSON errors.
    Api,
    /// Browsers: an error page, or a redirect to the login page.
    Console,
}

/// Whether the client accepts HTML.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Authenticates, checks the access that the route requires, and adds the identity and the
/// [`Site`](api_sessions_cloud_config::site::Site) to the request's extensions.
pub async fn guard(
    State((state, access, audience)): State<(AppState, Access, Audience)>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let site = state.config().site(peer, request.headers());
    let permitted = match access {
        Access::Public => Ok(None),
        _ => authorize(&state, access, request.method(), request.headers(), &site).await.map(Some),
    };
    let is_browser = is_browser(request.headers());
    let response = match permitted {
        Ok(identity) => {
            if let Some(identity) = identity {
                request.extensions_mut().insert(identity);
            }
            request.extensions_mut().insert(site.clone());
            next.run(request).await
        }
        Err(error) if error.status == StatusCode::UNAUTHORIZED && audience == Audience::Console => {
            console::login::required(request.method(), request.uri())
        }
        Err(error) => error.into_response(),
    };
    match audience {
        Audience::Console => console::finish(response, &site, is_browser),
        Audience::Api => response,
    }
}
