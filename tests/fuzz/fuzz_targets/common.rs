//! Shared by the targets: reading points of an exchange made of the fuzzer's bytes, and what they are compared
//! to, written as simply as it can be.
#![allow(dead_code)]

use api_sessions_extract::limits::MAX_BUILTIN_VALUE_BYTES;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_extract::{NoVariables, Point, Scratch};

/// Reads each point; no value is longer than it may be.
pub fn read(points: &[&str], exchange: &FakeExchange) {
    let mut scratch = Scratch::default();
    for text in points {
        let point = Point::parse(text, &mut NoVariables).expect("a point");
        if let Some(value) = point.read(exchange, &mut scratch) {
            assert!(value.len() <= MAX_BUILTIN_VALUE_BYTES && !value.is_empty());
        }
    }
}

/// What a point yields.
pub fn value(point: &str, exchange: &FakeExchange) -> Option<Vec<u8>> {
    let point = Point::parse(point, &mut NoVariables).expect("a point");
    point.read(exchange, &mut Scratch::default()).map(<[u8]>::to_vec)
}

/// Two parts of the fuzzer's bytes, the first as long as the first byte says.
pub fn split(data: &[u8]) -> (&[u8], &[u8]) {
    match data.split_first() {
        Some((first, rest)) => rest.split_at((*first as usize).min(rest.len())),
        None => (data, data),
    }
}

/// A value as a point has it.
pub fn present(value: &[u8]) -> Option<Vec<u8>> {
    Some(value.trim_ascii().to_vec()).filter(|value| !value.is_empty())
}

/// The n-th argument of that name.
pub fn argument(query: &[u8], name: &str, nth: usize) -> Option<Vec<u8>> {
    let pairs = query.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()).map(|piece| {
        let mut halves = piece.splitn(2, |byte| *byte == b'=');
        [halves.next(), halves.next()].map(|half| decoded(half.unwrap_or_default(), true))
    });
    let [_, value] = pairs.filter(|[known, _]| known == name.as_bytes()).nth(nth)?;
    present(&value)
}

/// Without percent encoding.
pub fn decoded(text: &[u8], plus: bool) -> Vec<u8> {
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        let digits = text
            .get(at..at + 2)
            .filter(|digits| *byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        match digits {
            Some(digits) => {
                out.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
                at += 2;
            }
            None => out.push(if plus && *byte == b'+' { b' ' } else { *byte }),
        }
    }
    out
}
