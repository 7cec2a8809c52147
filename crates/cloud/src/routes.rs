//! The route table: every path of the API and the Console, and the access that each requires.
//!
//! A route exists only as a row of [`table`], a row cannot omit its access, and [`router`] puts [`guard`] in front of
//! every row.

use std::convert::Infallible;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodRouter};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::guard::{Audience, guard, is_browser};
use crate::openapi;
use api_sessions_cloud_api::api::{
    changes, denylist, endpoints, facets, facts, keys, neighbours, operation, parameters, requests,
    rules, sessions, users,
};
use api_sessions_cloud_api::auth::Access;
use api_sessions_cloud_api::error::AppError;
use api_sessions_cloud_api::ingest::{key_facts, records};
use api_sessions_cloud_api::node_control::{nodes, sync};
use api_sessions_cloud_api::state::AppState;
use api_sessions_cloud_config::site::Peer;
use api_sessions_console as console;

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
        api(POST, "/v1/key-facts", Ingest, key_facts::post),
        api(GET, "/v1/sync", Ingest, sync::poll),
        api(GET, "/v1/sessions", Read, sessions::list),
        api(GET, "/v1/sessions.csv", Read, sessions::download),
        api(GET, "/v1/sessions/{id}", Read, sessions::detail),
        api(DELETE, "/v1/sessions/{id}/identifiers/{alias}", Change, sessions::split),
        api(GET, "/v1/sessions/{id}/changes", Read, changes::list),
        api(GET, "/v1/sessions/{id}/facts", Read, facts::list),
        api(GET, "/v1/sessions/{id}/requests", Read, requests::list),
        api(GET, "/v1/sessions/{id}/requests.csv", Read, requests::download),
        api(GET, "/v1/endpoints", Read, endpoints::list),
        api(GET, "/v1/endpoints.csv", Read, endpoints::download),
        api(GET, "/v1/endpoints/openapi.json", Read, endpoints::export),
        api(GET, "/v1/endpoints/neighbours", Read, neighbours::list),
        api(POST, "/v1/endpoints/compare", Read, endpoints::compare_with),
        api(GET, "/v1/facets", Read, facets::list),
        api(GET, "/v1/users", Read, users::list),
        api(GET, "/v1/users.csv", Read, users::download),
        api(GET, "/v1/users/{user}", Read, users::detail),
        api(POST, "/v1/users/{user}/deny", Change, users::deny),
        api(GET, "/v1/requests/{id}", Read, requests::detail),
        api(GET, "/v1/denylist", Read, denylist::list),
        api(POST, "/v1/denylist", Change, denylist::add),
        api(DELETE, "/v1/denylist/{session}", Change, denylist::remove),
        api(GET, "/v1/denylist-history", Read, denylist::history),
        api(GET, "/v1/parameters", Read, parameters::get),
        api(PUT, "/v1/parameters", Change, parameters::put),
        api(GET, "/v1/rules", Read, rules::get),
        api(PUT, "/v1/rules", Change, rules::put),
        api(POST, "/v1/rules/try", Read, rules::trial::post),
        api(GET, "/v1/rules/hits", Read, rules::hits::list),
        api(GET, "/v1/rules/denials", Read, rules::denials::list),
        api(GET, "/v1/keys", Read, keys::list),
        api(POST, "/v1/keys/dismiss", Change, keys::dismiss),
        api(POST, "/v1/keys/undo", Change, keys::undo),
        api(POST, "/v1/keys/try", Read, keys::trial::post),
        api(GET, "/v1/nodes", Read, nodes::list),
        api(GET, "/metrics", Read, operation::metrics),
        api(GET, "/openapi.json", Read, openapi::serve),
        api(GET, "/healthz", Public, operation::healthz),

        page(GET, "/", Read, console::sessions::list),
        page(GET, "/sessions/{id}", Read, console::session::open),
        page(POST, "/sessions/split", Change, console::identity::split),
        page(GET, "/requests/{id}", Read, console::request::open),
        page(GET, "/users", Read, console::users::list),
        page(GET, "/users/{user}", Read, console::user::open),
        page(POST, "/users", Change, console::user::deny),
        page(GET, "/endpoints", Read, console::endpoints::list),
        page(GET, "/endpoints/neighbours", Read, console::neighbours::open),
        page(POST, "/endpoints", Read, console::comparison::post),
        page(GET, "/denylist", Read, console::denylist::list),
        page(POST, "/denylist", Change, console::denylist::add),
        page(POST, "/denylist/remove", Change, console::denylist::remove),
        page(GET, "/parameters", Read, console::parameters::show),
        page(POST, "/parameters", Change, console::parameters::save),
        page(POST, "/parameters/preview", Change, console::parameters::preview),
        page(GET, "/rules", Read, console::rules::show),
        page(POST, "/rules", Change, console::rules::save),
        page(POST, "/rules/editor", Read, console::rules::edit),
        page(POST, "/rules/mode", Change, console::rules::set_mode),
        page(POST, "/rules/remove", Change, console::rules::remove),
        page(GET, "/keys", Read, console::keys::list),
        page(POST, "/keys", Change, console::keys::decide),
        page(GET, "/nodes", Read, console::nodes::list),
        page(GET, "/login", Public, console::login::by_link),
        page(POST, "/login", Public, console::login::by_form),
        page(POST, "/logout", Public, console::login::logout),
        page(GET, "/style.css", Public, console::assets::style),
        page(GET, "/app.js", Public, console::assets::script),
        page(GET, "/favicon.svg", Public, console::assets::icon),
    ]
}

