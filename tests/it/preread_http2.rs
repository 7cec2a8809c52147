//! `api_sessions_preread_body on` over HTTP/2: no more of a body is read than is looked at, and what reads it then
//! finds it unread.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Nginx, eventually, fields, frame, free_port, get, request};
use crate::preread_streams;
use crate::transport::{OK, Upstream};

const KEY: &str = r#"{"token":"tok12345","x":""#;
const DATA: u8 = 0;
const RESET: u8 = 3;
const WINDOW_UPDATE: u8 = 8;
const END: u8 = 1;
const PADDED: u8 = 8;

fn http(port: u16, up: u16, more: &str) -> String {
    format!(
        "
            api_sessions on;
            session_key request.body.json.token name=token;
            api_sessions_preread_body on;
            access_log DIR/session.log session;
            client_max_body_size 10m;
            proxy_http_version 1.1;
            proxy_set_header X-Key $api_session_key;
            {more}
            server {{
                listen 127.0.0.1:PORT;
                location / {{ proxy_pass http://127.0.0.1:{up}; api_sessions_deny on; }}
                location = /id {{
                    proxy_pass http://127.0.0.1:PORT/up;
                    add_header X-Session $api_session_id;
                }}
                location = /up {{ api_sessions off; access_log off; return 200 up; }}
                location = /control {{ api_sessions off; access_log off; api_sessions_control; }}
            }}
            server {{
                listen 127.0.0.1:{port} http2;
                location / {{ proxy_pass http://127.0.0.1:{up}; api_sessions_deny on; }}
                location /stream {{ proxy_pass http://127.0.0.1:{up}; proxy_request_buffering off; }}
                location /stops {{ client_body_timeout 300ms; proxy_pass http://127.0.0.1:{up}; }}
            }}
        "
    )
}

/// A connection of HTTP/2 with a request on it, whose body is to follow.
fn open(port: u16, path: &str, length: Option<usize>) -> TcpStream {
    let length = length.map(|length| length.to_string());
    let mut head = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "h"),
        (":path", path),
        ("content-type", "application/json"),
    ];
    head.extend(length.as_deref().map(|length| ("content-length", length)));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).unwrap();
    // Data may be sent once the server's window is known: its settings come first, and are acknowledged.
    let mut head_of_settings = [0; 9];
    stream.read_exact(&mut head_of_settings).unwrap();
    stream.read_exact(&mut vec![0; usize::from(head_of_settings[2])]).unwrap();
    stream.write_all(&frame(4, 1, 0, &[])).unwrap();
    stream.write_all(&frame(1, 4, 1, &fields(&head))).unwrap();
    stream
}

/// Statuses that were logged.
fn statuses(nginx: &Nginx) -> Vec<String> {
    let lines = nginx.lines("session.log");
    lines.iter().filter_map(|line| line.split(' ').nth(1).map(str::to_owned)).collect()
}

#[test]
fn an_upload_over_http2_was_buffered_before_it_was_passed_on() {
    let body = format!("{KEY}{}\"}}", "y".repeat(50_000));
    let (up, told) = preread_streams::upstream(body.len());
    let port = free_port();
    let _nginx = Nginx::builder().http(&http(port, up, "api_sessions_body_size 1k;")).start();
    let mut stream = open(port, "/stream", Some(body.len()));
    // The key comes in two pieces, and half of the body later.
    stream.write_all(&frame(DATA, 0, 1, &body.as_bytes()[..10])).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    for piece in body.as_bytes()[10..20_000].chunks(7000) {
        stream.write_all(&frame(DATA, 0, 1, piece)).unwrap();
    }
    let mut passed = Vec::new();
    while !passed.windows(5).any(|five| five == b"yyyyy") {
        let piece = told.recv_timeout(Duration::from_secs(20));
        passed.extend(piece.expect("the beginning is passed on before the end has come"));
    }
    let head = String::from_utf8_lossy(&passed).to_lowercase();
    assert!(head.contains("x-key: token\r\n"), "{head}");
    for piece in body.as_bytes()[20_000..].chunks(7000) {
        stream.write_all(&frame(DATA, 0, 1, piece)).unwrap();
    }
    stream.write_all(&frame(DATA, END, 1, &[])).unwrap();
    eventually("all of it is passed on", || {
        passed.extend(told.try_iter().flatten());
        passed.ends_with(body.as_bytes()).then_some(())
    });
}

/// Sends a body, no more of it than the server's windows allow; `window` is the first.
fn send(stream: &mut TcpStream, mut window: usize, mut body: &[u8]) {
    let mut come = Vec::new();
    loop {
        let (now, later) = body.split_at(body.len().min(window).min(5000));
        stream.write_all(&frame(DATA, u8::from(later.is_empty()), 1, now)).unwrap();
        window -= now.len();
        body = later;
        if body.is_empty() {
            return;
        }
        while window == 0 {
            let mut buffer = [0; 4096];
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "{} bytes were left", body.len());
            come.extend_from_slice(&buffer[..read]);
            while let Some(head) = come.first_chunk::<9>() {
                let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                if come.len() < 9 + length {
                    break;
                }
                if (head[3], head[8]) == (WINDOW_UPDATE, 1) {
                    let more = come[9..13].try_into().unwrap();
                    window += u32::from_be_bytes(more) as usize;
                }
                come.drain(..9 + length);
            }
        }
    }
}

#[test]
fn bodies_over_http2_arrive_whole_whatever_the_window_and_the_size() {
    for (window, more) in [
        (65536, ""),
        (65536, "api_sessions_body_size 1k;"),
        (1024, "http2_body_preread_size 1k;"),
        // The client may send nothing before it is read.
        (0, "http2_body_preread_size 0;"),
        (
            100,
            "http2_body_preread_size 100; api_sessions_body_size 100k; client_body_buffer_size 1k;",
        ),
    ] {
        let upstream = Upstream::plain(OK);
        let port = free_port();
        let _nginx = Nginx::builder().http(&http(port, upstream.port, more)).start();
        for padding in [0, 500, 20_000, 300_000] {
            let body = format!("{KEY}{}\"}}", "y".repeat(padding));
            for length in [Some(body.len()), None] {
                for path in ["/whole", "/stream"] {
                    let mut stream = open(port, path, length);
                    send(&mut stream, window, body.as_bytes());
                    let place = format!("{more} {padding} {length:?} {path}");
                    let (head, got) = eventually(&place, || upstream.got.lock().pop());
                    assert!(head.contains("x-key: token\r\n"), "{place}: {head}");
                    if head.contains("content-length") {
                        assert!(got == body.as_bytes(), "{place}: {} bytes", got.len());
                    } else {
                        let y = got.iter().filter(|byte| **byte == b'y').count();
                        assert_eq!(y, padding, "{place}: {head}");
                    }
                }
            }
        }
    }
}

#[test]
fn padding_that_uses_up_the_window_does_not_hide_a_body() {
    let upstream = Upstream::plain(OK);
    let port = free_port();
    let more = "http2_body_preread_size 1k; api_sessions_body_size 1k;";
    let nginx = Nginx::builder().http(&http(port, upstream.port, more)).start();
    let body = format!("{KEY}{}\"}}", "y".repeat(100));
    let mut stream = open(port, "/padded", Some(body.len()));
    let padded = |byte: u8, padding: u8| {
        let payload = [&[padding, byte][..], &vec![0; usize::from(padding)]].concat();
        frame(DATA, PADDED, 1, &payload)
    };
    // 4 frames of 256 bytes, each with one of the body: the window is used up.
    for byte in &body.as_bytes()[..4] {
        stream.write_all(&padded(*byte, 254)).unwrap();
    }
    // The body is read then, and the window opened further.
    let mut answer = [0; 1024];
    let mut come = Vec::new();
    let window = [0, 0, 4, 8, 0, 0, 0, 0, 1];
    while !come.windows(window.len()).any(|bytes| bytes == window) {
        let read = stream.read(&mut answer).unwrap();
        assert!(read > 0, "{come:?}");
        come.extend_from_slice(&answer[..read]);
    }
    stream.write_all(&frame(DATA, END, 1, &body.as_bytes()[4..])).unwrap();
    let (head, got) = eventually("it is passed on", || upstream.got.lock().pop());
    assert!(head.contains("x-key: token\r\n"), "{head}");
    assert_eq!(got, body.as_bytes());
    eventually("it is logged", || (statuses(&nginx) == ["200"]).then_some(()));
}

#[test]
fn a_session_that_a_body_identifies_is_denied_over_http2_before_the_body_is_whole() {
    let upstream = Upstream::plain(OK);
    let port = free_port();
    let nginx =
        Nginx::builder().http(&http(port, upstream.port, "api_sessions_body_size 20;")).start();
    let json = [("Content-Type", "application/json")];
    let answer = request(nginx.port, "POST", "/id", &json, r#"{"token":"tok12345"}"#);
    let session = answer.header("X-Session").unwrap();
    let order = json!({ "session": session }).to_string();
    assert_eq!(request(nginx.port, "POST", "/control", &[], &order).status, 201);
    for (before, length) in [Some(1000), None].into_iter().enumerate() {
        let mut stream = open(port, "/", length);
        stream.write_all(&frame(DATA, 0, 1, KEY.as_bytes())).unwrap();
        eventually("it is refused", || {
            let refused = statuses(&nginx).iter().filter(|status| *status == "403").count();
            (refused > before).then_some(())
        });
        // What is still sent of it is thrown away, and the connection goes on.
        stream.write_all(&frame(DATA, END, 1, &[b'y'; 1000 - 25])).unwrap();
        let head = fields(&[
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "h"),
            (":path", "/next"),
            ("user-agent", "another"),
        ]);
        stream.write_all(&frame(1, 5, 3, &head)).unwrap();
        let (head, _) = eventually("the next request", || upstream.got.lock().pop());
        assert!(head.starts_with("get /next "), "{head}");
    }
}

#[test]
fn clients_that_leave_or_stop_in_the_middle_of_a_body_over_http2_are_logged_once() {
    let upstream = Upstream::plain(OK);
    let port = free_port();
    let nginx = Nginx::builder().http(&http(port, upstream.port, "")).start();
    let begun = |path| {
        let mut stream = open(port, path, Some(500));
        stream.write_all(&frame(DATA, 0, 1, &KEY.as_bytes()[..5])).unwrap();
        stream
    };
    let logged = |want: &[&str]| {
        eventually(&format!("{want:?} are logged"), || {
            let mut statuses = statuses(&nginx);
            statuses.sort();
            (statuses == want).then_some(())
        });
    };
    let _stops = begun("/stops");
    logged(&["408"]);
    let mut resets = begun("/resets");
    resets.write_all(&frame(RESET, 0, 1, &[0, 0, 0, 8])).unwrap();
    logged(&["408", "499"]);
    drop(begun("/leaves"));
    logged(&["408", "499", "499"]);
    // One that ends too early is for NGINX to judge.
    let mut short = begun("/short");
    short.write_all(&frame(DATA, END, 1, b"x")).unwrap();
    logged(&["400", "408", "499", "499"]);
    assert_eq!(get(nginx.port, "/up", &[]).status, 200);
    assert!(upstream.got.lock().is_empty());
}

#[test]
fn a_body_over_http2_that_had_ended_before_it_was_looked_at_was_taken_for_a_whole_one() {
    let upstream = Upstream::plain(OK);
    let port = free_port();
    let more = "api_sessions_body_size 1k;";
    let _nginx = Nginx::builder().http(&http(port, upstream.port, more)).start();
    let body = format!("{KEY}{}\"}}", "y".repeat(5000));
    for _ in 0..20 {
        // Head and body in one piece: NGINX has all of it when it looks.
        let mut stream = open(port, "/", None);
        stream.write_all(&frame(DATA, END, 1, body.as_bytes())).unwrap();
        let (head, _) = eventually("it is passed on", || upstream.got.lock().pop());
        assert!(head.contains("x-key: token\r\n"), "{head}");
    }
}
