//! Cost of reading points and of the detectors: `cargo bench -p api-sessions-detect --bench points`.
//!
//! Prints the median of rounds in nanoseconds of wall time; the bars are those of the issue that asked for
//! points.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

use std::hint::black_box;
use std::time::Instant;

use api_sessions_detect::{AttackKinds, Workspace, detect};
use api_sessions_extract::testing::FakeExchange;
use api_sessions_extract::{NoVariables, Point, Scratch};

const ROUNDS: usize = 21;
const TIMES: u32 = 20_000;

fn measure(what: &str, bar: Option<f64>, work: impl FnMut()) {
    measure_times(TIMES, what, bar, work);
}

fn measure_times(times: u32, what: &str, bar: Option<f64>, mut work: impl FnMut()) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            (0..times).for_each(|_| work());
            start.elapsed().as_nanos() as f64 / f64::from(times)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let median = rounds[ROUNDS / 2];
    let verdict = match bar {
        Some(bar) if median <= bar => format!("bar {bar} ns: met"),
        Some(bar) => format!("bar {bar} ns: NOT met"),
        None => String::new(),
    };
    println!(
        "{what:<44} {median:>8.0} ns ({:.0} to {:.0})  {verdict}",
        rounds[2],
        rounds[ROUNDS - 3]
    );
}

fn main() {
    let members: String = (0..30).map(|n| format!("\"member{n}\":\"some value {n}\",")).collect();
    let json = format!("{{{members}\"user\":{{\"id\":4711}}}}");
    println!("JSON body of {} bytes", json.len());
    let exchange = FakeExchange::get("/api/v1/items/4711?page=2&sort=name&token=abc%20def")
        .header("Host", "api.example.com")
        .header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0")
        .header("Accept", "application/json")
        .header("Accept-Language", "en-US,en;q=0.5")
        .header("Cookie", "theme=dark; _ga=GA1.2.1234567890.1234567890; sid=0123456789abcdef0123456789abcdef")
        .header("Authorization", "Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ.c2lnbmF0dXJl")
        .header("X-User", "anna")
        .body("application/json", &json);
    let mut scratch = Scratch::default();
    for (text, bar) in [
        ("request.header.X-User", Some(150.0)),
        ("request.cookie.sid", Some(150.0)),
        ("request.query.token", None),
        ("request.path[2]", None),
        ("request.header.Authorization.jwt.payload.sub", None),
        ("request.body.json.user.id", Some(3000.0)),
    ] {
        let point = Point::parse(text, &mut NoVariables).expect("a point");
        assert!(point.read(&exchange, &mut scratch).is_some());
        measure(text, bar, || {
            black_box(point.read(black_box(&exchange), &mut scratch).map(<[u8]>::len));
        });
    }
    let mut workspace = Workspace::default();
    assert!(detect(&exchange, AttackKinds::all(), &mut workspace).is_empty());
    measure("detectors, all types, the whole request", None, || {
        black_box(detect(black_box(&exchange), AttackKinds::all(), &mut workspace));
    });
    let plain = FakeExchange::get("/api/v1/items/4711?page=2&sort=name&filter=open")
        .header("Host", "api.example.com")
        .header(
            "User-Agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0",
        )
        .header("Accept", "application/json")
        .header("Cookie", "theme=dark; sid=0123456789abcdef0123456789abcdef");
    assert!(detect(&plain, AttackKinds::all(), &mut workspace).is_empty());
    measure("detectors, all types, a GET without a body", Some(1000.0), || {
        black_box(detect(black_box(&plain), AttackKinds::all(), &mut workspace));
    });
    hostile(&mut workspace);
}

/// Requests made only to be expensive: two arguments of 8 KB, a cookie of 8 KB and a body of 16 KB, all of
/// the same text.
fn hostile(workspace: &mut Workspace) {
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = |alphabet: &[u8]| -> String {
        (0..8192)
            .map(|_| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                char::from(alphabet[(random % alphabet.len() as u64) as usize])
            })
            .collect()
    };
    let texts = [
        ("letters", noise(b"abcdefghijklmnopqrstuvwxyz")),
        ("words of rules", noise(b"etcpasswdselect/.\\${}<>'\"()=;:|&-%# ")),
        ("steps up", "../".repeat(2730)),
        ("tags", "<a ".repeat(2730)),
        ("quotes", "'\"".repeat(4096)),
        ("comments", "/*".repeat(4096)),
        ("brackets", "((".repeat(4096)),
        ("templates", "${".repeat(4096)),
        ("percent of percent", "%2525".repeat(1638)),
        ("entities", "&#x3c;".repeat(1365)),
        ("numbers and signs", "1-1+".repeat(2048)),
    ];
    for (name, text) in &texts {
        let target = format!("/x?a={text}&b={text}");
        let exchange =
            FakeExchange::get(&target).header("Cookie", text).body("text/plain", text.repeat(2));
        measure_times(3, &format!("detectors, 40 KB of {name}"), None, || {
            black_box(detect(black_box(&exchange), AttackKinds::all(), workspace));
        });
    }
}
