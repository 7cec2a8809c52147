//! The table of routes: every path of the API and the Console, and the access each requires.
//!
//! A route exists only as a row of [`table`], a row cannot leave its access out, and [`router`] puts
//! [`guard`] in front of every row.

use axum::Router;
use axum::handler::Handler;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{self, MethodRouter};

use crate::api::{denylist, openapi, operation, parameters, requests, sessions};
use crate::auth::{Access, guard};
use crate::console;
use crate::error::AppError;
use crate::ingest::records;
use crate::node_control::{nodes, sync};
use crate::state::AppState;

/// Who a route is for, which decides the form of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Programs: JSON errors.
    Api,
    /// Browsers: an error page, or a redirect to the login page.
    Console,
}

/// A row of the table.
pub struct Route {
    /// Method; `GET` also answers `HEAD`.
    pub method: Method,
    /// Path in axum's syntax.
    pub path: &'static str,
    /// Access it requires.
    pub access: Access,
    /// Who it is for.
    pub audience: Audience,
    handler: MethodRouter<AppState>,
}

fn api<T: 'static>(
    method: Method,
    path: &'static str,
    access: Access,
    handler: impl Handler<T, AppState>,
) -> Route {
    let handler = match method {
        Method::POST => routing::post(handler),
        Method::PUT => routing::put(handler),
        Method::DELETE => routing::delete(handler),
        _ => routing::get(handler),
    };
    Route { method, path, access, audience: Audience::Api, handler }
}

fn page<T: 'static>(
    method: Method,
    path: &'static str,
    access: Access,
    handler: impl Handler<T, AppState>,
) -> Route {
    Route { audience: Audience::Console, ..api(method, path, access, handler) }
}

/// Every route.
#[rustfmt::skip]
pub fn table() -> Vec<Route> {
    use Access::{Change, Ingest, Public, Read};
    const GET: Method = Method::GET;
    const POST: Method = Method::POST;
    const PUT: Method = Method::PUT;
    const DELETE: Method = Method::DELETE;

    vec![
        api(POST, "/v1/records", Ingest, records::post),
        api(GET, "/v1/sync", Ingest, sync::poll),
        api(GET, "/v1/sessions", Read, sessions::list),
        api(GET, "/v1/sessions/{id}", Read, sessions::detail),
        api(GET, "/v1/sessions/{id}/requests", Read, requests::list),
        api(GET, "/v1/sessions/{id}/requests.csv", Read, requests::download),
        api(GET, "/v1/requests/{id}", Read, requests::detail),
        api(GET, "/v1/denylist", Read, denylist::list),
        api(POST, "/v1/denylist", Change, denylist::add),
        api(DELETE, "/v1/denylist/{session}", Change, denylist::remove),
        api(GET, "/v1/denylist-history", Read, denylist::history),
        api(GET, "/v1/parameters", Read, parameters::get),
        api(PUT, "/v1/parameters", Change, parameters::put),
        api(GET, "/v1/nodes", Read, nodes::list),
        api(GET, "/metrics", Read, operation::metrics),
        api(GET, "/openapi.json", Read, openapi::serve),
        api(GET, "/healthz", Public, operation::healthz),

        page(GET, "/", Read, console::sessions::list),
        page(GET, "/sessions/{id}", Read, console::session::open),
        page(GET, "/requests/{id}", Read, console::request::open),
        page(GET, "/denylist", Read, console::denylist::list),
        page(POST, "/denylist", Change, console::denylist::add),
        page(POST, "/denylist/remove", Change, console::denylist::remove),
        page(GET, "/parameters", Read, console::parameters::show),
        page(POST, "/parameters", Change, console::parameters::save),
        page(POST, "/parameters/preview", Change, console::parameters::preview),
        page(GET, "/nodes", Read, console::nodes::list),
        page(GET, "/login", Public, console::login::by_link),
        page(POST, "/login", Public, console::login::by_form),
        page(POST, "/logout", Public, console::login::logout),
        page(GET, "/style.css", Public, console::assets::style),
        page(GET, "/app.js", Public, console::assets::script),
    ]
}

/// The service made of the table.
pub fn router(state: AppState) -> Router {
    let add = |router: Router<AppState>, route: Route| {
        let rule = (state.clone(), route.access, route.audience);
        let guarded = route.handler.route_layer(from_fn_with_state(rule, guard));
        router.route(
            route.path,
            match route.audience {
                Audience::Api => guarded,
                Audience::Console => guarded.route_layer(map_response(console::security_headers)),
            },
        )
    };
    table()
        .into_iter()
        .fold(Router::new(), add)
        .fallback(|| async { AppError::not_found("no such path") })
        .method_not_allowed_fallback(|| async {
            AppError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path does not support this method",
            )
        })
        .layer(map_response(response_headers))
        .with_state(state)
}

/// Headers of every response: nothing may be cached, sniffed or sent on as a referrer.
async fn response_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
