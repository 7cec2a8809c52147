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
