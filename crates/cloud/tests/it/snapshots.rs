//! Snapshots of pages, metrics and error bodies: a change of any of them shows in the diff of a commit.
//!
//! `INSTA_UPDATE=always cargo test -p api-sessions-cloud --test it snapshots` rewrites them.

use serde_json::{Value, json};

use crate::support::{Cloud, embedded_store_only, now, record, session};

/// Replaces times, which differ in every run (in links too), and drops charts, whose coordinates depend on them.
fn stable(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, chart)) = rest.split_once("<figure class=\"chart\">") {
        text += &before.replace("%3A", ":");
        text += "<figure/>";
        rest = chart.split_once("</figure>").unwrap().1;
    }
    text += &rest.replace("%3A", ":");
    // 2026-11-26 10:00:00, with a T or a space, and longer forms of it.
    let is_time = |at: &[u8]| {
        at.len() >= 16
            && b"0000-00-00 00:00".iter().zip(at).all(|(form, byte)| match form {
                b'0' => byte.is_ascii_digit(),
                b' ' => matches!(byte, b' ' | b'T'),
                other => byte == other,
            })
    };
    let mut stable = String::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        if is_time(rest.as_bytes()) {
            stable += "[time]";
            rest = rest[16..].trim_start_matches(|c: char| c.is_ascii_digit() || ":.".contains(c));
            rest = rest.strip_prefix('Z').unwrap_or(rest);
        } else {
            stable.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    stable.replace("><", ">\n<")
}

