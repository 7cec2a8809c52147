#![no_main]
//! Whatever a request holds, its record is one line of JSON, and a masked value is not in it.
mod common;
use api_sessions_engine::point::testing::FakeExchange;
use api_sessions_engine::point::{NoVariables, Point, Scratch};
use api_sessions_engine::record::{ContextParam, Encoder, Facts, Settings};
use api_sessions_engine::session::{Hasher, Keys, Stage, resolve};
use api_sessions_wire::{ParamType, Record};

/// Begins with a letter that no escape of JSON ends with.
const SECRET: &str = "kanary-0123456789";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (query, body) = common::split(data);
    let exchange = FakeExchange { query: query.into(), ..FakeExchange::get("/") }
        .header("X-Secret", SECRET)
        .header("X-Other", body)
        .body("application/json", body);
    let point = |text| Point::parse(text, &mut NoVariables).expect("a point");
    let masks = [point("request.header.X-Secret")];
    let params = [ContextParam {
        point: point("request.query.a"),
        name: "a".into(),
        kind: ParamType::Context,
        hash: false,
    }];
    let hasher = Hasher::new(&[7; 32]);
    let keys = Keys { own: &[], builtin: true };
    let (mut scratch, mut found) = (Scratch::default(), Vec::new());
    let resolution = resolve(keys, &exchange, Stage::Log, &hasher, &mut scratch, &mut found);
    let settings = Settings { keys, params: &params, masks: &masks, hasher: &hasher };
    let facts = Facts { attacks: &["sqli"], ..Facts::default() };
    let mut encoder = Encoder::default();
    let Some(line) = encoder.encode(&facts, &settings, &resolution, &found, &exchange, &mut scratch) else { return };
    let text = std::str::from_utf8(line).expect("UTF-8");
    assert_eq!(text.matches('\n').count(), 1);
    serde_json::from_str::<Record<'_>>(text).expect("a record");
    assert!(!text.contains(SECRET));
});
