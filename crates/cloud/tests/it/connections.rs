//! Limits and timeouts of connections, and graceful shutdown.

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

/// Reads until the server closes the connection.
fn rest(mut stream: TcpStream) -> String {
    let mut output = Vec::new();
    let _ = stream.read_to_end(&mut output).map_err(|error| {
        assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "the connection stays open");
    });
    String::from_utf8_lossy(&output).into_owned()
}

const LIMITS: Limits = Limits {
    connections: 3,
    header_timeout: Duration::from_millis(300),
    grace: Duration::from_secs(10),
};

#[test]
fn clients_without_a_token_held_connections_for_ever() {
    let cloud = Cloud::start_limited(LIMITS);
    let silent = connect(&cloud);
    let mut slow = connect(&cloud);
    slow.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n").unwrap();
    let mut kept = connect(&cloud);
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let output = rest(kept);
    assert!(output.starts_with("HTTP/1.1 200"), "{output}");
    rest(silent);
    rest(slow);
}

#[test]
fn a_client_that_sends_no_body_got_no_response() {
    let cloud = Cloud::start_limited(LIMITS);
    let mut stream = connect(&cloud);
    let head = "POST /v1/records HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    assert!(rest(stream).starts_with("HTTP/1.1 401"));
}

#[test]
fn the_number_of_connections_was_unlimited() {
    let cloud =
        Cloud::start_limited(Limits { header_timeout: Duration::from_millis(1500), ..LIMITS });
    let held: Vec<_> = (0..3).map(|_| connect(&cloud)).collect();
    std::thread::sleep(Duration::from_millis(200));
    let start = Instant::now();
    let mut late = connect(&cloud);
    late.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    // It is served once a silent connection times out, and not before.
    assert!(rest(late).starts_with("HTTP/1.1 200"));
    assert!(start.elapsed() > Duration::from_millis(500), "{:?}", start.elapsed());
    drop(held);
}

#[test]
fn requests_in_flight_complete_before_shutdown() {
    let cloud = Cloud::start_limited(Limits {
        connections: 10,
        header_timeout: Duration::from_secs(60),
        ..LIMITS
    });
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
    let output = rest(slow);
    assert!(output.starts_with("HTTP/1.1 200") && output.contains("\"stored\":1"), "{output}");
    stopping.join().unwrap();
}

#[test]
fn silent_connections_delayed_shutdown() {
    let cloud = Cloud::start_limited(Limits {
        connections: 10,
        header_timeout: Duration::from_secs(60),
        ..LIMITS
    });
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
