//! The OpenAPI document against the API, in both directions.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{Cloud, embedded_store_only, record, session};
use api_sessions_cloud::guard::Audience;
use api_sessions_cloud::routes::table;
use api_sessions_cloud_api::auth::Access;
use serde_json::{Value, json};

/// The schema that a `$ref` points to, or `schema` itself.
fn resolved<'a>(document: &'a Value, schema: &'a Value, place: &str) -> &'a Value {
    let Some(name) = schema["$ref"].as_str() else { return schema };
    let name = name.strip_prefix("#/components/schemas/").unwrap();
    let schema = &document["components"]["schemas"][name];
    assert!(schema.is_object(), "{place}: no schema {name}");
    schema
}

/// The properties of an object, and the names of those required; of all its parts, if it has several.
fn properties<'a>(
    document: &'a Value,
    schema: &'a Value,
    place: &str,
) -> (BTreeMap<&'a str, &'a Value>, BTreeSet<&'a str>) {
    let schema = resolved(document, schema, place);
    let mut all: BTreeMap<_, _> = schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, schema)| (name.as_str(), schema))
        .collect();
    let mut required: BTreeSet<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let (more, also) = properties(document, part, place);
        all.extend(more);
        required.extend(also);
    }
    (all, required)
}

/// Checks `value` against `schema`, and that it has no member that is not described. Covers the keywords that
/// the document uses, and fails on a schema without any of them.
fn check(document: &Value, schema: &Value, value: &Value, place: &str) {
    let schema = resolved(document, schema, place);
    if let Some(choices) = schema["oneOf"].as_array() {
        let choice = choices.iter().find(|choice| (choice["type"] == "null") == value.is_null());
        return check(document, choice.unwrap(), value, place);
    }
    if schema["allOf"].is_null() {
        let types: Vec<_> = match &schema["type"] {
            Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        assert!(!types.is_empty(), "{place}: {schema} has no type");
        let is_of = |name: &&str| match *name {
            "string" => value.is_string(),
            "integer" => value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            other => panic!("{place}: type {other}"),
        };
        assert!(types.iter().any(is_of), "{place}: {value} is not {schema}");
    }
    if let Some(words) = schema["enum"].as_array() {
        assert!(words.contains(value), "{place}: {value}");
    }
    let items = schema["prefixItems"].as_array();
    for (n, item) in value.as_array().into_iter().flatten().enumerate() {
        let schema = items.and_then(|items| items.get(n)).unwrap_or(&schema["items"]);
        check(document, schema, item, &format!("{place}[{n}]"));
    }
    let Some(object) = value.as_object() else { return };
    let (described, required) = properties(document, schema, place);
    for name in required {
        assert!(object.contains_key(name), "{place}: {name} is missing");
    }
    let additional = schema.get("additionalProperties");
    if described.is_empty() && additional.is_none() {
        return;
    }
    for (name, value) in object {
        let place = format!("{place}.{name}");
        match described.get(name.as_str()).copied().or(additional) {
            Some(schema) => check(document, schema, value, &place),
            None => panic!("{place} is not described"),
        }
    }
}

#[test]
#[should_panic(expected = "x.b is not described")]
fn a_member_that_is_not_described_is_found() {
    let parts = json!([{"type": "object", "properties": {"a": {"type": "string"}}}]);
    check(&json!({}), &json!({"allOf": parts}), &json!({"a": "", "b": 1}), "x");
}

#[test]
#[should_panic(expected = "a is missing")]
fn a_required_member_that_is_missing_is_found() {
    let schema =
        json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}});
    check(&json!({}), &schema, &json!({}), "x");
}

