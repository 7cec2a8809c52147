//! Observed endpoints as an OpenAPI document.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Endpoint;

/// Methods for which OpenAPI 3.1 has operations.
const METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"];

/// Describes `endpoints`, without probes. The same path in several applications is one path item.
pub fn describe(endpoints: &[Endpoint], application: &str) -> Value {
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for endpoint in endpoints.iter().filter(|endpoint| !endpoint.is_probe) {
        let Some(method) = METHODS.iter().find(|method| **method == endpoint.method) else {
            continue;
        };
        let (path, parameters) = path(&endpoint.endpoint);
        let item = paths.entry(path).or_insert_with(|| match parameters.is_empty() {
            true => Map::new(),
            false => Map::from_iter([("parameters".to_owned(), Value::Array(parameters))]),
        });
        let operation =
            item.entry(method.to_lowercase()).or_insert_with(|| json!({"responses": {}}));
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            for status in endpoint.statuses.keys().filter(|status| (100..600).contains(*status)) {
                responses.insert(status.to_string(), json!({"description": "Seen in traffic."}));
            }
        }
    }
    let title = if application.is_empty() { "All applications" } else { application };
    json!({
        "openapi": "3.1.0",
        "info": {"title": title, "version": "seen", "description": "What API Sessions has seen of this API."},
        "paths": paths,
    })
}

/// The path with a unique name for each variable segment, and its parameters.
fn path(endpoint: &str) -> (String, Vec<Value>) {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    let mut parameters = Vec::new();
    let segment = |segment| {
        let kind = kind(segment);
        let Some(schema) = kind else { return segment.replace(['{', '}'], "_") };
        let word = segment.trim_matches(['{', '}']);
        let count = counts.entry(word).or_default();
        *count += 1;
        let name = if *count == 1 { word.to_owned() } else { format!("{word}{count}") };
        let written = format!("{{{name}}}");
        parameters.push(json!({"name": name, "in": "path", "required": true, "schema": schema}));
        written
    };
    let segments: Vec<String> = endpoint.split('/').map(segment).collect();
    let path = segments.join("/");
    (if path.starts_with('/') { path } else { format!("/{path}") }, parameters)
}

/// The schema of a variable segment.
fn kind(segment: &str) -> Option<Value> {
    Some(match segment {
        "{int}" => json!({"type": "integer"}),
        "{uuid}" => json!({"type": "string", "format": "uuid"}),
        "{hex}" => json!({"type": "string", "pattern": "^[0-9a-fA-F]+$"}),
        "{date}" => json!({"type": "string", "format": "date"}),
        "{email}" => json!({"type": "string", "format": "email"}),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use api_sessions_store::endpoints::EndpointStats;

    use super::super::assess;
    use super::*;

    fn seen(method: &str, endpoint: &str, status: u16, successful: u64) -> EndpointStats {
        EndpointStats {
            method: method.into(),
            endpoint: endpoint.into(),
            statuses: BTreeMap::from([(status, 1)]),
            successful_sessions: successful,
            ..EndpointStats::default()
        }
    }

    #[test]
    fn variable_segments_are_parameters_with_names_of_their_own() {
        let all = vec![
            seen("GET", "/users/{int}/friends/{int}/{x}", 200, 2),
            seen("GET", "/users/{int}/friends/{int}/{x}", 404, 2),
            seen("PURGE", "/users/{int}", 200, 2),
            seen("GET", "/.env", 200, 1),
        ];
        let document = describe(&assess(all, 0), "shop");
        assert_eq!(document["info"]["title"], "shop");
        let paths = document["paths"].as_object().unwrap();
        let [(path, item)] = paths.iter().collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(path, "/users/{int}/friends/{int2}/_x_");
        let names: Vec<_> =
            item["parameters"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
        assert_eq!(names, ["int", "int2"]);
        let statuses: Vec<_> = item["get"]["responses"].as_object().unwrap().keys().collect();
        assert_eq!(statuses, ["200", "404"]);
    }
}