/// Replaces the number of a token, which the engine assigns.
fn without_token_number(page: &str) -> String {
    let Some((before, rest)) = page.split_once("(token ") else { return page.to_owned() };
    let after = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{before}(token N{}", without_token_number(after))
}

#[test]
fn times_are_no_part_of_a_snapshot() {
    assert_eq!(stable("<a>2026-11-26 10:00:00</a>"), "<a>[time]</a>");
    assert_eq!(stable("é 2026-11-26T10:00:00.123Z 7"), "é [time] 7");
}

#[test]
fn pages_of_the_console() {
    let cloud = Cloud::start();
    let content = json!({"line": "GET /<script> HTTP/1.1", "headers": [["Host", "shop.example"]],
        "body": "a=\u{202e}1", "hidden": "unparsed", "truncated": true});
    let evidence = json!([{"type": "sqli", "place": "path", "match": "/<script>"},
        {"type": "sqli", "place": "json", "name": "password", "match": "\u{2026}' or 1=1"}]);
    let start = now() - 3_600_000;
    cloud.post(&[
        record(1, 1, json!({"ts": start, "user": "<b>ann</b>", "role": "buyer", "app": "shop"})),
        record(
            1,
            2,
            json!({"ts": start + 1500, "status": 403, "attacks": ["sqli"], "denied": true, "upstream_ms": 3,
            "params": [{"name": "sid", "value": "00112233", "type": "session", "hashed": true},
                       {"name": "plan", "value": "gold", "type": "context", "hashed": false}],
            "request": content, "evidence": evidence}),
        ),
        record(2, 3, json!({"ts": start + 1600, "host": "api.example",
            "rules": [{"name": "walked", "count": 11, "then": "deny:5m", "enforced": true}]})),
    ]);
    let deny = json!({"session": session(1), "seconds": 60, "reason": "scraper"}).to_string();
    cloud.send("POST", "/v1/denylist", &cloud.admin, &[], deny.as_bytes());
    let set = json!({"parameters": [{"point": "request.header.X-User", "name": "user",
        "type": "user", "export": "plain"}]});
    cloud.send("PUT", "/v1/parameters", &cloud.admin, &[], set.to_string().as_bytes());
    let rules = json!([{"name": "walked", "on": "GET:/users/*", "over": "10/5m", "then": "deny:5m", "mode": "enforce"},
        {"name": "logins", "when": "status=401;user=present", "over": "10/5m"}]);
    cloud.send("PUT", "/v1/rules", &cloud.admin, &[], rules.to_string().as_bytes());
    // On a busy machine the list is there before the scores of its sessions.
    let measured = |path: &str| {
        let mut pages = (0..200).map(|_| cloud.get(path).text());
        pages.find(|page| !page.contains("still being measured")).expect("scores within 200 pages")
    };
    let page = |path: &str| without_token_number(&stable(&measured(path)));
    insta::assert_snapshot!("sessions", page("/?host=shop.example"));
    insta::assert_snapshot!("session", page(&format!("/sessions/{}", session(1))));
    insta::assert_snapshot!("endpoints", page("/endpoints?kind=probe&application=shop"));
    insta::assert_snapshot!("users", page("/users"));
    insta::assert_snapshot!("user", page("/users/%3Cb%3Eann%3C%2Fb%3E"));
    insta::assert_snapshot!("request", page(&format!("/requests/{:032x}", 2)));
    insta::assert_snapshot!("denylist", page("/denylist"));
    insta::assert_snapshot!("parameters", page("/parameters"));
    insta::assert_snapshot!("rules", page("/rules?edit=logins&rule=walked"));
    insta::assert_snapshot!("not_found", page("/requests/nothing"));
    insta::assert_snapshot!("login", cloud.send("GET", "/login", "", &[], b"").text());
    let viewer = cloud.token(api_sessions_store::Role::Viewer);
    let refused = cloud.send("POST", "/denylist", &viewer, &[], b"");
    insta::assert_snapshot!("forbidden", stable(&refused.text()));
}

#[test]
fn metrics() {
    if !embedded_store_only() {
        return;
    }
    let cloud = Cloud::start();
    cloud.post(&[record(1, 1, json!({})), record(1, 2, json!({}))]);
    cloud.post_with(&[], b"bad\n");
    let metrics = cloud.get("/metrics");
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let is_size = |line: &str| line.starts_with("api_sessions_cloud_store_bytes ");
    let lines = metrics.text();
    let lines = lines.lines().map(|line| if is_size(line) { "[bytes on disk]" } else { line });
    insta::assert_snapshot!("metrics", lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn error_bodies() {
    let cloud = Cloud::start();
    let id = session(1);
    let by_path = format!("/v1/denylist/{id}");
    let mut bodies = String::new();
    for (method, path, token, body) in [
        ("GET", "/v1/sessions", "", ""),
        ("GET", "/v1/sessions", "wrong", ""),
        ("GET", "/v1/sessions", &cloud.ingest, ""),
        ("GET", "/v1/sessions?status=abc", &cloud.admin, ""),
        ("GET", "/v1/sessions?from=soon", &cloud.admin, ""),
        ("GET", "/v1/sessions?limit=0", &cloud.admin, ""),
        ("GET", "/v1/sessions?sort=x", &cloud.admin, ""),
        ("GET", "/v1/sessions?cursor=zz", &cloud.admin, ""),
        ("GET", "/v1/sessions?colour=red", &cloud.admin, ""),
        ("GET", "/v1/sessions/none", &cloud.admin, ""),
        ("GET", "/v1/requests/none", &cloud.admin, ""),
        ("GET", "/v1/none", &cloud.admin, ""),
        ("DELETE", "/v1/sessions", &cloud.admin, ""),
        ("DELETE", &by_path, &cloud.admin, ""),
        ("POST", "/v1/denylist", &cloud.admin, r#"{"session":"abc"}"#),
        ("POST", "/v1/denylist", &cloud.admin, "[]"),
        ("PUT", "/v1/parameters", &cloud.admin, r#"{"parameters":[{"point":"request.nothing"}]}"#),
        ("POST", "/v1/records", &cloud.ingest, ""),
        ("POST", "/v1/records", &cloud.ingest, "bad\n"),
        ("POST", "/v1/records", &cloud.admin, r#"{"id":"a","session":"s"}"#),
    ] {
        let answer = cloud.send(method, path, token, &[], body.as_bytes());
        bodies += &format!("{method} {path} {body}\n{} {}\n\n", answer.status, answer.text());
    }
    insta::assert_snapshot!("error_bodies", bodies.replace("\n\n\n", "\n\n"));
}

/// A line for each operation and for each member of a schema.
fn digest(document: &Value) -> String {
    let mut text = String::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let empty = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&empty);
            let parameters: Vec<_> =
                parameters.iter().map(|one| one["name"].as_str().unwrap()).collect();
            let responses: Vec<_> =
                operation["responses"].as_object().unwrap().keys().map(String::as_str).collect();
            text += &format!(
                "{method} {path} ({}) {}: {}\n",
                parameters.join(", "),
                responses.join(" "),
                operation["summary"].as_str().unwrap(),
            );
        }
    }
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let one = std::slice::from_ref(schema);
        for part in schema["allOf"].as_array().map_or(one, Vec::as_slice) {
            if let Some(base) = part["$ref"].as_str() {
                text += &format!("{name} extends {}\n", base.rsplit('/').next().unwrap());
            }
            if let Some(words) = part["enum"].as_array() {
                text += &format!("{name}: {}\n", Value::from(words.clone()));
            }
            let required = part["required"].as_array();
            for (member, schema) in part["properties"].as_object().into_iter().flatten() {
                let is_required = required.is_some_and(|all| all.contains(&json!(member)));
                let kind =
                    ["type", "$ref", "oneOf"].iter().find_map(|key| schema.get(key)).unwrap();
                let kind = kind.to_string().replace("#/components/schemas/", "");
                let mark = if is_required { "" } else { "?" };
                text += &format!("{name}.{member}{mark}: {kind}\n");
            }
        }
    }
    text
}

#[test]
fn openapi() {
    let document = serde_json::to_value(api_sessions_cloud::openapi::document(
        &api_sessions_cloud::routes::api_routes(),
    ))
    .unwrap();
    insta::assert_snapshot!("openapi", digest(&document));
}
