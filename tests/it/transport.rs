//! Whatever way requests and responses take, not a byte of them changes, and each is recorded once.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::harness::{Cloud, Nginx, eventually, fields, frame, free_port, get, raw, request};
use serde_json::Value;

/// Heads and bodies.
type Got = Vec<(String, Vec<u8>)>;
/// Path, headers, body, and the token that is read of it.
type Answer = (&'static str, &'static str, Vec<u8>, Option<&'static str>);

/// An upstream that keeps what it is sent and answers what a test says.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    /// Heads and bodies of requests, bodies as they came.
    pub(crate) got: Arc<Mutex<Got>>,
}

impl Upstream {
    /// `answer` writes to the connection whatever it likes, after the request was read.
    fn start(answer: impl Fn(&mut TcpStream, &str) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let upstream = Self { port: listener.local_addr().unwrap().port(), got: Arc::default() };
        let (got, answer) = (upstream.got.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (got, answer) = (got.clone(), answer.clone());
                std::thread::spawn(move || serve(stream.unwrap(), &got, &*answer));
            }
        });
        upstream
    }

    pub(crate) fn plain(answer: &'static [u8]) -> Self {
        Self::start(move |stream, _| {
            let _ = stream.write_all(answer);
        })
    }
}

fn serve(
    mut stream: TcpStream,
    got: &Mutex<Got>,
    answer: &(impl Fn(&mut TcpStream, &str) + ?Sized),
) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; 65536]);
    let mut more = |bytes: &mut Vec<u8>, stream: &mut TcpStream| match stream.read(&mut buffer) {
        Ok(n @ 1..) => {
            bytes.extend_from_slice(&buffer[..n]);
            true
        }
        _ => false,
    };
    let at = |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).position(|w| w == what);
    let head_end = loop {
        if let Some(end) = at(&bytes, b"\r\n\r\n") {
            break end + 4;
        }
        if !more(&mut bytes, &mut stream) {
            return;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_lowercase();
    let length: Option<usize> = head
        .split("content-length: ")
        .nth(1)
        .and_then(|rest| rest.split("\r\n").next()?.parse().ok());
    let is_whole = |bytes: &[u8]| match length {
        Some(length) => bytes.len() >= head_end + length,
        None if head.contains("transfer-encoding: chunked") => {
            bytes.ends_with(b"\r\n0\r\n\r\n") || &bytes[head_end..] == b"0\r\n\r\n"
        }
        None => true,
    };
    while !is_whole(&bytes) {
        if !more(&mut bytes, &mut stream) {
            return;
        }
    }
    got.lock().push((head.clone(), bytes[head_end..].to_vec()));
    answer(&mut stream, &head);
}

pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

fn nginx(cloud: &Cloud, upstream: &Upstream, more: &str) -> Nginx {
    Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                session_key request.header.S;
                context_param request.body.json.user name=user;
                context_param request.body.form.user name=user;
                context_param request.body.multipart.user name=user;
                context_param response.body.json.token name=token;
                context_param response.header.X-Up name=up;
                context_param response.cookie.sid name=set hash;
                client_max_body_size 10m;
                proxy_http_version 1.1;
                server {{
                    listen 127.0.0.1:PORT;
                    {more}
                    location / {{ proxy_pass http://127.0.0.1:{up}; }}
                    location /stream {{
                        proxy_pass http://127.0.0.1:{up};
                        proxy_request_buffering off;
                        proxy_buffering off;
                    }}
                    location /ws {{
                        proxy_pass http://127.0.0.1:{up};
                        proxy_set_header Upgrade $http_upgrade;
                        proxy_set_header Connection upgrade;
                    }}
                    location /off {{
                        api_sessions off;
                        proxy_pass http://127.0.0.1:{up};
                    }}
                    location /off-stream {{
                        api_sessions off;
                        proxy_pass http://127.0.0.1:{up};
                        proxy_request_buffering off;
                    }}
                }}
            ",
            cloud.export(),
            up = upstream.port
        ))
        .start()
}

/// The record of the only request of that path.
#[track_caller]
fn record(cloud: &Cloud, path: &str) -> Value {
    eventually(&format!("the record of {path}"), || {
        let sessions = cloud.get("/v1/sessions?limit=100").json();
        let mut found = sessions["sessions"].as_array()?.iter().filter_map(|session| {
            let id = session["session"].as_str()?;
            let all = cloud.get(&format!("/v1/sessions/{id}/requests?limit=500")).json();
            let all: Vec<Value> = all["requests"]
                .as_array()?
                .iter()
                .filter(|record| record["path"] == path)
                .cloned()
                .collect();
            assert!(all.len() <= 1, "{all:#?}");
            all.into_iter().next()
        });
        found.next()
    })
}

fn param(record: &Value, name: &str) -> Option<String> {
    let params = record["params"].as_array().cloned().unwrap_or_default();
    params.iter().find(|param| param["name"] == name)?["value"].as_str().map(str::to_owned)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn chunked(bytes: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in bytes.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// A body on its way to the upstream: its headers, its bytes, and the user that is read of it.
struct Sent {
    name: &'static str,
    headers: &'static str,
    body: Vec<u8>,
    user: Option<&'static str>,
}

#[test]
fn request_bodies_arrive_as_they_were_sent_and_are_read_by_the_rules() {
    let cloud = Cloud::start();
    let upstream = Upstream::plain(OK);
    let nginx = nginx(&cloud, &upstream, "");
    let json = br#"{"id":1,"user":"anna"}"#.to_vec();
    // Beyond memory buffers and the 16 kB that are looked at.
    let large = format!(r#"{{"fill":"{}","user":"anna"}}"#, "x".repeat(400_000)).into_bytes();
    let early = format!(r#"{{"user":"anna","fill":"{}"}}"#, "x".repeat(400_000)).into_bytes();
    let multipart =
        b"--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nanna\r\n--b--\r\n".to_vec();
    let plain = "Content-Type: application/json\r\n";
    let all = [
        Sent { name: "length", headers: plain, body: json.clone(), user: Some("anna") },
        Sent {
            name: "gzip",
            headers: "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            body: gzip(&json),
            user: Some("anna"),
        },
        Sent {
            name: "broken-gzip",
            headers: "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            body: b"\x1f\x8b\x08garbage".to_vec(),
            user: None,
        },
        Sent {
            name: "brotli",
            headers: "Content-Type: application/json\r\nContent-Encoding: br\r\n",
            body: json.clone(),
            user: None,
        },
        Sent { name: "large", headers: plain, body: large, user: None },
        Sent { name: "early", headers: plain, body: early, user: Some("anna") },
        Sent {
            name: "form",
            headers: "Content-Type: application/x-www-form-urlencoded\r\n",
            body: b"a=b&user=anna".to_vec(),
            user: Some("anna"),
        },
        Sent {
            name: "multipart",
            headers: "Content-Type: multipart/form-data; boundary=b\r\n",
            body: multipart,
            user: Some("anna"),
        },
        Sent {
            name: "expect",
            headers: "Content-Type: application/json\r\nExpect: 100-continue\r\n",
            body: json.clone(),
            user: Some("anna"),
        },
        Sent {
            name: "not-json",
            headers: plain,
            body: b"\x00\xff{{{[[[\"user\":".to_vec(),
            user: None,
        },
        Sent {
            name: "grpc",
            headers: "Content-Type: application/grpc\r\n",
            body: json.clone(),
            user: None,
        },
    ];
    for sent in &all {
        for (on, off) in [("", "/off"), ("/stream", "/off-stream")] {
            for is_chunked in [false, true] {
                let (framing, bytes) = if is_chunked {
                    ("Transfer-Encoding: chunked\r\n".to_owned(), chunked(&sent.body, 7000))
                } else {
                    (format!("Content-Length: {}\r\n", sent.body.len()), sent.body.clone())
                };
                let target = format!("/{}{}", sent.name, if is_chunked { "-chunked" } else { "" });
                let mut received = Vec::new();
                for prefix in [off, on] {
                    let head = format!(
                        "POST {prefix}{target} HTTP/1.1\r\nHost: h\r\nS: x\r\nConnection: close\r\n{}{framing}\r\n",
                        sent.headers
                    );
                    let answer = raw(nginx.port, &[head.as_bytes(), &bytes].concat());
                    let answer = String::from_utf8_lossy(&answer);
                    assert!(
                        answer.contains("HTTP/1.1 200 OK\r\n") && answer.ends_with("ok"),
                        "{prefix}{target}: {answer}"
                    );
                    received.push(upstream.got.lock().pop().unwrap().1);
                }
                // Chunks may be cut elsewhere; the content may not.
                assert_eq!(content(&received[0]), content(&received[1]), "{on}{target}");
                let record = record(&cloud, &format!("{on}{target}"));
                assert_eq!(
                    param(&record, "user").as_deref(),
                    sent.user,
                    "{on}{target}: {record:#}"
                );
            }
        }
    }
}

/// A body without its chunks, if it has any.
fn content(body: &[u8]) -> Vec<u8> {
    if !body.ends_with(b"\r\n0\r\n\r\n") && body != b"0\r\n\r\n" {
        return body.to_vec();
    }
    let (mut out, mut rest) = (Vec::new(), body);
    while let Some(end) = rest.windows(2).position(|w| w == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            break;
        }
        out.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    out
}

#[test]
fn responses_reach_the_client_as_they_were_and_are_read_by_the_rules() {
    let json = br#"{"token":"tok-1"}"#.to_vec();
    let large = format!(r#"{{"token":"tok-1","fill":"{}"}}"#, "x".repeat(300_000)).into_bytes();
    let binary: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let answers: Arc<Vec<Answer>> = Arc::new(vec![
        ("/json", "Content-Type: application/json\r\n", json.clone(), Some("tok-1")),
        (
            "/gzip",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            gzip(&json),
            Some("tok-1"),
        ),
        (
            // A stream of brotli may hold the text as it is.
            "/br",
            "Content-Type: application/json\r\nContent-Encoding: br\r\n",
            [b"\x0b\x08\x80", &json[..], b"\x03"].concat(),
            None,
        ),
        (
            "/problem",
            "Content-Type: application/problem+json; charset=utf-8\r\n",
            json.clone(),
            Some("tok-1"),
        ),
        ("/large", "Content-Type: application/json\r\n", large, Some("tok-1")),
        ("/text", "Content-Type: text/plain\r\n", json, None),
        ("/binary", "Content-Type: application/octet-stream\r\n", binary, None),
        ("/empty", "Content-Type: application/json\r\n", Vec::new(), None),
    ]);
    let cloud = Cloud::start();
    let known = answers.clone();
    let upstream = Upstream::start(move |stream, head| {
        let path = head.split(' ').nth(1).unwrap().trim_start_matches("/off");
        let is_chunked = path.ends_with("-chunked");
        let name = path.trim_end_matches("-chunked");
        let (_, headers, body, _) = known.iter().find(|answer| answer.0 == name).unwrap();
        let (framing, body) = if is_chunked {
            ("Transfer-Encoding: chunked".to_owned(), chunked(body, 5000))
        } else {
            (format!("Content-Length: {}", body.len()), body.clone())
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\n{headers}X-Up: yes\r\nSet-Cookie: sid=s3cret; Path=/\r\n{framing}\r\nConnection: close\r\n\r\n"
        );
        let _ = stream.write_all(&[head.as_bytes(), &body].concat());
    });
    let nginx = nginx(&cloud, &upstream, "");
    let ask = |target: &str| {
        let answer = raw(
            nginx.port,
            format!("GET {target} HTTP/1.1\r\nHost: h\r\nS: x\r\nConnection: close\r\n\r\n")
                .as_bytes(),
        );
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        content(&answer[end..])
    };
    for (path, _, body, token) in answers.iter() {
        for framing in ["", "-chunked"] {
            let target = format!("{path}{framing}");
            assert_eq!(&ask(&format!("/off{target}")), body);
            assert_eq!(&ask(&target), body, "{target}");
            let record = record(&cloud, &target);
            assert_eq!(param(&record, "token").as_deref(), *token, "{target}: {record:#}");
            assert_eq!(param(&record, "up").as_deref(), Some("yes"));
            assert!(param(&record, "set").is_some_and(|hash| hash.len() == 32));
        }
    }
}

#[test]
fn events_are_not_held_back_and_an_upgrade_is_left_alone() {
    let cloud = Cloud::start();
    let upstream = Upstream::start(|stream, head| {
        if head.contains("upgrade: websocket") {
            stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n").unwrap();
            let mut buffer = [0; 100];
            while let Ok(n @ 1..) = stream.read(&mut buffer) {
                stream.write_all(&buffer[..n]).unwrap();
            }
            return;
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: {\"token\":\"one\"}\n\n").unwrap();
        // The second event comes once the client has the first and says so by closing, or not at all.
        let mut buffer = [0; 1];
        let _ = stream.read(&mut buffer);
    });
    let nginx = nginx(&cloud, &upstream, "");
    let read_until = |stream: &mut TcpStream, what: &str| {
        let (mut all, mut buffer) = (String::new(), [0; 1000]);
        while !all.contains(what) {
            let n = stream.read(&mut buffer).unwrap();
            assert!(n > 0, "closed after {all}");
            all += &String::from_utf8_lossy(&buffer[..n]);
        }
    };
    let connect = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    };
    let mut events = connect(b"GET /stream/events HTTP/1.1\r\nHost: h\r\nS: x\r\n\r\n");
    read_until(&mut events, "data: {\"token\":\"one\"}\n\n");
    drop(events);
    assert_eq!(param(&record(&cloud, "/stream/events"), "token"), None);

    let mut socket = connect(
        b"GET /ws HTTP/1.1\r\nHost: h\r\nS: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    );
    read_until(&mut socket, "\r\n\r\n");
    for message in ["ping \x01", "{\"user\":\"x\"}"] {
        socket.write_all(message.as_bytes()).unwrap();
        read_until(&mut socket, message);
    }
    drop(socket);
    let record = record(&cloud, "/ws");
    assert_eq!(record["status"], 101);
    assert_eq!(param(&record, "user"), None);
}

#[test]
fn pipelined_requests_and_a_client_that_goes_away_are_recorded_once_each() {
    let cloud = Cloud::start();
    let upstream = Upstream::start(|stream, head| {
        if head.contains("/slow") {
            let _ = stream.read(&mut [0; 1]);
            return;
        }
        let _ = stream.write_all(OK);
    });
    let nginx = nginx(&cloud, &upstream, "");
    let one = |path: &str, last: bool| {
        let close = if last { "Connection: close\r\n" } else { "" };
        format!(
            "POST {path} HTTP/1.1\r\nHost: h\r\nS: x\r\nContent-Type: application/json\r\nContent-Length: 15\r\n{close}\r\n{{\"user\":\"u{path}\"}}"
        )
    };
    let all =
        raw(nginx.port, (one("/p1", false) + &one("/p2", false) + &one("/p3", true)).as_bytes());
    assert_eq!(String::from_utf8_lossy(&all).matches("HTTP/1.1 200 OK").count(), 3);
    for path in ["/p1", "/p2", "/p3"] {
        assert_eq!(param(&record(&cloud, path), "user").unwrap(), format!("u{path}"));
    }
    let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
    stream.write_all(b"GET /slow HTTP/1.1\r\nHost: h\r\nS: x\r\n\r\n").unwrap();
    eventually("the upstream has it", || {
        upstream.got.lock().iter().any(|(head, _)| head.contains("/slow")).then_some(())
    });
    drop(stream);
    assert_eq!(record(&cloud, "/slow")["status"], 499);
}

#[test]
fn http2_requests_have_their_host_their_split_cookies_and_one_record() {
    let cloud = Cloud::start();
    let upstream = Upstream::plain(OK);
    let port = free_port();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {};
                session_key request.cookie.sid name=sid;
                context_param request.host name=host;
                context_param request.body.json.user name=user;
                context_param request.cookie.third name=third;
                server {{
                    listen 127.0.0.1:PORT;
                    return 200;
                }}
                server {{
                    listen 127.0.0.1:{port} http2;
                    location / {{ proxy_pass http://127.0.0.1:{}; }}
                }}
            ",
            cloud.export(),
            upstream.port
        ))
        .start();
    let head = fields(&[
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "api.example.com:8443"),
        (":path", "/h2?q=1"),
        ("cookie", "first=1"),
        ("cookie", "sid=abc"),
        ("cookie", "third=3"),
        ("content-type", "application/json"),
    ]);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    bytes.extend(frame(1, 4, 1, &head));
    // In two pieces, so that the body is put together.
    bytes.extend(frame(0, 0, 1, b"{\"user\":"));
    bytes.extend(frame(0, 1, 1, b"\"anna\"}"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(&bytes).unwrap();
    let record = record(&cloud, "/h2");
    drop(stream);
    assert_eq!(
        (&record["proto"], &record["host"], &record["key"]),
        (&"HTTP/2.0".into(), &"api.example.com".into(), &"sid".into())
    );
    for (name, value) in [("host", "api.example.com"), ("user", "anna"), ("third", "3")] {
        assert_eq!(param(&record, name).as_deref(), Some(value), "{record:#}");
    }
    // The same session as over HTTP/1.1.
    get(nginx.port, "/h1", &[("Cookie", "sid=abc")]);
    assert_eq!(cloud.sessions(2).len(), 1);
    let (got, body) = upstream.got.lock().pop().unwrap();
    // HTTP/1.0, or since NGINX 1.29.7 HTTP/1.1.
    assert!(got.starts_with("post /h2?q=1 http/1."), "{got}");
    assert_eq!(body, b"{\"user\":\"anna\"}");
}

#[test]
fn every_place_that_many_values_can_come_from_has_an_answer() {
    let cloud = Cloud::start();
    let nginx = Nginx::builder()
        .http(&format!(
            "
                large_client_header_buffers 8 128k;
                api_sessions on;
                api_sessions_export {};
                session_key request.cookie.last name=last;
                context_param request.query.a name=a;
                context_param request.header.X-Big name=big;
                server {{
                    listen 127.0.0.1:PORT;
                    return 200 ok;
                }}
            ",
            cloud.export()
        ))
        .start();
    let cookies: String =
        (0..10_000).map(|n| format!("c{n}=v; ")).collect::<String>() + "last=found";
    let big = "b".repeat(100_000);
    assert_eq!(
        get(nginx.port, "/many?x=%00%ff&a=1", &[("Cookie", &cookies), ("X-Big", &big)]).status,
        200
    );
    let record = record(&cloud, "/many");
    assert_eq!((&record["key"], param(&record, "a").as_deref()), (&"last".into(), Some("1")));
    let params = record["params"].as_array().unwrap();
    let big = params.iter().find(|param| param["name"] == "big").unwrap();
    assert_eq!(big["truncated"], true);
    // A request that is answered before it is whole.
    request(nginx.port, "GET", "/../..//x", &[], "");
}

#[test]
fn nginx_may_compress_or_inflate_what_a_point_of_a_response_body_reads() {
    let json = br#"{"token":"tok-1","fill":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#;
    let cloud = Cloud::start();
    let compressed = gzip(json);
    let upstream = Upstream::start(move |stream, head| {
        let is_gzip = head.contains("/inflated");
        let (encoding, body) =
            if is_gzip { ("Content-Encoding: gzip\r\n", &compressed[..]) } else { ("", &json[..]) };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{encoding}Content-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        let _ = stream.write_all(&[head.as_bytes(), body].concat());
    });
    let up = upstream.port;
    let more = format!(
        "
            location /compressed {{
                gzip on;
                gzip_types application/json;
                gzip_min_length 1;
                gzip_http_version 1.0;
                proxy_pass http://127.0.0.1:{up};
            }}
            location /inflated {{
                gunzip on;
                proxy_pass http://127.0.0.1:{up};
            }}
        "
    );
    let nginx = nginx(&cloud, &upstream, &more);
    for (target, accept, encoded) in
        [("/compressed", "Accept-Encoding: gzip\r\n", true), ("/inflated", "", false)]
    {
        let head = format!(
            "GET {target} HTTP/1.1\r\nHost: h\r\nS: x\r\nConnection: close\r\n{accept}\r\n"
        );
        let answer = raw(nginx.port, head.as_bytes());
        let text = String::from_utf8_lossy(&answer);
        assert_eq!(text.contains("Content-Encoding: gzip"), encoded, "{text}");
        let record = record(&cloud, target);
        assert_eq!(param(&record, "token").as_deref(), Some("tok-1"), "{target}: {record:#}");
    }
}
