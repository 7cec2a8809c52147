#![no_main]
mod common;
use api_sessions_engine::point::testing::FakeExchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let exchange = FakeExchange::get("/").body("application/json", data).answered_body("application/json", data);
    common::read(
        &["request.body.json.a", "request.body.json.a.b[0].c", "request.body.json[1]", "request.body.json[\"a.b\"]", "response.body.json.a", "request.body.json.a.json.b"],
        &exchange,
    );
});
