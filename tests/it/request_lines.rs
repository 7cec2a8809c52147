//! Request lines in unusual forms, recorded as they were sent.

use crate::harness::{Cloud, Nginx, eventually, raw, request};
use serde_json::Value;

fn start(cloud: &Cloud) -> Nginx {
    Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                api_sessions_attack probe $http_x_evil;
                server {{
                    listen 127.0.0.1:PORT;
                    error_page 404 /sorry.html;
                    location = /sorry.html {{
                        internal;
                        return 200 sorry;
                    }}
                    location /missing {{ return 404; }}
                    location /index/ {{ index /final/index; }}
                    location /final {{
                        set $args changed=1;
                        return 200 final;
                    }}
                }}
            ",
            cloud.export()
        ))
        .start()
}

fn full(cloud: &Cloud, record: &Value) -> Value {
    let id = record["id"].as_str().unwrap();
    eventually("the record in full", || {
        let answer = cloud.get(&format!("/v1/requests/{id}"));
        (answer.status == 200).then(|| answer.json())
    })
}

/// The records of the one session, in order.
fn records(cloud: &Cloud, count: usize) -> Vec<Value> {
    let session = eventually("all are in one session", || {
        let sessions = cloud.sessions(count as u64);
        (sessions.len() == 1).then(|| sessions[0]["session"].as_str().unwrap().to_owned())
    });
    cloud.records(&session, count)
}

#[test]
fn a_head_request_and_a_directory_with_an_index_are_recorded_as_they_were_sent() {
    let cloud = Cloud::start();
    let nginx = start(&cloud);
    std::fs::create_dir_all(nginx.path("html/index")).unwrap();
    for target in ["/missing/x", "/index/"] {
        request(nginx.port, "HEAD", target, &[("X-Evil", "1")], "");
    }
    for record in records(&cloud, 2) {
        assert_eq!(record["method"], "HEAD", "{record:#}");
        let path = record["path"].as_str().unwrap();
        assert!(["/missing/x", "/index/"].contains(&path), "{record:#}");
    }
}

#[test]
fn targets_in_other_forms_are_recorded_as_they_were_sent() {
    let cloud = Cloud::start();
    let nginx = start(&cloud);
    let lines = [
        ("DELETE http://shop.example/missing/1?q=2 HTTP/1.1", "DELETE", "/missing/1"),
        ("PURGE http://shop.example HTTP/1.1", "PURGE", "/"),
        ("POST http://shop.example?q=4 HTTP/1.1", "POST", "/"),
        ("OPTIONS * HTTP/1.1", "OPTIONS", ""),
        ("CONNECT shop.example:443 HTTP/1.1", "CONNECT", ""),
        ("GET /\u{1} HTTP/1.1", "GET", "/\u{1}"),
    ];
    for (line, ..) in lines {
        let request =
            format!("{line}\r\nHost: localhost\r\nConnection: close\r\nX-Evil: 1\r\n\r\n");
        raw(nginx.port, request.as_bytes());
    }
    let records = records(&cloud, lines.len());
    for (line, method, path) in lines {
        let record = records.iter().find(|record| record["method"] == method);
        let record = record.unwrap_or_else(|| panic!("{line}: {records:#?}"));
        assert_eq!(record["path"].as_str().unwrap_or_default(), path, "{line}");
        // Of what NGINX refuses before it has read the headers, none marks the request.
        let full = full(&cloud, record);
        if let Some(shown) = full["request"]["line"].as_str() {
            let with_path = [" HTTP/1.1", "?q=4"]
                .map(|rest| (format!("example{rest}"), format!("example/{rest}")));
            let line =
                with_path.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to));
            assert_eq!(shown, line);
        }
    }
}