#[test]
fn answers_are_as_described() {
    let cloud = Cloud::start();
    let document = cloud.ask("/openapi.json");
    let (id, request) = (session(1), format!("{:032x}", 2));
    let full = json!({"app": "shop", "user": "ann", "role": "buyer", "attacks": ["sqli"],
        "upstream_ms": 3,
        "rules": [{"name": "logins", "count": 11, "then": "mark", "enforced": false}],
        "evidence": [{"type": "sqli", "place": "query", "name": "q", "match": "' or 1"}],
        "links": [{"session": session(9), "reason": "login"}], "previous": session(8),
        "params": [{"name": "a", "value": "b", "type": "context", "hashed": false, "truncated": true}],
        "request": {"line": "GET / HTTP/1.1", "headers": [["a", "b"]], "body": "x",
                    "truncated": true}});
    let lines = format!("{}\n{}\nbad\n", record(1, 1, json!({})), record(1, 2, full));
    let deny = json!({"session": id, "seconds": 9, "applications": ["a"], "reason": "r"});
    let set = json!({"parameters": [{"point": "request.ip", "name": "ip", "type": "context",
        "group": true, "export": "plain"}]});
    let rule = json!({"name": "logins", "on": "POST:/login", "when": "status=401", "count": "requests",
        "over": "10/5m", "per": "session", "then": "mark", "mode": "monitor"});
    let (rules, same_name) = (json!([rule]), json!([rule, rule]));
    let trial = json!({"rule": {"name": "any", "over": "1/5m"}, "from": "2026-01-01T00:00:00Z"});
    let bad_trial = json!({"rule": {"name": "any", "over": "1"}});
    let sync = format!("/v1/sync?node=n1&version={}", "none");
    let by_id = |path: &str| path.replace("{id}", &id).replace("{session}", &id);
    for (method, path, sent, status, body) in [
        ("post", "/v1/records", "/v1/records".to_owned(), 200, lines),
        ("post", "/v1/records", "/v1/records".to_owned(), 422, "bad".to_owned()),
        ("get", "/v1/sessions", "/v1/sessions?limit=1".to_owned(), 200, String::new()),
        ("get", "/v1/sessions", "/v1/sessions?limit=x".to_owned(), 400, String::new()),
        ("get", "/v1/sessions/{id}", by_id("/v1/sessions/{id}"), 200, String::new()),
        ("get", "/v1/sessions/{id}", "/v1/sessions/none".to_owned(), 404, String::new()),
        (
            "get",
            "/v1/sessions/{id}/changes",
            by_id("/v1/sessions/{id}/changes"),
            200,
            String::new(),
        ),
        (
            "get",
            "/v1/sessions/{id}/changes",
            "/v1/sessions/none/changes".to_owned(),
            404,
            String::new(),
        ),
        (
            "get",
            "/v1/sessions/{id}/requests",
            by_id("/v1/sessions/{id}/requests?limit=1"),
            200,
            String::new(),
        ),
        (
            "get",
            "/v1/sessions/{id}/requests.csv",
            by_id("/v1/sessions/{id}/requests.csv"),
            200,
            String::new(),
        ),
        ("get", "/v1/requests/{id}", format!("/v1/requests/{request}"), 200, String::new()),
        ("get", "/v1/endpoints", "/v1/endpoints".to_owned(), 200, String::new()),
        (
            "get",
            "/v1/endpoints/neighbours",
            "/v1/endpoints/neighbours?endpoint=/users/{int}".to_owned(),
            200,
            String::new(),
        ),
        (
            "get",
            "/v1/endpoints/neighbours",
            "/v1/endpoints/neighbours".to_owned(),
            400,
            String::new(),
        ),
        ("get", "/v1/endpoints.csv", "/v1/endpoints.csv".to_owned(), 200, String::new()),
        (
            "get",
            "/v1/endpoints/openapi.json",
            "/v1/endpoints/openapi.json".to_owned(),
            200,
            String::new(),
        ),
        (
            "post",
            "/v1/endpoints/compare",
            "/v1/endpoints/compare".to_owned(),
            200,
            r#"{"openapi":"3.1.0","paths":{"/x":{"get":{}}}}"#.to_owned(),
        ),
        ("post", "/v1/endpoints/compare", "/v1/endpoints/compare".to_owned(), 422, "{}".to_owned()),
        ("get", "/v1/facets", "/v1/facets".to_owned(), 200, String::new()),
        ("get", "/v1/users", "/v1/users".to_owned(), 200, String::new()),
        ("get", "/v1/users/{user}", "/v1/users/ann".to_owned(), 200, String::new()),
        ("get", "/v1/users/{user}", "/v1/users/none".to_owned(), 404, String::new()),
        ("post", "/v1/users/{user}/deny", "/v1/users/ann/deny".to_owned(), 200, "{}".to_owned()),
        ("post", "/v1/denylist", "/v1/denylist".to_owned(), 201, deny.to_string()),
        ("get", "/v1/denylist", "/v1/denylist".to_owned(), 200, String::new()),
        ("put", "/v1/parameters", "/v1/parameters".to_owned(), 200, set.to_string()),
        ("get", "/v1/parameters", "/v1/parameters".to_owned(), 200, String::new()),
        ("put", "/v1/rules", "/v1/rules".to_owned(), 200, rules.to_string()),
        ("put", "/v1/rules", "/v1/rules".to_owned(), 422, same_name.to_string()),
        ("get", "/v1/rules", "/v1/rules".to_owned(), 200, String::new()),
        ("post", "/v1/rules/try", "/v1/rules/try".to_owned(), 200, trial.to_string()),
        ("post", "/v1/rules/try", "/v1/rules/try".to_owned(), 422, bad_trial.to_string()),
        ("get", "/v1/rules/hits", "/v1/rules/hits?rule=logins".to_owned(), 200, String::new()),
        ("get", "/v1/rules/denials", "/v1/rules/denials".to_owned(), 200, String::new()),
        ("get", "/v1/sync", sync, 200, String::new()),
        ("get", "/v1/nodes", "/v1/nodes".to_owned(), 200, String::new()),
        ("delete", "/v1/denylist/{session}", by_id("/v1/denylist/{session}"), 204, String::new()),
        ("get", "/v1/denylist-history", "/v1/denylist-history".to_owned(), 200, String::new()),
        ("get", "/metrics", "/metrics".to_owned(), 200, String::new()),
        ("get", "/healthz", "/healthz".to_owned(), 200, String::new()),
        ("get", "/openapi.json", "/openapi.json".to_owned(), 200, String::new()),
    ] {
        let answer = cloud.send(&method.to_uppercase(), &sent, &cloud.admin, &[], body.as_bytes());
        let place = format!("{method} {sent}");
        assert_eq!(answer.status, status, "{place}: {}", answer.text());
        let described = &document["paths"][path][method]["responses"][status.to_string()];
        assert!(described.is_object(), "{place}: {status} is not described");
        let Some(content) = described["content"].as_object() else {
            assert!(answer.body.is_empty(), "{place}");
            continue;
        };
        let (kind, schema) = content.iter().next().unwrap();
        assert!(answer.header("content-type").starts_with(kind.as_str()), "{place}");
        if kind == "application/json" {
            check(&document, &schema["schema"], &answer.json(), &place);
        }
    }
}

