//! Baselines of endpoints, as the Console shows outliers.

use serde_json::{Value, json};

use crate::support::{Cloud, batch, record, session};

const KEY: [(&str, &str); 1] = [("idempotency-key", "n1-1-1")];

fn batch_of(count: u32) -> String {
    let lines: Vec<Value> =
        (1..=count).map(|n| record(1, n, json!({"path": "/cart", "time_ms": 20}))).collect();
    batch(&lines)
}

/// Whether the Console marks a slow request as an outlier, which it does once its endpoint has 30 samples.
fn is_learned(cloud: &Cloud) -> bool {
    cloud.post(&[record(2, 1000, json!({"path": "/cart", "time_ms": 60_000}))]);
    cloud.get(&format!("/sessions/{}", session(2))).text().contains('▲')
}

#[test]
fn a_repeated_batch_trained_the_baseline_again() {
    let cloud = Cloud::start();
    let body = batch_of(10);
    assert_eq!(cloud.post_with(&KEY, body.as_bytes()).json()["stored"], 10);
    for _ in 0..5 {
        assert_eq!(cloud.post_with(&KEY, body.as_bytes()).json()["stored"], 0);
    }
    assert!(!is_learned(&cloud), "ten requests were learned as sixty");
}

#[test]
fn stored_requests_train_the_baseline() {
    let cloud = Cloud::start();
    assert_eq!(cloud.post_with(&KEY, batch_of(60).as_bytes()).json()["stored"], 60);
    assert!(is_learned(&cloud));
}

#[test]
fn a_truncated_batch_that_nobody_retried_did_not_train_the_baseline() {
    let cloud = Cloud::start();
    let headers = [KEY[0], ("content-encoding", "gzip")];
    assert_eq!(cloud.post_with(&headers, &gzip(&batch_of(60), 50)).json()["stored"], 50);
    assert!(is_learned(&cloud));
}

#[test]
fn the_retry_of_a_truncated_batch_trained_the_baseline_twice() {
    let cloud = Cloud::start();
    let headers = [KEY[0], ("content-encoding", "gzip")];
    let body = batch_of(25);
    assert_eq!(cloud.post_with(&headers, &gzip(&body, 20)).json()["stored"], 20);
    assert_eq!(cloud.post_with(&headers, &gzip(&body, 25)).status, 200);
    assert!(!is_learned(&cloud), "25 requests were learned as 45");
}

/// A gzip body of which only the first `lines` lines arrive.
fn gzip(text: &str, lines: usize) -> Vec<u8> {
    use std::io::Write;
    let end = text.match_indices('\n').nth(lines - 1).unwrap().0 + 1;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&text.as_bytes()[..end]).unwrap();
    if end == text.len() {
        return encoder.finish().unwrap();
    }
    // A flushed block can be read without the end of the stream.
    encoder.flush().unwrap();
    encoder.get_ref().clone()
}
