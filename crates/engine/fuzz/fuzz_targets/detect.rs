#![no_main]
mod common;
use api_sessions_engine::detect::{AttackKinds, Workspace, detect};
use api_sessions_engine::point::testing::FakeExchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (query, body) = common::split(data);
    let exchange = FakeExchange { query: query.into(), ..FakeExchange::get("/") };
    let kind = ["application/json", "application/x-www-form-urlencoded", "text/xml", "multipart/form-data; boundary=b"];
    let kind = kind[data.len() % kind.len()];
    let _ = detect(&exchange.body(kind, body), AttackKinds::all(), &mut Workspace::default());
});