/// The rows of the API.
pub fn api_routes() -> Vec<openapi::ApiRoute> {
    let rows = table().into_iter().filter(|route| route.audience == Audience::Api);
    rows.map(|route| (route.method, route.path, route.access)).collect()
}

/// Builds the router from the table.
pub fn router(state: AppState) -> Router {
    openapi::set_routes(api_routes());
    let add = |router: Router<AppState>, route: Route| {
        let rule = (state.clone(), route.access, route.audience);
        router.route(route.path, route.handler.route_layer(from_fn_with_state(rule, guard)))
    };
    let routes =
        table().into_iter().fold(Router::new(), add).method_not_allowed_fallback(|| async {
            AppError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path does not support this method",
            )
        });
    let inner = routes.clone().fallback(not_found).with_state(state.clone());
    routes
        .fallback(move |state: State<AppState>, request: Request| {
            below_prefix(state, inner, request)
        })
        .layer(map_response(response_headers))
        .with_state(state)
}

/// Responds to an unknown path: a page for browsers, with links below the path of the public URL, else JSON.
async fn not_found(State(state): State<AppState>, request: Request) -> Response {
    let error = AppError::not_found("no such path").into_response();
    if !is_browser(request.headers()) {
        return error;
    }
    let peer = request.extensions().get::<Peer>().copied();
    console::finish(error, &state.config().site(peer, request.headers()), true)
}

/// Serves a route below the path of the public URL, for a proxy that passes paths on unchanged.
async fn below_prefix(
    State(state): State<AppState>,
    routes: Router,
    mut request: Request,
) -> Response {
    let peer = request.extensions().get::<Peer>().copied();
    let site = state.config().site(peer, request.headers());
    let path = site.strip(request.uri().path()).map(|path| match request.uri().query() {
        Some(query) => format!("/{}?{query}", path.trim_start_matches('/')),
        None => format!("/{}", path.trim_start_matches('/')),
    });
    if let Some(uri) = path.and_then(|path| path.parse().ok()) {
        *request.uri_mut() = uri;
    }
    let answer: Result<Response, Infallible> =
        Service::call(&TowerToHyperService::new(routes), request).await;
    answer.into_response()
}

/// Default headers of every response: no caching, no content sniffing, no referrer to other origins.
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
