#![no_main]
//! Whatever a request holds is looked at without panic, and as if it were the first that is looked at.
mod common;
use api_sessions_detect::{AttackKinds, Workspace, detect};
use api_sessions_extract::testing::FakeExchange;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (query, body) = common::split(data);
    let exchange = FakeExchange { query: query.into(), ..FakeExchange::get("/") };
    let kind = [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/xml",
        "multipart/form-data; boundary=b",
    ];
    let kind = kind[data.len() % kind.len()];
    let exchange = exchange.body(kind, body);
    let mut used = Workspace::default();
    let found = detect(&exchange, AttackKinds::all(), &mut used);
    assert_eq!(detect(&exchange, AttackKinds::all(), &mut used), found);
    // Each by itself, as all together.
    for kind in AttackKinds::all().iter() {
        assert_eq!(
            detect(&exchange, kind.into(), &mut used).has(kind),
            found.has(kind),
            "{kind:?}"
        );
    }
});
