#![no_main]
//! Any header is read without panic, and of a token or of credentials what was put in.
mod common;
use api_sessions_extract::json::{Step, find};
use api_sessions_extract::testing::FakeExchange;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let exchange = FakeExchange::get("/").header("Authorization", data);
    common::read(
        &[
            "request.header.Authorization.jwt.payload.sub",
            "request.header.Authorization.jwt.header.kid",
            "request.header.Authorization.bearer",
            "request.header.Authorization.basic.user",
        ],
        &exchange,
    );

    let token = format!("Bearer e30.{}.c2ln", URL_SAFE_NO_PAD.encode(data));
    let exchange = FakeExchange::get("/").header("Authorization", token);
    let claim = common::value("request.header.Authorization.jwt.payload.sub", &exchange);
    let mut buffer = Vec::new();
    let sub = find(data, &[Step::Member(b"sub"[..].into())], &mut buffer);
    assert_eq!(claim.as_deref(), sub.map(<[u8]>::trim_ascii).filter(|sub| !sub.is_empty()));

    let exchange =
        FakeExchange::get("/").header("Authorization", format!("basic  {}", STANDARD.encode(data)));
    let user = common::value("request.header.Authorization.basic.user", &exchange);
    let mut parts = data.split(|byte| *byte == b':');
    let expected = parts
        .next()
        .map(<[u8]>::trim_ascii)
        .filter(|user| !user.is_empty() && parts.next().is_some());
    assert_eq!(user.as_deref(), expected);
});
