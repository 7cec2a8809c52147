//! What reading a request and writing its record allocate: nothing beyond limits, and nothing at all once
//! buffers are warm.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

use api_sessions_extract::builtin::EntrySet;
use api_sessions_extract::limits::MAX_BUILTIN_VALUE_BYTES;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use api_sessions_agent::record::{RecordEncoder, RecordOptions, RequestMeta};
use api_sessions_extract::ContextParam;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_extract::{KeyExport, SessionKey};
use api_sessions_extract::{NoVariables, Point, Scratch};
use api_sessions_identity::{Fallback, Hasher, Keys, Phase, resolve};
use api_sessions_protocol::ParamType;
use api_sessions_redact::FullContent;
use proptest::prelude::*;

thread_local! {
    static ALLOCATED: Cell<usize> = const { Cell::new(0) };
}

/// Counts the bytes that the calling thread asks for.
struct Counting;

// SAFETY: all work is the system allocator's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATED.try_with(|bytes| bytes.set(bytes.get() + layout.size()));
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let _ = ALLOCATED.try_with(|bytes| bytes.set(bytes.get() + size));
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocated(work: impl FnOnce()) -> usize {
    let before = ALLOCATED.get();
    work();
    ALLOCATED.get() - before
}

const POINTS: &[&str] = &[
    "request.header.X-A",
    "request.cookie.sid",
    "request.cookie.sid.urldecode",
    "request.query.a",
    "request.query.a.base64.json.b",
    "request.path[0]",
    "request.body.form.a",
    "request.body.json.a.b",
    "request.body.json.a.json.b.jwt.payload.sub",
    "request.header.Authorization.jwt.payload.sub",
    "request.header.Authorization.basic.user",
];

fn points() -> Vec<Point> {
    POINTS.iter().map(|text| Point::parse(text, &mut NoVariables).unwrap()).collect()
}

/// Of all buffers that one evaluation may fill: each decoder's, growing by doubling.
const LIMIT: usize = 16 * MAX_BUILTIN_VALUE_BYTES;

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_request_makes_a_point_allocate_more_than_its_limit(
        header in proptest::collection::vec(any::<u8>(), 0..30_000),
        json in "(\\{\"a\":|\\[|\"[a-z\\\\u0041]{0,900}\"|[0-9]{1,400}|,|\\}|\\]){0,200}",
        kind in prop_oneof![Just("application/json"), Just("application/x-www-form-urlencoded")],
    ) {
        let query = format!("a={}&a={}", "%41".repeat(header.len()), json);
        let exchange = FakeExchange::get(&format!("/{}", "x%2F".repeat(5000)))
            .header("X-A", &header)
            .header("Cookie", [b"sid=".as_slice(), &header].concat())
            .header("Authorization", [b"Bearer ".as_slice(), &header].concat())
            .body(kind, json.as_bytes());
        let exchange = FakeExchange { query: query.into_bytes(), ..exchange };
        for point in points() {
            let mut scratch = Scratch::default();
            let bytes = allocated(|| {
                let _ = point.read(&exchange, &mut scratch);
            });
            prop_assert!(bytes <= LIMIT, "{} allocates {bytes} bytes", point.as_str());
        }
    }
}

#[test]
fn warm_buffers_are_all_that_reading_needs() {
    let exchange = FakeExchange::get("/a%20b?a=x%20y&b=c")
        .header("X-A", "value")
        .header("Cookie", "theme=dark; sid=abc%20def")
        .header("Authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm5hIn0.c2ln")
        .body("application/json", r#"{"a":{"b":"c\n"}}"#);
    let (points, mut scratch) = (points(), Scratch::default());
    let mut read = || {
        for point in &points {
            std::hint::black_box(point.read(&exchange, &mut scratch).map(<[u8]>::len));
        }
    };
    read();
    assert_eq!(allocated(read), 0);
}

/// One record and the encoder's own bytes for it.
fn encode_with(masks: &[&str], attacks: &[&str], exchange: &FakeExchange) -> impl FnMut() -> usize {
    // As a worker does at its start: lists of names are built once a process, not by the first request that needs them.
    api_sessions_redact::prepare();
    let point = |text: &str| Point::parse(text, &mut NoVariables).unwrap();
    let masks: Vec<Point> = masks.iter().map(|text| point(text)).collect();
    let own = [SessionKey {
        point: point("request.cookie.sid"),
        name: "sid".into(),
        export: KeyExport::Hashed,
    }];
    let params = [ContextParam {
        point: point("request.header.X-A"),
        name: "a".into(),
        kind: ParamType::User,
        hash: false,
    }];
    let attacks: Vec<String> = attacks.iter().map(|kind| (*kind).to_owned()).collect();
    let (exchange, hasher) = (exchange.clone(), Hasher::new(&[7; 32]));
    let (mut encoder, mut scratch) = (RecordEncoder::default(), Scratch::default());
    move || {
        let keys =
            Keys { own: &own, builtin: true, fallback: Fallback::IpUa, demoted: EntrySet::NONE };
        let mut found = Vec::new();
        let resolution = resolve(keys, &exchange, Phase::Log, &hasher, &mut scratch, &mut found);
        let settings = RecordOptions {
            keys,
            params: &params,
            masks: &masks,
            shown: &[],
            content: FullContent::Redacted,
            hasher: &hasher,
        };
        let attacks: Vec<&str> = attacks.iter().map(String::as_str).collect();
        let facts = RequestMeta { attacks: &attacks, ..RequestMeta::default() };
        allocated(|| {
            let line =
                encoder.encode(&facts, &settings, &resolution, &found, &exchange, &mut scratch);
            std::hint::black_box(line.len());
        })
    }
}

#[test]
fn a_record_in_which_nothing_is_to_be_hidden_allocates_nothing() {
    let long = "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0 ".repeat(20);
    for (target, cookie, agent) in [
        ("/api/v1/items/4711?q=1", "theme=dark; sid=0123456789abcdef0123456789abcdef", "curl/8.0"),
        ("/a", "sid=q7w8", &*long),
        // Decoded once a text, and looked for in base64: in buffers that are used again.
        ("/a", "sid=q7w8", "x%20y+%2520\\u0041 QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="),
        (&*"/abcx".repeat(1600), "sid=q7w8", "x"),
    ] {
        let exchange = FakeExchange::get(target)
            .header("Cookie", cookie)
            .header("X-A", "anna.anders+%20\\n")
            .header("User-Agent", agent);
        let mut encode = encode_with(&["request.header.X-B"], &[], &exchange);
        encode();
        assert_eq!(encode(), 0, "{target} {cookie} {agent}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_content_makes_a_record_allocate_more_than_some_times_its_size(
        text in "(abcx|[;=&/+%]|%2[0-9a-f]|\\\\u0041|eyJ|\\.|sid=){0,4000}",
        secret in "[a-z]{1,6}",
    ) {
        let exchange = FakeExchange::get(&format!("/{text}?{text}"))
            .header("Cookie", &text)
            .header("X-B", &secret)
            .header("X-C", &text)
            .body("application/x-www-form-urlencoded", &text);
        let mut encode = encode_with(&["request.header.X-B"], &["sqli"], &exchange);
        let bytes = encode();
        prop_assert!(bytes <= 64 * 1024 + 60 * text.len(), "{bytes} for {}", text.len());
    }
}
