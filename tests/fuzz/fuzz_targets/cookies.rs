#![no_main]
mod common;
use api_sessions_extract::testing::FakeExchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (one, two) = common::split(data);
    let exchange = FakeExchange::get("/")
        .header("Cookie", one)
        .header("cookie", two)
        .answered("Set-Cookie", two);
    common::read(
        &[
            "request.cookie.a",
            "request.cookie.sid.urldecode",
            "response.cookie.a",
            "request.cookie.a.base64",
        ],
        &exchange,
    );
});
