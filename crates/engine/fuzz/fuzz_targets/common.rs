//! Shared by the targets: reading points of an exchange made of the fuzzer's bytes.

use api_sessions_engine::point::testing::FakeExchange;
use api_sessions_engine::point::{MAX_VALUE_BYTES, NoVariables, Point, Scratch};

/// Reads each point; no value is longer than it may be.
#[allow(dead_code)]
pub fn read(points: &[&str], exchange: &FakeExchange) {
    let mut scratch = Scratch::default();
    for text in points {
        let point = Point::parse(text, &mut NoVariables).expect("a point");
        if let Some(value) = point.read(exchange, &mut scratch) {
            assert!(value.len() <= MAX_VALUE_BYTES && !value.is_empty());
        }
    }
}

/// Two parts of the fuzzer's bytes, the first as long as the first byte says.
#[allow(dead_code)]
pub fn split(data: &[u8]) -> (&[u8], &[u8]) {
    match data.split_first() {
        Some((first, rest)) => rest.split_at((*first as usize).min(rest.len())),
        None => (data, data),
    }
}
