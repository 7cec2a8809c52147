#![no_main]
//! Whatever a request holds, in every place, is looked at without panic, within its steps, and as if it were the
//! first that is looked at.
mod common;
use api_sessions_detect::{AttackKinds, Workspace, detect};
use api_sessions_extract::testing::FakeExchange;

/// Types of bodies, and what stands before and behind the text in one of them.
const BODIES: &[(&str, &[u8], &[u8])] = &[
    ("application/json", b"", b""),
    ("application/json", b"{\"a\":\"", b"\"}"),
    ("application/json", b"{\"", b"\":1}"),
    ("application/x-www-form-urlencoded", b"", b""),
    ("application/x-www-form-urlencoded", b"a=b&c=", b""),
    ("text/xml", b"", b""),
    ("application/soap+xml", b"<a b=\"1\"><c>", b"</c></a>"),
    ("multipart/form-data; boundary=b", b"", b""),
    (
        "multipart/form-data; boundary=b",
        b"--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n",
        b"\r\n--b--",
    ),
    (
        "multipart/form-data; boundary=b",
        b"--b\r\nContent-Disposition: form-data; name=\"a\"; filename=\"",
        b"\"\r\n\r\nx\r\n--b--",
    ),
    ("text/plain", b"", b""),
    ("", b"", b""),
];

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let (head, text) = common::split(data);
    let mut used = Workspace::default();
    let plain = FakeExchange::get("/");
    let header = |name: &str| plain.clone().header(name, text);
    let query = [b"a=b&c=", text].concat();
    let mut exchanges = vec![
        FakeExchange { path: [b"/", text].concat(), query: head.into(), ..plain.clone() },
        FakeExchange { query, ..plain.clone() },
        FakeExchange { query: [text, b"=a"].concat(), ..plain.clone() },
        header("Cookie"),
        plain.clone().header("Cookie", [b"a=b; c=", text].concat()),
        header("User-Agent"),
        header("Referer"),
        plain.clone().header("Referer", [b"https://a.example/?b=", text].concat()),
        header("X-Value"),
    ];
    let bodies = BODIES.iter().map(|(kind, before, behind)| {
        plain.clone().body(kind, [before, text, behind].concat())
    });
    exchanges.extend(bodies);
    for exchange in exchanges {
        let found = detect(&exchange, AttackKinds::all(), &mut used);
        assert!(!used.left().bytes);
        assert_eq!(detect(&exchange, AttackKinds::all(), &mut used), found, "{exchange:?}");
        let first = detect(&exchange, AttackKinds::all(), &mut Workspace::default());
        assert_eq!(first, found, "{exchange:?}");
        // Each by itself, as all together.
        for kind in found.iter() {
            assert!(detect(&exchange, kind.into(), &mut used).has(kind), "{kind:?} {exchange:?}");
        }
    }
});
