//! Compares endpoints with an OpenAPI document: undocumented endpoints, and documented operations without traffic.

use std::collections::HashMap;

use api_sessions_store::path_template;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Endpoint, yaml};
use crate::limits::MAX_OPENAPI_OPERATIONS;

/// Members of a path item that are operations.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/// Methods that clients send on their own; documents rarely list them.
const IMPLIED: [&str; 2] = ["HEAD", "OPTIONS"];

/// An operation of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DocumentedOperation {
    /// Method.
    pub method: String,
    /// Path, below the path of the first server.
    pub path: String,
}

/// The result of comparing a document with the traffic.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct Comparison {
    /// Number of operations in the document.
    pub documented: u64,
    /// Endpoints in use that are not in the document; most requests first. `HEAD` and `OPTIONS` are left out.
    pub undocumented: Vec<Endpoint>,
    /// Operations of the document without requests.
    pub unseen: Vec<DocumentedOperation>,
}

struct Operation {
    shown: DocumentedOperation,
    /// Segments of the path; `None`: a variable.
    segments: Vec<Option<String>>,
    is_seen: bool,
}

/// The operations of an OpenAPI 3 or Swagger 2 document.
pub struct Document(Vec<Operation>);

impl Document {
    /// Reads a document in JSON, or in YAML if it does not begin with `{`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(sent: &[u8]) -> Result<Document, String> {
        let text = std::str::from_utf8(sent).map_err(|_| "the document is not in UTF-8")?;
        let text = text.trim_start_matches('\u{feff}');
        let tree = if text.trim_start().starts_with('{') {
            serde_json::from_str(text).map_err(|error| format!("the document is no JSON: {error}"))
        } else {
            yaml::parse(text).map_err(|error| format!("the document is no YAML: {error}"))
        };
        operations(&tree?).map(Document)
    }
}

/// Compares endpoints, including probes, with a document.
pub fn compare(Document(mut operations): Document, endpoints: Vec<Endpoint>) -> Comparison {
    let mut by_shape: HashMap<(String, usize), Vec<usize>> = HashMap::new();
    for (at, operation) in operations.iter().enumerate() {
        let shape = (operation.shown.method.clone(), operation.segments.len());
        by_shape.entry(shape).or_default().push(at);
    }
    let mut undocumented = Vec::new();
    for endpoint in endpoints {
        let segments: Vec<&str> = endpoint.endpoint.trim_matches('/').split('/').collect();
        let candidates = by_shape.get(&(endpoint.method.clone(), segments.len()));
        // The match with the fewest variables: /users/me rather than /users/{id}.
        let found = candidates
            .into_iter()
            .flatten()
            .filter_map(|at| {
                let operation = operations.get(*at)?;
                matches(&operation.segments, &segments).then(|| {
                    (operation.segments.iter().filter(|segment| segment.is_none()).count(), *at)
                })
            })
            .min();
        match found.and_then(|(_, at)| operations.get_mut(at)) {
            Some(operation) => operation.is_seen = true,
            None if endpoint.is_probe || IMPLIED.contains(&endpoint.method.as_str()) => {}
            None => undocumented.push(endpoint),
        }
    }
    Comparison {
        documented: operations.len() as u64,
        undocumented,
        unseen: operations.into_iter().filter(|one| !one.is_seen).map(|one| one.shown).collect(),
    }
}

fn matches(operation: &[Option<String>], endpoint: &[&str]) -> bool {
    operation.iter().zip(endpoint).all(|(wanted, segment)| match wanted {
        None => !segment.is_empty(),
        Some(literal) => literal == segment,
    })
}

fn operations(document: &Value) -> Result<Vec<Operation>, String> {
    let is_known = document.get("openapi").or_else(|| document.get("swagger")).is_some();
    let paths = document.get("paths").and_then(Value::as_object);
    let Some(paths) = paths.filter(|_| is_known) else {
        return Err(
            "an OpenAPI document in JSON or YAML is expected, with \"openapi\" and \"paths\""
                .into(),
        );
    };
    let base = base(document);
    let mut all = Vec::new();
    for (path, item) in paths {
        let none = Map::new();
        for method in item.as_object().unwrap_or(&none).keys() {
            if !METHODS.contains(&method.as_str()) {
                continue;
            }
            let path = format!("{base}/{}", path.trim_start_matches('/'));
            let segments = path.trim_matches('/').split('/').map(segment).collect();
            let shown = DocumentedOperation { method: method.to_uppercase(), path };
            all.push(Operation { shown, segments, is_seen: false });
        }
        if all.len() > MAX_OPENAPI_OPERATIONS {
            return Err(format!("the document has more than {MAX_OPENAPI_OPERATIONS} operations"));
        }
    }
    Ok(all)
}

