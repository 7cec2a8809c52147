//! `api_sessions_json_types`, encodings, and what is counted where a body could not be read.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;

use crate::harness::{Answer, Nginx, check_prometheus, eventually, free_port, get, raw};
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

const JSON: &str = r#"{"uid":"u1"}"#;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zlib(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The key that found the session of a request with that body.
fn key(nginx: &Nginx, target: &str, content_type: &str, encoding: &str, body: &[u8]) -> String {
    let encoding = match encoding {
        "" => String::new(),
        encoding => format!("Content-Encoding: {encoding}\r\n"),
    };
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: {content_type}\r\n{encoding}Content-Length: {}\r\n\r\n",
        body.len()
    );
    let before = nginx.lines("session.log").len();
    let answer = raw(nginx.port, &[head.as_bytes(), body].concat());
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));
    logged_key(nginx, before)
}

fn logged_key(nginx: &Nginx, before: usize) -> String {
    eventually("the request is logged", || {
        let line = nginx.lines("session.log").get(before)?.clone();
        Some(line.split(' ').nth(3)?.to_owned())
    })
}

/// Counters of bodies that were not read: type, encoding, size, syntax.
fn unread(nginx: &Nginx) -> [u64; 4] {
    let table = get(nginx.port, "/status", &[]).json()["table"].clone();
    ["type", "encoding", "size", "syntax"]
        .map(|reason| table[format!("bodies_unread_{reason}_total")].as_u64().unwrap())
}

const STATUS: &str = "
    location /status {
        api_sessions off;
        access_log off;
        api_sessions_status;
    }
";

#[test]
fn json_under_another_type_was_not_read() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                session_key request.body.json.uid name=uid;
                session_key request.body.form.uid name=form;
                api_sessions_json_types text/plain application/X-AMZ-json-1.1;
                access_log DIR/session.log session;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /form {{
                        api_sessions_json_types application/x-www-form-urlencoded;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /any {{
                        api_sessions_json_types any;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /preread {{
                        api_sessions_json_types any;
                        api_sessions_preread_body on;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /up {{
                        api_sessions off;
                        access_log off;
                        return 200 up;
                    }}
                    {STATUS}
                }}
            "
        ))
        .start();
    let form = "application/x-www-form-urlencoded";
    let spaced = format!("\u{feff}\r\n {JSON}");
    for (target, content_type, body, expected) in [
        ("/", "application/json", JSON, "uid"),
        ("/", "text/plain;charset=UTF-8", JSON, "uid"),
        ("/", "application/x-amz-json-1.1", JSON, "uid"),
        ("/", "application/json-rpc", JSON, "ip"),
        ("/", form, JSON, "ip"),
        ("/", form, "uid=f1", "form"),
        ("/form", form, JSON, "uid"),
        ("/form", form, "uid=f1", "form"),
        ("/form", "application/json", JSON, "uid"),
        ("/form", "text/plain", JSON, "ip"),
        ("/any", form, JSON, "uid"),
        ("/any", form, "uid=f1", "form"),
        ("/any", "application/octet-stream", &spaced, "uid"),
        ("/any", "text/plain", "uid", "ip"),
        ("/any", "multipart/form-data; boundary=x", "--x", "ip"),
        ("/any", "application/grpc", JSON, "ip"),
        ("/preread", "text/plain", JSON, "uid"),
        ("/preread", form, "uid=f1", "form"),
    ] {
        let found = key(&nginx, target, content_type, "", body.as_bytes());
        assert_eq!(found, expected, "{target} {content_type} {body}");
    }
    // Those that begin as JSON: json-rpc, form, text/plain under /form, and gRPC.
    eventually("they are counted", || (unread(&nginx) == [4, 0, 0, 0]).then_some(()));
    check_prometheus(&get(nginx.port, "/status?format=prometheus", &[]).body);
}

#[test]
fn a_deflated_body_was_not_read() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                session_key request.body.json.uid name=uid;
                api_sessions_body_size 1k;
                access_log DIR/session.log session;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /any {{
                        api_sessions_json_types any;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /up {{
                        api_sessions off;
                        access_log off;
                        return 200 up;
                    }}
                    {STATUS}
                }}
            "
        ))
        .start();
    let json = JSON.as_bytes();
    let late = format!(r#"{{"padding":"{}","uid":"u1"}}"#, "x".repeat(2000));
    let early = format!(r#"{{"uid":"u1","padding":"{}"}}"#, "x".repeat(2000));
    for (content_type, encoding, body, expected) in [
        ("application/json", "gzip", gzip(json), "uid"),
        ("application/json", "deflate", zlib(json), "uid"),
        ("application/json", "deflate", deflate(json), "uid"),
        ("application/json", "Deflate", zlib(early.as_bytes()), "uid"),
        ("application/json", "", early.clone().into(), "uid"),
        // Counted: two for their encoding, three for their size.
        ("application/json", "br", b"\x0b\x05\x80{}\x03".to_vec(), "ip"),
        ("application/json", "deflate", b"neither".to_vec(), "ip"),
        ("application/json", "", late.clone().into(), "ip"),
        ("application/json", "gzip", gzip(late.as_bytes()), "ip"),
        ("application/json", "deflate", zlib(late.as_bytes()), "ip"),
        // Nothing that a key could have read.
        ("image/png", "br", b"\x0b\x05\x80{}\x03".to_vec(), "ip"),
        ("image/png", "", vec![b'x'; 5000], "ip"),
        ("application/json", "", br#"{"other":"x"}"#.to_vec(), "ip"),
    ] {
        let found = key(&nginx, "/", content_type, encoding, &body);
        assert_eq!(found, expected, "{content_type} {encoding}");
    }
    eventually("they are counted", || (unread(&nginx) == [0, 2, 3, 0]).then_some(()));
    assert_eq!(key(&nginx, "/any", "text/plain", "deflate", &zlib(json)), "uid");
    key(&nginx, "/any", "text/plain", "br", b"\x0b\x05\x80{}\x03");
    eventually("it is counted", || (unread(&nginx) == [0, 3, 3, 0]).then_some(()));
}

/// An upstream that answers with the type, encoding and body of a table, by path.
fn upstream(answers: BTreeMap<String, (&'static str, &'static str, Vec<u8>)>) -> u16 {
    let port = free_port();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            let path = request.split(' ').nth(1).unwrap_or_default();
            let Some((content_type, encoding, body)) = answers.get(path) else { continue };
            let content_type = match *content_type {
                "" => String::new(),
                some => format!("Content-Type: {some}\r\n"),
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\n{content_type}Content-Encoding: {encoding}\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(&[head.as_bytes(), body].concat());
        }
    });
    port
}

