#![no_main]
//! Arguments and path segments are what a plain reading of the syntax yields.
mod common;
use api_sessions_extract::testing::FakeExchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (path, query) = common::split(data);
    let exchange =
        FakeExchange { path: path.into(), query: query.into(), ..FakeExchange::get("/") };
    common::read(
        &[
            "request.query.a",
            "request.query.a[1]",
            "request.query[\"a[b]\"]",
            "request.path[0]",
            "request.path[3]",
            "request.query.a.json.b",
        ],
        &exchange,
    );
    for (point, name, nth) in [
        ("request.query.a", "a", 0),
        ("request.query.a[1]", "a", 1),
        ("request.query[\"a[b]\"]", "a[b]", 0),
    ] {
        assert_eq!(common::value(point, &exchange), common::argument(query, name, nth), "{point}");
    }
    let segments = path.strip_prefix(b"/").unwrap_or(path).split(|byte| *byte == b'/');
    for (nth, segment) in segments.enumerate().take(4) {
        let expected = common::present(&common::decoded(segment, false));
        assert_eq!(common::value(&format!("request.path[{nth}]"), &exchange), expected);
    }
});
