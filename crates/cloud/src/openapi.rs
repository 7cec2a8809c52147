//! `/openapi.json`, generated from the handlers' annotations, the types and the route table.

use std::sync::{LazyLock, OnceLock};

use axum::http::{Method, header};
use axum::response::IntoResponse;
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, OpenApi as Document, PathItem, Ref, RefOr, Response, ResponseBuilder,
};

use api_sessions_cloud_api::api::{
    changes, denylist, endpoints, facets, facts, keys, neighbours, operation, parameters, requests,
    rules, sessions, users,
};
use api_sessions_cloud_api::auth::Access;
use api_sessions_cloud_api::error::ErrorBody;
use api_sessions_cloud_api::ingest::{key_facts, records};
use api_sessions_cloud_api::node_control::{nodes, sync};
use api_sessions_store::Role;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "API Sessions cloud",
        version = "1",
        description = "Sessions, requests, denylist and parameters of API Sessions for NGINX.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        records::post,
        key_facts::post,
        sync::poll,
        sessions::list,
        sessions::download,
        sessions::detail,
        sessions::split,
        changes::list,
        facts::list,
        endpoints::list,
        endpoints::download,
        endpoints::export,
        endpoints::compare_with,
        neighbours::list,
        facets::list,
        users::list,
        users::download,
        users::detail,
        users::deny,
        requests::list,
        requests::download,
        requests::detail,
        denylist::list,
        denylist::add,
        denylist::remove,
        denylist::history,
        parameters::get,
        parameters::put,
        rules::get,
        rules::put,
        rules::trial::post,
        rules::hits::list,
        rules::denials::list,
        keys::list,
        keys::dismiss,
        keys::undo,
        keys::trial::post,
        nodes::list,
        operation::metrics,
        operation::healthz,
        serve
    ),
    components(schemas(ErrorBody))
)]
struct Annotations;

/// Name of the security scheme.
const TOKEN: &str = "token";

/// Parameters of lists that these paths refuse or ignore.
const IGNORED: [(&str, &[&str]); 4] = [
    ("/v1/facets", &["sort", "order", "limit", "cursor"]),
    ("/v1/users", &["sort", "order", "limit", "cursor"]),
    ("/v1/sessions/{id}/requests", &["sort", "session"]),
    ("/v1/sessions/{id}/requests.csv", &["sort", "session", "limit", "cursor"]),
];

/// Method and path of a route of the API, and the access that it requires.
pub type ApiRoute = (Method, &'static str, Access);

static ROUTES: OnceLock<Vec<ApiRoute>> = OnceLock::new();
static JSON: LazyLock<String> = LazyLock::new(|| {
    let routes = ROUTES.get().map_or(&[][..], Vec::as_slice);
    serde_json::to_string_pretty(&document(routes)).unwrap_or_default()
});

/// Sets the routes that the served document describes, once per process.
pub fn set_routes(routes: Vec<ApiRoute>) {
    ROUTES.get_or_init(|| routes);
}

/// The description of the API.
pub fn document(routes: &[ApiRoute]) -> Document {
    let mut document = Annotations::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    if let Some(components) = &mut document.components {
        components.add_security_scheme(TOKEN, SecurityScheme::Http(bearer));
    }
    for (method, path, access) in routes {
        let item = document.paths.paths.get_mut(*path);
        let Some(operation) = item.and_then(|item| operation(item, method.as_str())) else {
            continue;
        };
        complete(operation, *access);
        for (_, ignored) in IGNORED.iter().filter(|(ignoring, _)| ignoring == path) {
            let is_used = |parameter: &RefOr<Parameter>| match parameter {
                RefOr::T(parameter) => !ignored.contains(&parameter.name.as_str()),
                RefOr::Ref(_) => true,
            };
            operation.parameters.iter_mut().for_each(|all| all.retain(is_used));
        }
    }
    document
}

fn operation<'a>(item: &'a mut PathItem, method: &str) -> Option<&'a mut Operation> {
    match method {
        "GET" => item.get.as_mut(),
        "POST" => item.post.as_mut(),
        "PUT" => item.put.as_mut(),
        "DELETE" => item.delete.as_mut(),
        _ => None,
    }
}

/// Adds what follows from the route table: the roles, and the error responses that all routes share.
fn complete(operation: &mut Operation, access: Access) {
    operation.operation_id = None;
    operation.tags = None;
    if access == Access::Public {
        operation.security = Some(Vec::new());
        return;
    }
    operation.security = Some(vec![SecurityRequirement::new(TOKEN, [""; 0])]);
    let roles: Vec<_> =
        Role::ALL.into_iter().filter(|role| access.allows(*role)).map(Role::as_str).collect();
    let roles = format!("Roles: {}.", roles.join(", "));
    operation.description = Some(match operation.description.take() {
        Some(text) => format!("{text}\n\n{roles}"),
        None => roles,
    });
    let responses = &mut operation.responses.responses;
    for (status, description) in [
        ("400", "A value is invalid."),
        ("401", "The token is missing or unknown."),
        ("403", "The token's role may not do this."),
        (
            "503",
            "The store is temporarily unavailable (`unavailable`), or a file is damaged (`damaged`).",
        ),
    ] {
        let response = || ResponseBuilder::new().description(description).build().into();
        responses.entry(status.to_owned()).or_insert_with(response);
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
        {
            with_error_body(response);
        }
    }
}

fn with_error_body(response: &mut Response) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).build();
    response.content.insert("application/json".to_owned(), content.into());
}

/// This document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    responses((status = 200, description = "OpenAPI 3.1.", body = Object, content_type = "application/json"))
)]
pub async fn serve() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], JSON.as_str())
}
