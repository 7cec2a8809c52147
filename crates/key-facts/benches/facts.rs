//! Cost of key facts per request: `cargo bench -p api-sessions-key-facts`.
//!
//! Prints the median of rounds in nanoseconds of this thread's CPU time. The bar is 200 ns per request on
//! average.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

use std::hint::black_box;

use api_sessions_extract::testing::FakeExchange;
use api_sessions_key_facts::{Collector, Decided, Key, Kind, Observed, Settings};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 15;
const REQUESTS: usize = 4096;

fn cpu_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

fn request(client: usize, cookies: usize) -> FakeExchange {
    let mut exchange = FakeExchange::get("/api/items/17?page=2&sort=price")
        .header("Host", "shop.example")
        .header("User-Agent", format!("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 {client}"))
        .header("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
        .header("Accept-Language", "en-US,en;q=0.9,de;q=0.8")
        .header("Accept-Encoding", "gzip, deflate, br, zstd")
        .header("sec-ch-ua", "\"Chromium\";v=\"131\", \"Not_A Brand\";v=\"24\"")
        .header("Referer", "https://shop.example/items");
    let pairs: Vec<String> = (0..cookies)
        .map(|at| format!("name{at}={:032x}", client as u128 * 0x9e37_79b9_7f4a_7c15 + at as u128))
        .collect();
    if cookies > 0 {
        exchange = exchange.header("Cookie", pairs.join("; "));
    }
    exchange.ip = format!("192.0.{}.{}", client / 250 % 250, client % 250).into_bytes();
    exchange.status = Some(200);
    exchange
}

/// A JWT like those of identity providers, about 400 bytes long.
fn token(client: usize) -> String {
    use base64::Engine;
    let payload = format!(
        "{{\"iss\":\"https://login.example/realms/shop\",\"aud\":\"shop\",\"iat\":1700000000,\"exp\":1700000300,\
         \"account\":{client},\"jti\":\"{client:032x}\",\"scope\":\"openid profile email\",\"name\":\"Visitor {client}\"}}"
    );
    let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload);
    format!("Bearer eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.{payload}.{:0>86}", "c2ln")
}

fn main() {
    for (name, clients, cookies, has_token) in [
        ("one client, one cookie", 1, 1, false),
        ("4096 clients, one cookie", 4096, 1, false),
        ("4096 clients, four cookies", 4096, 4, false),
        ("4096 clients, none", 4096, 0, false),
        ("one client, a token", 1, 0, true),
        ("4096 clients, a token", 4096, 0, true),
    ] {
        let exchange = |client| match request(client, cookies) {
            exchange if has_token => exchange.header("Authorization", token(client)),
            exchange => exchange,
        };
        let exchanges: Vec<_> = (0..clients).map(exchange).collect();
        let mut collector = Collector::new(Key::new([1, 2]));
        let mut round = || {
            let start = cpu_ns();
            for at in 0..REQUESTS {
                let exchange = &exchanges[at % clients];
                let session = (at % clients) as u128 * 0x9e37_79b9_7f4a_7c15_f39c;
                let session = session.to_le_bytes();
                let observed = Observed {
                    now_ms: 1_700_000_000_000,
                    application: b"shop",
                    settings: Settings { window_ms: 600_000, report: false },
                    decided: Decided { kind: Kind::Builtin, label: "sid", session: &session },
                    user: b"",
                    keys: &[],
                    builtin: true,
                };
                black_box(&mut collector).observe(black_box(exchange), &observed);
            }
            (cpu_ns() - start) / REQUESTS as f64
        };
        let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
        rounds.sort_by(f64::total_cmp);
        println!("{name}: {:.0} ns a request", rounds[ROUNDS / 2]);
    }
}
