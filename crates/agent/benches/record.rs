//! What a record costs: `cargo bench -p api-sessions-agent --bench record --features testing`.
//!
//! Usual requests, which each worker writes thousands of a second; and requests made to be expensive to
//! search for what is to be hidden, of the most bytes that NGINX takes by default. Median of rounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

use api_sessions_extract::builtin::EntrySet;
use std::hint::black_box;
use std::time::Instant;

use api_sessions_agent::record::{RecordEncoder, RecordOptions, RequestMeta};
use api_sessions_extract::ContextParam;
use api_sessions_extract::testing::FakeExchange;
use api_sessions_extract::{KeyExport, SessionKey};
use api_sessions_extract::{NoVariables, Point, Scratch};
use api_sessions_identity::{Fallback, Hasher, Keys, Phase, resolve};
use api_sessions_protocol::ParamType;
use api_sessions_redact::FullContent;

const ROUNDS: usize = 21;

struct Case {
    own: Vec<SessionKey>,
    params: Vec<ContextParam>,
    masks: Vec<Point>,
    attacks: &'static [&'static str],
    exchange: FakeExchange,
}

fn point(text: &str) -> Point {
    Point::parse(text, &mut NoVariables).expect("a point")
}

fn key(text: &str) -> SessionKey {
    SessionKey { point: point(text), name: "key".into(), export: KeyExport::Hashed }
}

fn plain(text: &str) -> ContextParam {
    ContextParam { point: point(text), name: "p".into(), kind: ParamType::Context, hash: false }
}

/// A browser's request.
fn usual(target: &str) -> FakeExchange {
    let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0";
    let mut exchange = FakeExchange::get(target)
        .header("Host", "api.example.com")
        .header("User-Agent", agent)
        .header("Cookie", "theme=dark; sid=0123456789abcdef0123456789abcdef; lang=en")
        .header("X-User", "anna.anders");
    exchange.host = Some(b"api.example.com".to_vec());
    exchange
}

/// Cases whose name holds the first word of the command line, or all.
fn measure(what: &str, times: u32, case: &Case) {
    let filter = std::env::args().nth(1).filter(|word| !word.starts_with('-'));
    if filter.is_some_and(|filter| !what.contains(&filter)) {
        return;
    }
    let hasher = Hasher::new(&[7; 32]);
    let keys =
        Keys { own: &case.own, builtin: true, fallback: Fallback::IpUa, demoted: EntrySet::NONE };
    let (mut scratch, mut found) = (Scratch::default(), Vec::new());
    let exchange = &case.exchange;
    let resolution = resolve(keys, exchange, Phase::Log, &hasher, &mut scratch, &mut found);
    let settings = RecordOptions {
        keys,
        params: &case.params,
        masks: &case.masks,
        shown: &[],
        content: FullContent::Redacted,
        hasher: &hasher,
    };
    let facts = RequestMeta {
        id: b"0123456789abcdef0123456789abcdef",
        node: "edge-1",
        proto: b"HTTP/1.1",
        scheme: "https",
        attacks: case.attacks,
        ..RequestMeta::default()
    };
    let mut encoder = RecordEncoder::default();
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for _ in 0..times {
                black_box(encoder.encode(
                    black_box(&facts),
                    &settings,
                    &resolution,
                    &found,
                    exchange,
                    &mut scratch,
                ));
            }
            start.elapsed().as_nanos() as f64 / f64::from(times)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    let median = rounds[ROUNDS / 2];
    println!("{what:<58} {median:>12.0} ns ({:.0} to {:.0})", rounds[2], rounds[ROUNDS - 3]);
}

fn main() {
    let usual_case = Case {
        own: vec![key("request.cookie.sid")],
        params: vec![plain("request.header.X-User")],
        masks: vec![],
        attacks: &[],
        exchange: usual("/api/v1/items/4711?page=2"),
    };
    measure("usual: a hashed cookie, a plain parameter", 20_000, &usual_case);
    let nothing = Case { own: vec![], params: vec![], ..usual_case };
    measure("usual: nothing configured, built-in cookie", 20_000, &nothing);
    let exchange = FakeExchange::get("/").header("User-Agent", "curl/8.0");
    measure("usual: nothing to hide", 20_000, &Case { exchange, ..nothing });

    let short = vec![point("request.header.X-Pin")];
    let path = Case {
        own: vec![],
        params: vec![],
        masks: short,
        attacks: &[],
        exchange: usual(&"/abcx".repeat(8192 / 5)).header("X-Pin", "q7w8"),
    };
    measure("8 KB path of short segments, a value of 4 bytes", 20, &path);
    let exchange = usual(&"/q7w8".repeat(8192 / 5)).header("X-Pin", "q7w8");
    measure("the same, where each segment is that value", 20, &Case { exchange, ..path });

    let secrets: Vec<String> = (0..10).map(|n| format!("request.header.X-Secret-{n}")).collect();
    for (what, piece) in [("plain", "abcx"), ("encoded", "%61b+\\u0063x")] {
        let arguments: String = (0..16 * 1024 / 16).map(|_| format!("abc={piece}&")).collect();
        let cookies: String = (0..16 * 1024 / 16).map(|_| format!("abc={piece}; ")).collect();
        let mut exchange = usual(&format!("/?{}", &arguments[..8 * 1024]));
        for from in (0..16 * 1024).step_by(8 * 1024).take(1 + arguments.len() / (16 * 1024)) {
            let end = (from + 8 * 1024).min(cookies.len());
            exchange = exchange.header("Cookie", &cookies[from..end]);
        }
        exchange = exchange.header("X-Other", &arguments[..8 * 1024]);
        for (n, secret) in [
            "q7w8",
            "abcy",
            "zyxwv",
            "s3cret/value",
            "0123456789abcdef",
            "alice@e.com",
            "4111111111111111",
            "Zk7q",
            "a b c d",
            "last-of-all",
        ]
        .iter()
        .enumerate()
        {
            exchange = exchange.header(&format!("X-Secret-{n}"), secret);
        }
        let case = Case {
            own: vec![],
            params: vec![],
            masks: secrets.iter().map(|text| point(text)).collect(),
            attacks: &["sqli"],
            exchange,
        };
        measure(&format!("full content, 32 KB of pieces ({what}), 10 hidden points"), 3, &case);
    }
}
