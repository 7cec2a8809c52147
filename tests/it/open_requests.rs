//! Requests that are under way when their session is denied.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Cloud, Nginx, eventually, fields, frame, free_port, get, request};

const PATIENCE: Duration = Duration::from_secs(20);

/// Answers events, a WebSocket, or nothing, for as long as the connection lives.
pub(crate) fn upstream() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    port
}

fn serve(mut stream: TcpStream) {
    let (mut head, mut buffer) = (Vec::new(), [0; 4096]);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer) {
            Ok(n @ 1..) => head.extend_from_slice(&buffer[..n]),
            _ => return,
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    if head.contains("upgrade: websocket") {
        let _ = stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..n]).is_err() {
                return;
            }
        }
    } else if head.contains("/accel") {
        let place = if head.contains("unchecked") { "unchecked" } else { "internal" };
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /{place}/large\r\nContent-Length: 0\r\n\r\n"
        );
    } else if head.contains("/events") {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
        while stream.write_all(b"data: x\n\n").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    } else {
        // A long poll: no answer until the other side goes.
        while let Ok(1..) = stream.read(&mut buffer) {}
    }
}

fn server(cloud: &Cloud, upstream: u16, second: u16) -> String {
    let export = cloud.export();
    let proxy = format!(
        "proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; proxy_buffering off;
         proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;"
    );
    format!(
        "
            api_sessions on;
            api_sessions_export {export};
            session_key request.header.S;
            api_sessions_deny on;
            server {{
                listen 127.0.0.1:PORT;
                listen 127.0.0.1:{second} http2;
                location / {{ {proxy} }}
                location /keep/ {{ api_sessions_deny on connections=keep; {proxy} }}
                location /dry/ {{ api_sessions_deny dry_run; {proxy} }}
                location /buffered/ {{ proxy_pass http://127.0.0.1:{upstream}; }}
                location /ignore/ {{ proxy_pass http://127.0.0.1:{upstream}; proxy_ignore_client_abort on; proxy_buffering off; }}
                location /file/ {{ alias DIR/; limit_rate 20k; }}
                location /direct/ {{ proxy_pass http://127.0.0.1:{upstream}; proxy_request_buffering off; }}
                location /asked/ {{ auth_request /poll; {proxy} }}
                location = /basic {{ api_sessions off; stub_status; }}
                location = /id {{ return 200 $api_session_id; }}
                location = /control {{ api_sessions off; api_sessions_control; }}
                location = /status {{ api_sessions off; api_sessions_status; }}
            }}
        "
    )
}

fn nginx(cloud: &Cloud, second: u16) -> Nginx {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("large"), vec![b'x'; 4 << 20]).unwrap();
    Nginx::builder().directory(directory).http(&server(cloud, upstream(), second)).start()
}

/// A request whose response's first bytes have come, where there are any.
fn open(nginx: &Nginx, path: &str, session: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let upgrade = match path.contains("/ws") {
        true => "Upgrade: websocket\r\nConnection: Upgrade\r\n",
        false => "",
    };
    write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\nS: {session}\r\n{upgrade}\r\n").unwrap();
    if !path.contains("/poll") {
        read(&mut stream);
    }
    stream
}

fn read(stream: &mut TcpStream) {
    assert_ne!(stream.read(&mut [0; 1000]).unwrap(), 0, "closed");
}

/// Reads until the server closes, which it must.
#[track_caller]
fn assert_cut(mut stream: TcpStream, what: &str) {
    let mut buffer = [0; 65536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return,
            Err(error) => panic!("{what} goes on: {error}"),
        }
    }
}

fn session(nginx: &Nginx, name: &str) -> String {
    get(nginx.port, "/id", &[("S", name)]).body
}

fn deny(nginx: &Nginx, session: &str) {
    let body = json!({ "session": session }).to_string();
    assert_eq!(request(nginx.port, "POST", "/control", &[], &body).status, 201);
}

fn status(nginx: &Nginx) -> Value {
    get(nginx.port, "/status", &[]).json()["table"].clone()
}

#[test]
fn requests_under_way_went_on_after_their_session_was_denied() {
    let cloud = Cloud::start();
    let nginx = nginx(&cloud, free_port());
    let bad = session(&nginx, "bad");
    let paths = ["/ws", "/events", "/poll", "/file/large", "/buffered/poll", "/ignore/events"];
    // Several of each: in both workers.
    let doomed: Vec<_> =
        (0..4).flat_map(|_| paths.map(|path| (path, open(&nginx, path, "bad")))).collect();
    let mut others = [open(&nginx, "/events", "good"), open(&nginx, "/ws", "good")];
    let mut kept = [open(&nginx, "/keep/ws", "bad"), open(&nginx, "/dry/ws", "bad")];
    deny(&nginx, &bad);
    for (path, stream) in doomed {
        assert_cut(stream, path);
    }
    others[1].write_all(b"ping").unwrap();
    others.iter_mut().for_each(read);
    for stream in &mut kept {
        stream.write_all(b"ping").unwrap();
        read(stream);
    }
    drop(kept);
    // All but "/id" and the one that connections=keep let go on.
    let records = cloud.records(&bad, 4 * paths.len() + 3);
    let statuses = |path: &str| -> Vec<(u64, bool)> {
        let found = records.iter().filter(|record| record["path"] == path);
        found.map(|record| (record["status"].as_u64().unwrap(), record["denied"] == true)).collect()
    };
    for path in paths {
        let code = match path {
            "/ws" => 101,
            "/poll" | "/buffered/poll" => 499,
            _ => 200,
        };
        assert_eq!(statuses(path), [(code, true); 4], "{path}");
    }
    assert_eq!(statuses("/keep/ws"), [(101, false)]);
    assert_eq!(statuses("/dry/ws"), [(101, true)]);
    assert_eq!(status(&nginx)["requests_cut_total"], 4 * paths.len());
}

/// Type, flags, stream and payload.
fn next_frame(stream: &mut TcpStream) -> (u8, u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    stream.read_exact(&mut head).unwrap();
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).unwrap();
    let number = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    (head[3], head[4], number, payload)
}

#[test]
fn a_download_went_on_where_another_location_sent_it() {
    let cloud = Cloud::start();
    let (export, upstream) = (cloud.export(), upstream());
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("large"), vec![b'x'; 4 << 20]).unwrap();
    let proxy = format!("proxy_pass http://127.0.0.1:{upstream};");
    let nginx = Nginx::builder()
        .directory(directory)
        .http(&format!(
            "
                api_sessions on;
                api_sessions_export {export};
                session_key request.header.S;
                server {{
                    listen 127.0.0.1:PORT;
                    location / {{ api_sessions_deny on; {proxy} }}
                    location /keep/ {{ api_sessions_deny on connections=keep; {proxy} }}
                    location /dry/ {{ api_sessions_deny dry_run; {proxy} }}
                    location /internal/ {{ internal; alias DIR/; limit_rate 20k; }}
                    location /unchecked/ {{ internal; api_sessions_deny off; alias DIR/; limit_rate 20k; }}
                    location = /id {{ return 200 $api_session_id; }}
                    location = /control {{ api_sessions off; api_sessions_control; }}
                }}
            "
        ))
        .start();
    let download = open(&nginx, "/accel", "a");
    let mut kept = open(&nginx, "/keep/accel", "b");
    let mut dry = open(&nginx, "/dry/accel", "c");
    // Where the location says "off", that is what it means.
    let mut off = open(&nginx, "/accel-unchecked", "a");
    let sessions = ["a", "b", "c"].map(|name| session(&nginx, name));
    sessions.iter().for_each(|session| deny(&nginx, session));
    let sessions_a = sessions[0].clone();
    assert_cut(download, "the download");
    [&mut kept, &mut dry, &mut off].into_iter().for_each(read);
    drop((kept, dry, off));
    let denied = sessions.map(|session| {
        let count = if session == sessions_a { 3 } else { 2 };
        let records = cloud.records(&session, count);
        let is_download = |record: &&Value| record["path"].as_str().unwrap().ends_with("/accel");
        let download = records.iter().find(is_download).unwrap();
        download["denied"].clone()
    });
    assert_eq!(denied, [true, false, true]);
}

#[test]
fn requests_that_wait_for_something_else_than_an_answer_are_cut_as_well() {
    let cloud = Cloud::start();
    let nginx = nginx(&cloud, free_port());
    let bad = session(&nginx, "bad");
    let uploads = ["/upload", "/direct/upload"].map(|path| {
        let mut stream = TcpStream::connect(("127.0.0.1", nginx.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: h\r\nS: bad\r\nContent-Length: 1000000\r\n\r\nxxx"
        )
        .unwrap();
        stream
    });
    let asked = open(&nginx, "/asked/poll", "bad");
    // All have passed the access phase, or are in it.
    eventually("all are under way", || {
        let table = status(&nginx);
        (table["sessions_in_use"] == 1
            && get(nginx.port, "/basic", &[]).body.contains("Active connections: 4"))
        .then_some(())
    });
    deny(&nginx, &bad);
    for stream in uploads.into_iter().chain([asked]) {
        assert_cut(stream, "a request that waits");
    }
    let records = cloud.records(&bad, 4);
    for record in records.iter().filter(|record| record["path"] != "/id") {
        assert_eq!(record["denied"], true, "{record:#}");
        let status = record["status"].as_u64().unwrap();
        assert!(matches!(status, 400 | 499), "{record:#}");
    }
}

#[test]
fn streams_of_another_session_on_the_same_connection_go_on() {
    const DATA: u8 = 0;
    const RST_STREAM: u8 = 3;
    let cloud = Cloud::start();
    let port = free_port();
    let nginx = nginx(&cloud, port);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(4, 0, 0, &[]));
    let streams = [(1, "/events", "bad"), (3, "/events", "good"), (5, "/poll", "bad")];
    for (number, path, session) in streams {
        let head = [
            (":method", "GET"),
            (":scheme", "http"),
            (":authority", "h"),
            (":path", path),
            ("s", session),
        ];
        bytes.extend(frame(1, 5, number, &fields(&head)));
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&bytes).unwrap();
    let mut begun = [false; 6];
    while !(begun[1] && begun[3]) {
        let (kind, _, number, _) = next_frame(&mut stream);
        assert_ne!(kind, RST_STREAM);
        begun[number as usize] |= kind == DATA;
    }
    let bad = session(&nginx, "bad");
    deny(&nginx, &bad);
    let mut reset = Vec::new();
    while reset.len() < 2 {
        let (kind, _, number, _) = next_frame(&mut stream);
        if kind == RST_STREAM {
            reset.push(number);
        }
    }
    reset.sort_unstable();
    assert_eq!(reset, [1, 5]);
    // The window of the connection is far from used up.
    for _ in 0..20 {
        let (kind, _, number, _) = next_frame(&mut stream);
        assert_eq!((kind, number), (DATA, 3));
    }
    let records = cloud.records(&bad, 3);
    assert_eq!(records.iter().filter(|record| record["denied"] == true).count(), 2);
}

#[test]
fn long_requests_are_nowhere_to_be_seen_before_they_end() {
    let cloud = Cloud::start();
    let nginx = nginx(&cloud, free_port());
    let open: Vec<_> = ["/ws", "/ws", "/events", "/poll", "/file/large"]
        .into_iter()
        .map(|path| open(&nginx, path, "x"))
        .collect();
    let counts = || {
        let table = status(&nginx);
        ["upgraded", "streaming", "other"]
            .map(|kind| table[format!("requests_open_{kind}")].as_u64().unwrap())
    };
    // After 10 s.
    eventually("open requests are counted", || (counts() == [2, 2, 1]).then_some(()));
    drop(open);
    eventually("none is open", || (counts() == [0, 0, 0]).then_some(()));
}

#[test]
fn workers_of_a_former_configuration_cut_requests_as_well() {
    let cloud = Cloud::start();
    let nginx = nginx(&cloud, free_port());
    let bad = session(&nginx, "bad");
    let socket = open(&nginx, "/ws", "bad");
    let before = nginx.workers();
    nginx.signal("HUP");
    eventually("new workers run", || {
        let now = nginx.workers();
        (now.iter().filter(|pid| !before.contains(pid)).count() == 2).then_some(())
    });
    eventually("the new workers serve", || {
        (get(nginx.port, "/id", &[]).status == 200).then_some(())
    });
    deny(&nginx, &bad);
    assert_cut(socket, "/ws");
    eventually("the old workers end", || {
        nginx.workers().iter().all(|pid| !before.contains(pid)).then_some(())
    });
}

#[test]
fn rules_that_deny_a_session_or_an_address_cut_what_is_under_way() {
    let upstream = upstream();
    let http = format!(
        "
            api_sessions on;
            api_sessions_deny on;
            session_key request.header.S;
            session_rule one on=GET:/one over=1/1h then=deny:1h mode=enforce;
            session_rule all on=GET:/all over=1/1h per=ip then=deny_ip:1h mode=enforce;
            server {{
                listen 127.0.0.1:PORT;
                location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_buffering off; }}
                location ~ ^/(one|all)$ {{ stub_status; }}
                location = /status {{ api_sessions off; api_sessions_status; }}
            }}
        "
    );
    let nginx = Nginx::builder().http(&http).start();
    // Several of each: in both workers.
    let several = |session| (0..4).map(|_| open(&nginx, "/events", session)).collect::<Vec<_>>();
    let (bad, mut others) = (several("bad"), several("other"));
    let fire = |path, session| {
        eventually("the rule denies", || {
            (get(nginx.port, path, &[("S", session)]).status == 403).then_some(())
        });
    };
    fire("/one", "bad");
    bad.into_iter().for_each(|stream| assert_cut(stream, "the session's"));
    others.iter_mut().for_each(read);
    fire("/all", "a third one");
    others.into_iter().for_each(|stream| assert_cut(stream, "another one of the address"));
    assert_eq!(status(&nginx)["requests_cut_total"], 8);
}
