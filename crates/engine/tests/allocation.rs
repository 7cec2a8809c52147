//! What reading a request allocates: nothing beyond its limits, and nothing at all once buffers are warm.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use api_sessions_engine::point::testing::FakeExchange;
use api_sessions_engine::point::{MAX_VALUE_BYTES, NoVariables, Point, Scratch};
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
const LIMIT: usize = 16 * MAX_VALUE_BYTES;

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
