#![no_main]
mod common;
use api_sessions_extract::testing::FakeExchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (boundary, body) = common::split(data);
    let boundary = String::from_utf8_lossy(boundary);
    for kind in
        ["multipart/form-data; boundary=b".to_owned(), format!("multipart/form-data; {boundary}")]
    {
        let exchange = FakeExchange::get("/").body(&kind, body);
        common::read(&["request.body.multipart.a", "request.body.multipart.a.json.b"], &exchange);
    }
});