/// A literal segment, templated as in endpoints; `None`: a variable.
fn segment(text: &str) -> Option<String> {
    (!text.contains('{')).then(|| path_template::endpoint(text))
}

/// Path of the first server, without a trailing slash.
fn base(document: &Value) -> String {
    let server = document.pointer("/servers/0/url").or_else(|| document.get("basePath"));
    let url = server.and_then(Value::as_str).unwrap_or_default();
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/').map_or("", |(_, path)| path),
        None => url,
    };
    match path.trim_matches('/') {
        "" => String::new(),
        path => format!("/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use api_sessions_store::endpoints::EndpointStats;
    use serde_json::json;

    use super::super::assess;
    use super::*;

    fn seen(all: &[(&str, &str, u64)]) -> Vec<Endpoint> {
        let stats = |(method, endpoint, successful): &(&str, &str, u64)| EndpointStats {
            method: (*method).into(),
            endpoint: (*endpoint).into(),
            successful_sessions: *successful,
            ..EndpointStats::default()
        };
        assess(all.iter().map(stats).collect(), 0)
    }

    #[test]
    fn traffic_and_a_document_differ_in_both_directions() {
        let document = json!({
            "openapi": "3.1.0", "servers": [{"url": "https://api.example/v1/"}],
            "paths": {
                "/users/{id}": {"parameters": [], "get": {}, "delete": {}},
                "/users/me": {"get": {}},
                "/reports/2024-01-01": {"get": {}},
                "/export": {"post": {}},
            }
        });
        let traffic = seen(&[
            ("GET", "/v1/users/{int}", 2),
            ("GET", "/v1/users/me", 2),
            ("GET", "/v1/reports/{date}", 0),
            ("GET", "/v1/internal/debug", 2),
            ("OPTIONS", "/v1/users/{int}", 2),
            ("GET", "/users/{int}", 2),
            ("GET", "/.env", 0),
        ]);
        let found = compare(Document(operations(&document).unwrap()), traffic);
        assert_eq!(found.documented, 5);
        let names: Vec<_> = found.undocumented.iter().map(|one| one.endpoint.as_str()).collect();
        assert_eq!(names, ["/v1/internal/debug", "/users/{int}"]);
        let unseen: Vec<_> =
            found.unseen.iter().map(|one| (one.method.as_str(), one.path.as_str())).collect();
        assert_eq!(unseen, [("POST", "/v1/export"), ("DELETE", "/v1/users/{id}")]);
    }

    #[test]
    fn a_document_that_is_none_is_refused() {
        for wrong in [json!({}), json!({"paths": {}}), json!({"openapi": "3.0.0"}), json!([])] {
            assert!(operations(&wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "{", "a text", "openapi: [", "paths:\n  /a: {get: {}}\n"] {
            assert!(Document::read(wrong.as_bytes()).is_err(), "{wrong}");
        }
        assert!(Document::read(b"\xff").is_err());
    }

    #[test]
    fn yaml_and_json_are_the_same_document() {
        let json =
            r#"{"swagger": "2.0", "basePath": "/api", "paths": {"/a": {"get": {}, "put": {}}}}"#;
        let yaml = "\u{feff}# Ours\nswagger: '2.0'\nbasePath: /api\npaths:\n  /a:\n    get:\n    put: {}\n";
        for text in [json, yaml] {
            let document = Document::read(text.as_bytes()).unwrap();
            let found = compare(document, seen(&[("GET", "/api/a", 2)]));
            let put = DocumentedOperation { method: "PUT".into(), path: "/api/a".into() };
            assert_eq!((found.undocumented, found.unseen), (Vec::new(), vec![put]), "{text}");
        }
    }
}
