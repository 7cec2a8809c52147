#![no_main]
mod common;
use api_sessions_engine::point::json::{Step, find};
use api_sessions_engine::point::testing::FakeExchange;
use serde::de::IgnoredAny;
use serde_json::Value;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let exchange = FakeExchange::get("/").body("application/json", data).answered_body("application/json", data);
    common::read(
        &["request.body.json.a", "request.body.json.a.b[0].c", "request.body.json[1]", "request.body.json[\"a.b\"]", "response.body.json.a", "request.body.json.a.json.b"],
        &exchange,
    );
    agrees_with_serde_json(data);
});

/// What serde_json refuses yields nothing; of what it takes, a string is the same.
fn agrees_with_serde_json(data: &[u8]) {
    let document = data.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(data);
    let mut buffer = Vec::new();
    let found = find(data, &[Step::Member(b"a"[..].into())], &mut buffer);
    if std::str::from_utf8(document).is_err()
        || serde_json::from_slice::<IgnoredAny>(document).is_err()
    {
        assert_eq!(found, None);
    } else if let Ok(Value::Object(members)) = serde_json::from_slice(document) {
        match members.get("a") {
            // Of a very long one, the beginning.
            Some(Value::String(text)) => assert!(found.is_some_and(|found| text.as_bytes().starts_with(found))),
            Some(Value::Bool(flag)) => assert_eq!(found, Some(flag.to_string().as_bytes())),
            Some(Value::Number(_)) => assert!(found.is_some()),
            _ => assert_eq!(found, None),
        }
    }
}
