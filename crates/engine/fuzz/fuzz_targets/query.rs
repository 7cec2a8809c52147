#![no_main]
mod common;
use api_sessions_engine::point::testing::FakeExchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (path, query) = common::split(data);
    let exchange = FakeExchange { path: path.into(), query: query.into(), ..FakeExchange::get("/") };
    common::read(&["request.query.a", "request.query.a[1]", "request.query[\"a[b]\"]", "request.path[0]", "request.path[3]", "request.query.a.json.b"], &exchange);
});