#[test]
fn an_answer_in_json_that_was_not_called_so_was_not_read() {
    let token = br#"{"token":"tok-response-01"}"#;
    let cases = [
        ("json", "application/json", "identity", token.to_vec(), ["issued"; 3]),
        ("json-deflate", "application/json", "deflate", zlib(token), ["issued"; 3]),
        ("json-gzip", "application/json", "gzip", gzip(token), ["issued"; 3]),
        ("html", "text/html", "identity", token.to_vec(), ["ip", "issued", "issued"]),
        ("html-deflate", "text/html", "deflate", zlib(token), ["ip", "issued", "issued"]),
        ("plain", "text/plain", "identity", token.to_vec(), ["ip", "ip", "issued"]),
        ("page", "text/html", "identity", b"<p>{}</p>".to_vec(), ["ip"; 3]),
        ("untyped", "", "identity", token.to_vec(), ["ip", "ip", "issued"]),
    ];
    let answers = cases.iter().flat_map(|(name, content_type, encoding, body, _)| {
        let answer = (*content_type, *encoding, body.clone());
        ["/", "/listed/", "/any/"].map(|prefix| (format!("{prefix}{name}"), answer.clone()))
    });
    let port = upstream(answers.collect());
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                session_key response.body.json.token name=issued;
                access_log DIR/session.log session;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ proxy_pass http://127.0.0.1:{port}; }}
                    location /listed/ {{
                        api_sessions_json_types text/html;
                        proxy_pass http://127.0.0.1:{port};
                    }}
                    location /any/ {{
                        api_sessions_json_types any;
                        proxy_pass http://127.0.0.1:{port};
                    }}
                    {STATUS}
                }}
            "
        ))
        .start();
    for (name, .., expected) in &cases {
        for (prefix, expected) in ["/", "/listed/", "/any/"].iter().zip(expected) {
            let before = nginx.lines("session.log").len();
            let answer: Answer = get(nginx.port, &format!("{prefix}{name}"), &[]);
            assert_eq!(answer.status, 200);
            assert_eq!(&logged_key(&nginx, before), expected, "{prefix}{name}");
        }
    }
    // html, plain and untyped by default, plain and untyped where text/html is listed.
    eventually("they are counted", || (unread(&nginx) == [5, 0, 0, 0]).then_some(()));
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn utf32(text: &str) -> Vec<u8> {
    text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect()
}

