#![no_main]
//! Any text is a point or an error, and a point says again what it was made of.
mod common;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_extract::{NoVariables, Point, Scratch};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Point::parse(text, &mut NoVariables) {
        Ok(point) => {
            assert_eq!(point.as_str(), text);
            let exchange =
                FakeExchange::get("/a/b?c=d&e=f").header("Cookie", "a=b").header("X", "y");
            let _ = point.read(&exchange, &mut Scratch::default());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