#[test]
fn answers_that_lack_a_day_are_as_described() {
    if !embedded_store_only() {
        return;
    }
    let cloud = Cloud::start();
    let yesterday = json!({"ts": crate::support::now() - 86_400_000});
    cloud.post(&[record(1, 1, yesterday), record(1, 2, json!({}))]);
    let (cloud, day) = cloud.with_damaged_day();
    let document = cloud.ask("/openapi.json");
    for path in ["/v1/sessions", "/v1/sessions/{id}", "/v1/sessions/{id}/requests"] {
        let answer = cloud.ask(&path.replace("{id}", &session(1)));
        assert_eq!(answer["incomplete"], json!([day]), "{path}");
        let described = &document["paths"][path]["get"]["responses"]["200"]["content"];
        check(&document, &described["application/json"]["schema"], &answer, path);
    }
    let csv = cloud.get(&format!("/v1/sessions/{}/requests.csv", session(1)));
    let described = &document["paths"]["/v1/sessions/{id}/requests.csv"]["get"]["responses"];
    for name in described["200"]["headers"].as_object().unwrap().keys() {
        assert_eq!(csv.header(name), day);
    }
}

#[test]
fn every_described_path_is_there_and_guarded() {
    let cloud = Cloud::start();
    let document = cloud.ask("/openapi.json");
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let sent = path.replace("{id}", "x").replace("{session}", "x").replace("{user}", "x");
            let answer = cloud.send(&method.to_uppercase(), &sent, "", &[], b"");
            let guarded = operation["security"].as_array().is_some_and(|list| !list.is_empty());
            assert_eq!(answer.status, if guarded { 401 } else { 200 }, "{method} {path}");
            if guarded {
                let error = &document["components"]["schemas"]["Error"];
                check(&document, error, &answer.json(), path);
            }
        }
    }
}

#[test]
fn the_document_describes_the_routes_of_the_api_and_their_access() {
    let document = serde_json::to_value(api_sessions_cloud::openapi::document(
        &api_sessions_cloud::routes::api_routes(),
    ))
    .unwrap();
    let routes: BTreeMap<_, _> = table()
        .into_iter()
        .filter(|route| route.audience == Audience::Api)
        .map(|route| {
            let method = route.method.as_str().to_lowercase();
            ((route.path.to_owned(), method), route.access != Access::Public)
        })
        .collect();
    let mut described = BTreeMap::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let guarded = operation["security"].as_array().is_some_and(|list| !list.is_empty());
            described.insert((path.clone(), method.clone()), guarded);
        }
    }
    assert_eq!(described, routes);
}
