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
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
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
    let begin = |content_type: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Type: {content_type}\r\nContent-Length: 100\r\n\r\nuser=anna"
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    };
    let is_answered = |stream: &mut TcpStream| {
        // The upstream answers the head alone: it gets that before the body has come, or not.
        stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0)
    };
    let mut waited_for = begin("application/x-www-form-urlencoded");
    for content_type in ["application/json", "application/octet-stream", "application/grpc"] {
        // Several, so that each worker has taken one after the request that waits.
        for _ in 0..8 {
            assert!(is_answered(&mut begin(content_type)), "{content_type}");
        }
    }
    waited_for.set_nonblocking(true).unwrap();
    assert!(!is_answered(&mut waited_for), "its body has not come");
    waited_for.set_nonblocking(false).unwrap();
    waited_for.write_all(&[b'x'; 100 - 9]).unwrap();
    assert!(is_answered(&mut waited_for));
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

#[test]
fn a_dav_put_answered_500() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("dav")).unwrap();
    let nginx = Nginx::builder()
        .directory(directory)
        .http(
            "
                api_sessions on;
                session_key request.body.json.token name=token;
                api_sessions_preread_body on;
                dav_methods PUT;
                create_full_put_path on;
                server {
                    listen 127.0.0.1:PORT;
                    root DIR/dav;
                    add_header X-Key $api_session_key;
                    location / { }
                    location /one/ { client_body_in_single_buffer on; }
                    location /only/ { client_body_in_file_only clean; }
                    location /tried/ { try_files /nothing @dav; }
                    location @dav { }
                }
            ",
        )
        .start();
    let stored = |path: &str| std::fs::read(nginx.path("dav").join(path)).unwrap();
    let large = format!(r#"{{"token":"tok12345","x":"{}"}}"#, "y".repeat(200_000));
    let small = r#"{"token":"tok12345"}"#;
    for prefix in ["", "one/", "only/", "tried/"] {
        for (name, body) in [("small.json", small), ("large.json", &*large)] {
            let path = format!("{prefix}{name}");
            for status in [201, 204] {
                let headers = [
                    ("Content-Type", "application/json"),
                    ("Date", "Mon, 01 Jan 2024 00:00:00 GMT"),
                ];
                let answer = request(nginx.port, "PUT", &format!("/{path}"), &headers, body);
                assert_eq!(answer.status, status, "{path}");
                assert_eq!(answer.header("X-Key"), Some("token"), "{path}");
                assert_eq!(stored(&path), body.as_bytes(), "{path}");
            }
        }
    }
    let chunked = "PUT /chunked.json HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (body, expected) in
        [("5\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n", r#"{"a":1}"#), ("0\r\n\r\n", "")]
    {
        let answer = raw(nginx.port, &[chunked.as_bytes(), body.as_bytes()].concat());
        assert!(answer.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&answer));
        assert_eq!(stored("chunked.json"), expected.as_bytes());
    }
    // Temporary files are gone with their requests.
    let left = |path: &std::path::Path| {
        let mut left = vec![path.to_owned()];
        let mut files = 0;
        while let Some(path) = left.pop() {
            for entry in std::fs::read_dir(path).unwrap().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => left.push(entry.path()),
                    false => files += 1,
                }
            }
        }
        files
    };
    eventually("no temporary file is left", || {
        let temporary = nginx.path("body");
        (!temporary.exists() || left(&temporary) == 0).then_some(())
    });
}
