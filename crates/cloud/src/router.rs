//! The one table of routes: which path leads where, and what token it asks for.

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, post, put};

use crate::api::{
    denylist, nodes, openapi, operation, parameters, records, requests, sessions, sync,
};
use crate::auth::{Access, guard};
use crate::console;
use crate::error::AppError;
use crate::state::AppState;

/// All routes.
pub fn router(state: AppState) -> Router {
    let allow = |access: Access, route: MethodRouter<AppState>| {
        route.route_layer(from_fn_with_state((state.clone(), access), guard))
    };
    let ingest = |route| allow(Access::Ingest, route);
    let read = |route| allow(Access::Read, route);
    let change = |route| allow(Access::Change, route);

    Router::new()
        .route("/v1/records", ingest(post(records::post)))
        .route("/v1/sync", ingest(get(sync::poll)))
        .route("/v1/sessions", read(get(sessions::list)))
        .route("/v1/sessions/{id}", read(get(sessions::detail)))
        .route("/v1/sessions/{id}/requests", read(get(requests::list)))
        .route("/v1/sessions/{id}/requests.csv", read(get(requests::download)))
        .route("/v1/requests/{id}", read(get(requests::detail)))
        .route("/v1/denylist", read(get(denylist::list)).merge(change(post(denylist::add))))
        .route("/v1/denylist/{session}", change(delete(denylist::remove)))
        .route("/v1/denylist-history", read(get(denylist::history)))
        .route("/v1/parameters", read(get(parameters::get)).merge(change(put(parameters::put))))
        .route("/v1/nodes", read(get(nodes::list)))
        .route("/metrics", read(get(operation::metrics)))
        .route("/openapi.json", read(get(openapi::document)))
        .route("/healthz", get(operation::healthz))
        .merge(console::routes(&state))
        .fallback(|| async { AppError::not_found("there is no such path") })
        .method_not_allowed_fallback(|| async {
            AppError::new(
                axum::http::StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path does not know this method",
            )
        })
        .layer(map_response(headers))
        .with_state(state)
}

/// Headers of every answer: what is here is nobody's to keep, sniff or frame.
async fn headers(mut response: Response) -> Response {
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
