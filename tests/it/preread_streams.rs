//! With `api_sessions_preread_body on`, client and content handler see what they would have seen without it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::harness::{Nginx, eventually, free_port, get, raw};
use crossbeam_channel::Receiver;

const KEY: &str = r#"{"token":"tok12345","x":""#;

/// An upstream that hands over what it reads as it comes, and answers once it has read `length` bytes of body.
pub(crate) fn upstream(length: usize) -> (u16, Receiver<Vec<u8>>) {
    let port = free_port();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (tell, told) = crossbeam_channel::unbounded();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut all = Vec::new();
            let mut buffer = [0; 8192];
            while let Ok(read) = stream.read(&mut buffer)
                && read > 0
            {
                all.extend_from_slice(&buffer[..read]);
                let _ = tell.send(buffer[..read].to_vec());
                let head = all.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
                if head.is_some_and(|head| all.len() - head >= length) {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    break;
                }
            }
        }
    });
    (port, told)
}

fn http(port: u16, more: &str) -> String {
    format!(
        "
            api_sessions on;
            session_key request.body.json.token name=token;
            api_sessions_preread_body on;
            api_sessions_body_size 1k;
            access_log DIR/session.log session;
            server {{
                listen 127.0.0.1:PORT;
                proxy_http_version 1.1;
                add_header X-Key $api_session_key;
                {more}
                location / {{ proxy_pass http://127.0.0.1:{port}; }}
                location /returned {{ return 200 $api_session_key; }}
                location /echo {{
                    proxy_pass http://127.0.0.1:PORT/up;
                }}
                location /denied {{ deny all; }}
                location /up {{
                    api_sessions off;
                    access_log off;
                    client_body_in_single_buffer on;
                    client_body_buffer_size 1m;
                    proxy_set_body $request_body;
                    proxy_pass http://127.0.0.1:PORT/up2;
                }}
                location /up2 {{
                    api_sessions off;
                    access_log off;
                    add_header X-Length $http_content_length always;
                    return 200 up;
                }}
            }}
        "
    )
}

#[test]
fn an_upload_that_is_passed_on_as_it_comes_was_buffered() {
    let body = format!("{KEY}{}\"}}", "y".repeat(100_000));
    let (port, told) = upstream(body.len());
    let nginx = Nginx::builder().http(&http(port, "proxy_request_buffering off;")).start();
    let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "PUT /stream HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    // The key comes in two pieces, and half of the body later.
    stream.write_all(&[head.as_bytes(), &body.as_bytes()[..10]].concat()).unwrap();
    stream.write_all(&body.as_bytes()[10..50_000]).unwrap();
    let mut passed = Vec::new();
    while !passed.windows(5).any(|five| five == b"yyyyy") {
        let piece = told.recv_timeout(Duration::from_secs(20));
        passed.extend(piece.expect("the beginning is passed on before the end has come"));
    }
    stream.write_all(&body.as_bytes()[50_000..]).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("X-Key: token"), "{answer}");
    // The upstream told of all that it had read before it answered.
    passed.extend(told.try_iter().flatten());
    assert!(passed.ends_with(body.as_bytes()), "{} bytes were passed on", passed.len());
}

#[test]
fn bodies_in_pieces_arrive_whole_and_the_next_request_behind_them_is_answered() {
    let (port, _) = upstream(0);
    let nginx = Nginx::builder().http(&http(port, "")).start();
    for padding in [0, 500, 3000, 70_000] {
        let body = format!("{KEY}{}\"}}", "y".repeat(padding));
        let chunked = |size: usize| {
            let chunks = body.as_bytes().chunks(size).map(|chunk| {
                let text = String::from_utf8_lossy(chunk).into_owned();
                format!("{:x}\r\n{text}\r\n", chunk.len())
            });
            format!("{}0\r\n\r\n", chunks.collect::<String>())
        };
        for (framing, sent) in [
            (format!("Content-Length: {}", body.len()), body.clone()),
            ("Transfer-Encoding: chunked".to_owned(), chunked(1000)),
            ("Transfer-Encoding: chunked".to_owned(), chunked(7)),
        ] {
            for target in ["/echo", "/returned", "/denied"] {
                let request = format!(
                    "POST {target} HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n{framing}\r\n\r\n{sent}GET /returned HTTP/1.1\r\nHost: h\r\nConnection: close\r\nX-Last: 1\r\n\r\n"
                );
                for pieces in [1, 40] {
                    let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
                    stream.set_nodelay(true).unwrap();
                    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                    for piece in request.as_bytes().chunks(request.len().div_ceil(pieces)) {
                        stream.write_all(piece).unwrap();
                        if pieces > 1 {
                            std::thread::sleep(Duration::from_millis(1));
                        }
                    }
                    let mut answer = Vec::new();
                    let _ = stream.read_to_end(&mut answer);
                    let answer = String::from_utf8_lossy(&answer);
                    let place = format!("{padding} {framing} {target} {pieces}: {answer}");
                    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{place}");
                    match target {
                        "/echo" => {
                            assert!(answer.contains("X-Key: token"), "{place}");
                            assert!(
                                answer.contains(&format!("X-Length: {}\r\n", body.len())),
                                "{place}"
                            );
                        }
                        "/denied" => assert!(answer.starts_with("HTTP/1.1 403"), "{place}"),
                        // Answered before the access phase: nobody has looked.
                        _ => assert!(answer.starts_with("HTTP/1.1 200"), "{place}"),
                    }
                }
            }
        }
    }
}

#[test]
fn a_client_that_waits_to_be_told_to_continue_is_told_once() {
    let (port, _) = upstream(0);
    let nginx = Nginx::builder().http(&http(port, "")).start();
    let body = format!("{KEY}\"}}");
    let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("X-Key: token"), "{answer}");
}

#[test]
fn clients_that_leave_or_stop_in_the_middle_of_a_body_end_as_without_the_module() {
    let (port, _) = upstream(0);
    // There alone: on a busy machine, the other would be late too.
    let stops =
        "location /stops { client_body_timeout 300ms; proxy_pass http://127.0.0.1:PORT/up; }";
    let nginx = Nginx::builder().http(&http(port, stops)).start();
    let head = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"to";
    let stops = raw(nginx.port, head.replace("/echo", "/stops").as_bytes());
    assert!(stops.starts_with(b"HTTP/1.1 408") || stops.is_empty());
    let mut leaves = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
    leaves.write_all(head.as_bytes()).unwrap();
    leaves.shutdown(std::net::Shutdown::Write).unwrap();
    let _ = leaves.read_to_end(&mut Vec::new());
    eventually("both are logged", || {
        let mut statuses: Vec<_> = nginx
            .lines("session.log")
            .iter()
            .filter_map(|line| line.split(' ').nth(1).map(str::to_owned))
            .collect();
        statuses.sort();
        (statuses == ["400", "408"]).then_some(())
    });
    assert_eq!(get(nginx.port, "/returned", &[]).status, 200);
}
