//! Clients that hold connections and do not speak.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::Cloud;
use api_sessions_cloud::connections::Limits;

fn connect(cloud: &Cloud) -> TcpStream {
    let stream = TcpStream::connect(cloud.url.strip_prefix("http://").unwrap()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Until the server closes it; what it said.
fn rest(mut stream: TcpStream) -> String {
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).map_err(|error| {
        assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it is held open");
    });
    String::from_utf8_lossy(&said).into_owned()
}

const LIMITS: Limits =
    Limits { most: 3, head: Duration::from_millis(300), grace: Duration::from_secs(10) };

#[test]
fn clients_without_a_token_held_connections_for_ever() {
    let cloud = Cloud::start_limited(LIMITS);
    let silent = connect(&cloud);
    let mut slow = connect(&cloud);
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    let mut kept = connect(&cloud);
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let said = rest(kept);
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    rest(silent);
    rest(slow);
}

#[test]
fn an_answer_was_kept_from_whoever_sends_no_body() {
    let cloud = Cloud::start_limited(LIMITS);
    let mut stream = connect(&cloud);
    let head = "POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 401"));
}

#[test]
fn there_was_no_end_to_connections() {
    let cloud = Cloud::start_limited(Limits { head: Duration::from_millis(1500), ..LIMITS });
    let held: Vec<_> = (0..3).map(|_| connect(&cloud)).collect();
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    let mut late = connect(&cloud);
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    // It is served when one of the silent ones is thrown out, and not before.
    assert!(rest(late).starts_with("HTTP/1.1 200"));
    assert!(start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
    drop(held);
}

#[test]
fn what_is_under_way_is_answered_before_the_end() {
    let cloud = Cloud::start_limited(Limits { most: 10, head: Duration::from_secs(60), ..LIMITS });
    let mut slow = connect(&cloud);
    let line = crate::support::batch(&[crate::support::record(1, 1, serde_json::json!({}))]);
    let head = format!(
        "POST /v1/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n\r\n",
        cloud.ingest,
        line.len()
    );
    slow.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let stopping = std::thread::spawn(move || drop(cloud.stop()));
    std::thread::sleep(Duration::from_millis(1000));
    slow.write_all(line.as_bytes()).unwrap();
    let said = rest(slow);
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("\"stored\":1"), "{said}");
    stopping.join().unwrap();
}

#[test]
fn silent_connections_held_up_the_end() {
    let cloud = Cloud::start_limited(Limits { most: 10, head: Duration::from_secs(60), ..LIMITS });
    let silent = connect(&cloud);
    let mut slow = connect(&cloud);
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    let mut kept = connect(&cloud);
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut first = [0; 12];
    kept.read_exact(&mut first).unwrap();
    let start = Instant::now();
    drop(cloud.stop());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    drop((silent, slow, kept));
}
