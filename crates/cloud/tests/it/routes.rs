//! The table of routes: nothing is reachable without the access that its row names.

use api_sessions_cloud::guard::Audience;
use api_sessions_cloud::routes::{Route, table};
use api_sessions_cloud_api::auth::Access;
use api_sessions_store::Role;

use crate::support::{Answer, Cloud};

/// The only routes that need no token.
const PUBLIC: [&str; 7] = [
    "GET /healthz",
    "GET /login",
    "POST /login",
    "POST /logout",
    "GET /style.css",
    "GET /app.js",
    "GET /favicon.svg",
];

fn name(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

fn send(cloud: &Cloud, method: &str, route: &Route, token: &str) -> Answer {
    let path = route.path.replace("{id}", "x").replace("{session}", "x").replace("{user}", "x");
    // The poll would wait for a change.
    let path = if path == "/v1/sync" { format!("{path}?wait=0") } else { path };
    cloud.send(method, &path, token, &[], b"")
}

/// Whether the layer in front of the handlers refused the request.
fn assert_refused(answer: &Answer, route: &Route, is_known: bool) {
    let name = name(route);
    match route.audience {
        Audience::Api => {
            assert_eq!(answer.status, if is_known { 403 } else { 401 }, "{name}");
            let error = if is_known { "forbidden" } else { "unauthorized" };
            // A response to HEAD has no body.
            if !answer.body.is_empty() {
                assert_eq!(answer.json()["error"], error, "{name}");
            }
        }
        Audience::Console if is_known => assert_eq!(answer.status, 403, "{name}"),
        Audience::Console => {
            assert_eq!(answer.status, 303, "{name}");
            let asked_for_a_page = route.method == "GET" && route.path != "/";
            let (path, query) = answer
                .header("location")
                .split_once('?')
                .unwrap_or((answer.header("location"), ""));
            assert_eq!((path, query.starts_with("next=")), ("/login", asked_for_a_page), "{name}");
        }
    }
}

#[test]
fn the_public_routes_are_these() {
    let public: Vec<_> =
        table().iter().filter(|route| route.access == Access::Public).map(name).collect();
    assert_eq!(public, PUBLIC);
}

#[test]
fn no_route_is_served_without_a_token() {
    let cloud = Cloud::start();
    for route in table().iter().filter(|route| route.access != Access::Public) {
        for token in ["", "wrong"] {
            assert_refused(&send(&cloud, route.method.as_str(), route, token), route, false);
        }
        // axum answers HEAD with the handler of GET.
        if route.method == "GET" {
            assert_refused(&send(&cloud, "HEAD", route, ""), route, false);
        }
    }
}

#[test]
fn every_route_serves_the_roles_of_its_access_and_no_other() {
    let cloud = Cloud::start();
    for role in Role::ALL {
        let token = cloud.token(role);
        for route in table() {
            let answer = send(&cloud, route.method.as_str(), &route, &token);
            if route.access.allows(role) {
                let refused = [401, 403].contains(&answer.status) && route.access != Access::Public;
                assert!(!refused, "{} {}: {}", role.as_str(), name(&route), answer.text());
            } else {
                assert_refused(&answer, &route, true);
            }
        }
    }
}

#[test]
fn every_path_has_the_security_headers_of_its_audience() {
    let cloud = Cloud::start();
    for route in table() {
        let answer = send(&cloud, route.method.as_str(), &route, &cloud.admin);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{}", name(&route));
        let policy = answer.header("content-security-policy");
        let expected = route.audience == Audience::Console;
        assert_eq!(policy.contains("default-src 'none'"), expected, "{}", name(&route));
    }
}