#[test]
fn json_that_is_not_one_text_in_utf8_was_neither_read_nor_counted() {
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                session_key request.body.json.uid name=uid;
                access_log DIR/session.log session;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ proxy_pass http://127.0.0.1:PORT/up; }}
                    location /any {{
                        api_sessions_json_types any;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /preread {{
                        api_sessions_json_types any;
                        api_sessions_preread_body on;
                        proxy_pass http://127.0.0.1:PORT/up;
                    }}
                    location /up {{
                        api_sessions off;
                        access_log off;
                        return 200 up;
                    }}
                    {STATUS}
                }}
            "
        ))
        .start();
    let json = "application/json";
    let (marked, blanks) = (format!("\u{feff}{JSON}"), " ".repeat(20_000));
    let (ndjson, sequence) = (format!("{JSON}\n{JSON}\n"), format!("\u{1e}{JSON}\n"));
    let late = format!("{blanks}{JSON}");
    let mut expected = [0; 4];
    for (target, content_type, body, found) in [
        ("/", json, utf16(JSON), "uid"),
        ("/", json, utf16(&marked), "uid"),
        ("/", json, utf32(JSON), "uid"),
        ("/", json, utf32(&marked), "uid"),
        ("/preread", json, utf16(JSON), "uid"),
        ("/any", "text/plain; charset=utf-16", utf16(&marked), "uid"),
        ("/any", "text/plain", utf32(&marked), "uid"),
        ("/any", "text/plain", format!("{}{JSON}", " ".repeat(16_000)).into_bytes(), "uid"),
        ("/", "text/plain", utf16(JSON), "type"),
        ("/", json, late.clone().into_bytes(), "size"),
        ("/any", "text/plain", late.clone().into_bytes(), "size"),
        ("/preread", "text/plain", late.clone().into_bytes(), "size"),
        ("/", "text/plain", late.clone().into_bytes(), ""),
        ("/any", "application/grpc", late.into_bytes(), ""),
        ("/", "application/x-ndjson", ndjson.clone().into_bytes(), "type"),
        ("/", json, ndjson.clone().into_bytes(), "syntax"),
        ("/any", "application/x-ndjson", ndjson.clone().into_bytes(), "syntax"),
        ("/preread", "application/x-ndjson", ndjson.into_bytes(), "syntax"),
        ("/", "application/json-seq", sequence.clone().into_bytes(), "type"),
        ("/any", "application/json-seq", sequence.into_bytes(), "syntax"),
        ("/", json, br#"{"uid":"u1"#.to_vec(), "syntax"),
        ("/", json, b"{\"uid\":\"\xe9\"}".to_vec(), "syntax"),
        ("/", json, b"uid=u1".to_vec(), "syntax"),
        ("/any", "text/plain", b"uid=u1".to_vec(), ""),
        ("/", json, b"\"text\"".to_vec(), ""),
        ("/", json, br#"{"other":1}"#.to_vec(), ""),
        ("/", json, Vec::new(), ""),
    ] {
        let key = key(&nginx, target, content_type, "", &body);
        let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        assert_eq!(
            key,
            if found == "uid" { "uid" } else { "ip" },
            "{target} {content_type} {start}"
        );
        if let Some(at) = ["type", "encoding", "size", "syntax"].iter().position(|it| *it == found)
        {
            expected[at] += 1;
        }
        eventually(&format!("{target} {content_type} {start}: {expected:?}"), || {
            (unread(&nginx) == expected).then_some(())
        });
    }
}
