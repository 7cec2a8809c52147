#![no_main]
mod common;
use api_sessions_engine::point::testing::FakeExchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let exchange = FakeExchange::get("/").header("Authorization", data);
    common::read(
        &["request.header.Authorization.jwt.payload.sub", "request.header.Authorization.jwt.header.kid", "request.header.Authorization.bearer", "request.header.Authorization.basic.user"],
        &exchange,
    );
});
