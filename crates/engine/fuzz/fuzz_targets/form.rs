#![no_main]
mod common;
use api_sessions_engine::point::testing::FakeExchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let exchange = FakeExchange::get("/").body("application/x-www-form-urlencoded", data);
    common::read(&["request.body.form.a", "request.body.form.a.base64", "request.body.form[\"a[b]\"]"], &exchange);
});
