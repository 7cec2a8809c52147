//! Requests that NGINX refuses by itself, or answers without reading them: they are the ones to know about.

use std::collections::HashMap;

use crate::harness::{Cloud, Nginx, eventually, raw, request};
use serde_json::Value;

/// All records, by status and path.
fn records(cloud: &Cloud, count: usize) -> Vec<Value> {
    let sessions = cloud.sessions(count as u64);
    let ids = sessions.iter().map(|session| session["session"].as_str().unwrap().to_owned());
    ids.flat_map(|id| {
        let answer = cloud.get(&format!("/v1/sessions/{id}/requests?limit=500")).json();
        answer["requests"].as_array().cloned().unwrap_or_default()
    })
    .collect()
}

fn full(cloud: &Cloud, record: &Value) -> Value {
    let id = record["id"].as_str().unwrap();
    eventually("the record in full", || {
        let answer = cloud.get(&format!("/v1/requests/{id}"));
        (answer.status == 200).then(|| answer.json())
    })
}

#[test]
fn a_request_line_that_nginx_refuses_is_recorded_and_looked_at_as_it_was_sent() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_detect on;
                api_sessions_export {};
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 200; }}
                }}
            ",
            cloud.export()
        ))
        .start();
    let cases = [
        ("GET /../../etc/passwd HTTP/1.1", "GET", "/../../etc/passwd", true),
        ("GET /%2e%2e/%2e%2e/etc/passwd?a=b HTTP/1.1", "GET", "/%2e%2e/%2e%2e/etc/passwd", true),
        ("GET /x%00/y HTTP/1.1", "GET", "/x%00/y", false),
        ("get / HTTP/1.1", "get", "/", false),
        ("GARBAGE", "", "", false),
    ];
    for (line, ..) in &cases {
        let answer = raw(nginx.port, format!("{line}\r\nHost: h\r\n\r\n").as_bytes());
        assert!(String::from_utf8_lossy(&answer).contains("400 Bad Request"), "{line}");
    }
    let records = records(&cloud, cases.len());
    let text = |record: &Value, name: &str| record[name].as_str().unwrap_or_default().to_owned();
    let by_path: HashMap<String, &Value> =
        records.iter().map(|record| (text(record, "path"), record)).collect();
    for (line, method, path, is_attack) in cases {
        let record = by_path.get(path).unwrap_or_else(|| panic!("{line}: {records:#?}"));
        assert_eq!(text(record, "method"), method, "{line}");
        let attacks = record["attacks"].as_array().cloned().unwrap_or_default();
        assert_eq!(!attacks.is_empty(), is_attack, "{line}: {record:#}");
    }
}

#[test]
fn a_body_that_nobody_read_is_said_to_be_cut() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_attack test 1$uri;
                api_sessions_export {};
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ return 403; }}
                }}
            ",
            cloud.export()
        ))
        .start();
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(request(nginx.port, "POST", "/sent", &form, "q=12345").status, 403);
    assert_eq!(request(nginx.port, "GET", "/none", &[], "").status, 403);
    for record in records(&cloud, 2) {
        let full = full(&cloud, &record);
        let is_cut = record["path"] == "/sent";
        assert_eq!(full["request"]["truncated"], is_cut, "{full:#}");
        assert!(full["request"]["body"].is_null());
    }
}
