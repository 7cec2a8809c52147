//! `api_sessions_preread_body on`: bodies that are read before they are passed on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::harness::{Nginx, eventually, get, raw, request};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

fn post(nginx: &Nginx, target: &str, headers: &str, body: &[u8]) -> String {
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    String::from_utf8_lossy(&raw(nginx.port, &[head.as_bytes(), body].concat())).into_owned()
}

#[test]
fn a_body_that_is_thrown_away_is_not_read_again_and_again() {
    // Answered by a `return` before the access phase, with a body that is still on its way; then the
    // not-modified filter says 412, and its error page goes through the access phase.
    let nginx = Nginx::builder()
        .http(
            "
                api_sessions on;
                session_key request.body.json.user;
                server {
                    listen 127.0.0.1:PORT;
                    api_sessions_preread_body on;
                    error_page 412 416 = /sorry;
                    location /thrown { return 200 hello; }
                    location /sorry { empty_gif; }
                    location /up {
                        api_sessions off;
                        return 200 up;
                    }
                }
            ",
        )
        .start();
    for condition in ["If-Match: \"x\"", "If-Unmodified-Since: Mon, 01 Jan 1990 00:00:00 GMT"] {
        let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let head = format!(
            "POST /thrown HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n{condition}\r\nContent-Length: 100000\r\n\r\n{{\"user\":"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = [0; 4096];
        let read = stream.read(&mut answer).unwrap_or(0);
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 "), "{condition}: {answer:?}");
        drop(stream);
        assert_eq!(get(nginx.port, "/up", &[]).body, "up");
    }
}

#[test]
fn only_types_that_a_key_can_read_are_waited_for() {
    let nginx = Nginx::builder()
        .http(
            "
                api_sessions on;
                session_key request.body.form.user name=user;
                server {
                    listen 127.0.0.1:PORT;
                    api_sessions_preread_body on;
                    proxy_request_buffering off;
                    proxy_http_version 1.1;
                    location / { proxy_pass http://127.0.0.1:PORT/up; }
                    location /up {
                        api_sessions off;
                        return 200 up;
                    }
                }
            ",
        )
        .start();
    for (content_type, is_waited_for) in [
        ("application/x-www-form-urlencoded", true),
        ("application/json", false),
        ("application/octet-stream", false),
        ("application/grpc", false),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\nContent-Length: 100\r\n\r\nuser=anna"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        let mut answer = [0; 1024];
        // The upstream answers the head alone: it gets that before the body has come, or not.
        let answered = stream.read(&mut answer).is_ok_and(|read| read > 0);
        assert_eq!(answered, !is_waited_for, "{content_type}");
    }
}

#[test]
fn a_denied_session_does_not_get_by_with_a_compressed_body() {
    let nginx = Nginx::builder()
        .http(
            "
                api_sessions on;
                session_key request.body.json.user name=user;
                add_header X-Session $api_session_id always;
                server {
                    listen 127.0.0.1:PORT;
                    api_sessions_preread_body on;
                    api_sessions_deny on;
                    location / { proxy_pass http://127.0.0.1:PORT/up; }
                    location /up {
                        api_sessions off;
                        return 200 up;
                    }
                    location /control {
                        api_sessions off;
                        api_sessions_control;
                    }
                }
            ",
        )
        .start();
    let body = br#"{"user":"mallory"}"#;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body).unwrap();
    let compressed = encoder.finish().unwrap();
    let gzip = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let answer = post(&nginx, "/", "Content-Type: application/json\r\n", body);
    let session = answer.split("X-Session: ").nth(1).unwrap()[..32].to_owned();
    let order = json!({ "session": session }).to_string();
    assert_eq!(request(nginx.port, "POST", "/control", &[], &order).status, 201);
    eventually("both forms are refused", || {
        let plain = post(&nginx, "/", "Content-Type: application/json\r\n", body);
        plain.starts_with("HTTP/1.1 403").then_some(())
    });
    let answer = post(&nginx, "/", gzip, &compressed);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
}
