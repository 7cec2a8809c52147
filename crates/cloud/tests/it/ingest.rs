//! Truncated, oversized and malformed batches.

use std::io::{Read, Write};

use crate::support::{Answer, Cloud, batch, record, session};
use serde_json::{Value, json};

fn gzip(raw: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(raw).unwrap();
    encoder.finish().unwrap()
}

fn lines(count: u32) -> Vec<Value> {
    (0..count)
        .map(|n| record(1, n, json!({"ua": format!("agent {}", n.wrapping_mul(2_654_435_761))})))
        .collect()
}

fn post(cloud: &Cloud, key: &str, sent: &[u8]) -> Value {
    let headers = [("idempotency-key", key), ("content-encoding", "gzip")];
    let answer = cloud.post_with(&headers, sent);
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

fn counts(answer: &Value) -> (u64, u64) {
    let count = |name: &str| answer[name].as_u64().unwrap();
    (count("stored"), count("duplicates"))
}

fn requests_of(cloud: &Cloud, n: u32) -> u64 {
    cloud.ask(&format!("/v1/sessions/{}", session(n)))["requests"].as_u64().unwrap()
}

#[test]
fn the_retry_of_a_truncated_batch_lost_the_lines_after_the_cut() {
    let cloud = Cloud::start();
    let whole = gzip(batch(&lines(400)).as_bytes());
    let first = counts(&post(&cloud, "t", &whole[..whole.len() / 2])).0;
    assert!((1..400).contains(&first), "{first}");
    // Truncated again, later: only the lines after the first cut are new.
    let second = counts(&post(&cloud, "t", &whole[..whole.len() * 3 / 4])).0;
    // ClickHouse stores the lines before it again, replacing them.
    let twice = if crate::support::clickhouse().is_some() { first } else { 0 };
    assert!(second > twice && first + second < 400 + twice, "{first} {second}");
    let cloud = Cloud::start_in(cloud.stop());
    post(&cloud, "t", &whole);
    assert_eq!(requests_of(&cloud, 1), 400);
    assert_eq!(counts(&post(&cloud, "t", &whole)), (0, 400));
    assert_eq!(counts(&post(&cloud, "t", &whole[..whole.len() / 2])).0, 0);
    assert_eq!(requests_of(&cloud, 1), 400);
}

#[test]
fn the_retry_of_a_batch_truncated_between_two_days_lost_the_second_day() {
    let cloud = Cloud::start();
    let mut all = lines(400);
    for line in &mut all[..200] {
        line["ts"] = json!(line["ts"].as_u64().unwrap() - 86_400_000);
    }
    let whole = gzip(batch(&all).as_bytes());
    post(&cloud, "t", &whole[..whole.len() / 3]);
    post(&cloud, "t", &whole);
    assert_eq!(requests_of(&cloud, 1), 400);
    assert_eq!(counts(&post(&cloud, "t", &whole)), (0, 400));
    assert_eq!(requests_of(&cloud, 1), 400);
}

#[test]
fn a_batch_of_a_million_tiny_lines_took_gigabytes() {
    let cloud = Cloud::start();
    let line = format!("{{\"id\":\"a\",\"session\":\"s\",\"ts\":{}}}\n", crate::support::now());
    let gzipped = [("content-encoding", "gzip")];
    let answer = cloud.post_with(&gzipped, &gzip(line.repeat(60_000).as_bytes()));
    assert_eq!((answer.status, &answer.json()["error"]), (413, &json!("too_large")));
    let half = cloud.post_with(&gzipped, &gzip(line.repeat(30_000).as_bytes()));
    assert_eq!(half.json()["stored"], 30_000);
    // Lists within records cost as much.
    let mut body = String::new();
    for n in 0..4 {
        body += &record(1, n, json!({"attacks": vec![""; 200_000]})).to_string();
        body.push('\n');
    }
    assert_eq!(cloud.post_with(&[], body.as_bytes()).status, 413);
}

#[test]
fn errors_quoted_records_of_any_length() {
    let cloud = Cloud::start();
    let bad = format!("{{\"ts\":\"{}\"}}\n", "x".repeat(900_000));
    let assert_short = |answer: &Answer| assert!(answer.body.len() < 1000, "{}", answer.body.len());
    assert_short(&cloud.post_with(&[], bad.as_bytes()));
    let with_good = format!("{bad}{}\n", record(1, 1, json!({})));
    let answer = cloud.post_with(&[], with_good.as_bytes());
    assert_eq!(answer.json()["stored"], 1);
    assert_short(&answer);
    let deny = format!("{{\"session\":{{\"{}\":1}}}}", "y".repeat(50_000));
    assert_short(&cloud.send("POST", "/v1/denylist", &cloud.admin, &[], deny.as_bytes()));
}

#[test]
fn json_arrays_were_accepted_as_records() {
    let cloud = Cloud::start();
    let list = format!("[\"a\",{},\"n\",\"s\"]\n", crate::support::now());
    let answer = cloud.post_with(&[], list.as_bytes());
    assert_eq!(answer.status, 422);
    assert!(answer.json()["detail"].as_str().unwrap().contains('{'), "{}", answer.text());
}

#[test]
fn a_body_that_is_not_gzip_was_called_empty() {
    let cloud = Cloud::start();
    let answer = cloud.post_with(&[("content-encoding", "gzip")], b"no gzip at all");
    assert_eq!(answer.status, 400);
    assert!(answer.json()["detail"].as_str().unwrap().contains("gzip"), "{}", answer.text());
}

#[test]
fn names_of_encodings_were_case_sensitive_and_x_gzip_unknown() {
    let cloud = Cloud::start();
    let line = batch(&[record(1, 1, json!({}))]);
    let plain = cloud.post_with(&[("content-encoding", "Identity")], line.as_bytes());
    assert_eq!(plain.status, 200, "{}", plain.text());
    let zipped = cloud.post_with(&[("content-encoding", "X-GZIP")], &gzip(line.as_bytes()));
    assert_eq!(zipped.status, 200, "{}", zipped.text());
}

#[test]
fn lines_of_a_batch_without_a_valid_one_were_not_counted() {
    let cloud = Cloud::start();
    assert_eq!(cloud.post_with(&[], b"bad\nbad\n").status, 422);
    let metrics = cloud.get("/metrics").text();
    assert!(metrics.contains("api_sessions_cloud_records_rejected_total 2"), "{metrics}");
}

#[test]
fn a_byte_order_mark_lost_the_first_line() {
    let cloud = Cloud::start();
    let body = format!("\u{feff}{}\n", record(1, 1, json!({})));
    assert_eq!(cloud.post_with(&[], body.as_bytes()).json()["stored"], 1);
}

#[test]
fn a_client_that_sent_too_much_saw_a_reset_instead_of_413() {
    const PIECE: usize = 64 << 10;
    let cloud = Cloud::start();
    let address = cloud.url.trim_start_matches("http://").to_owned();
    let mut stream = std::net::TcpStream::connect(&address).unwrap();
    write!(
        stream,
        "POST /v1/records HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        cloud.ingest,
        (16 << 20) + 4 * PIECE
    )
    .unwrap();
    stream.write_all(&vec![b' '; (16 << 20) + PIECE]).unwrap();
    // The server knows by now that the body is too long; a closed connection shows at the second write.
    for _ in 0..3 {
        std::thread::sleep(std::time::Duration::from_millis(200));
        stream.write_all(&[b' '; PIECE]).unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}
