#![no_main]
//! Fields are what a plain reading of the syntax yields.
mod common;
use api_sessions_extract::testing::FakeExchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let exchange = FakeExchange::get("/").body("application/x-www-form-urlencoded", data);
    common::read(
        &["request.body.form.a", "request.body.form.a.base64", "request.body.form[\"a[b]\"]"],
        &exchange,
    );
    assert_eq!(common::value("request.body.form.a", &exchange), common::argument(data, "a", 0));
    assert_eq!(
        common::value("request.body.form[\"a[b]\"]", &exchange),
        common::argument(data, "a[b]", 0)
    );
});
