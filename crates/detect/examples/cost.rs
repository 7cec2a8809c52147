//! Inspects one request several times: `cost REQUEST TIMES`. Under callgrind, the difference between two runs
//! is the cost of a request in instructions.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

use std::hint::black_box;

use api_sessions_detect::{AttackKinds, Workspace, detect, prepare};
use api_sessions_extract::testing::FakeExchange;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:126.0) Gecko/20100101 Firefox/126.0";
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                      Chrome/131.0.0.0 Safari/537.36";

/// Two arguments, four headers, two cookies.
fn short() -> FakeExchange {
    FakeExchange::get("/api/v1/items/4711?page=2&sort=name&filter=open")
        .header("Host", "api.example.com")
        .header("User-Agent", FIREFOX)
        .header("Accept", "application/json")
        .header("Cookie", "theme=dark; sid=0123456789abcdef0123456789abcdef")
}

/// With the headers of a browser.
fn browser(request: FakeExchange) -> FakeExchange {
    request
        .header("Host", "shop.example.com")
        .header("Connection", "keep-alive")
        .header("Cache-Control", "max-age=0")
        .header("sec-ch-ua", "\"Google Chrome\";v=\"131\", \"Chromium\";v=\"131\", \"Not_A Brand\";v=\"24\"")
        .header("sec-ch-ua-mobile", "?0")
        .header("sec-ch-ua-platform", "\"Windows\"")
        .header("Upgrade-Insecure-Requests", "1")
        .header("User-Agent", CHROME)
        .header("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8")
        .header("Sec-Fetch-Site", "same-origin")
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-User", "?1")
        .header("Sec-Fetch-Dest", "document")
        .header("Referer", "https://shop.example.com/shoes/winter?page=1")
        .header("Accept-Encoding", "gzip, deflate, br, zstd")
        .header("Accept-Language", "en-US,en;q=0.9,de;q=0.8")
        .header(
            "Cookie",
            "_ga=GA1.2.1234567890.1234567890; lang=en; sid=0123456789abcdef0123456789abcdef; cart=8812",
        )
}

/// A JSON body of 1 KB, as APIs receive it.
fn json() -> String {
    let members: String =
        (0..24).map(|n| format!("\"member{n}\":\"some value of {n}\",\"count{n}\":{n},")).collect();
    format!("{{{members}\"user\":{{\"id\":4711,\"name\":\"Anna\"}}}}")
}

fn main() {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_default();
    let times: u32 = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
    let request = match name.as_str() {
        "short" => short(),
        "browser" => {
            browser(FakeExchange::get("/shoes/winter/boots-4711?page=2&sort=price&color=brown"))
        }
        "encoded" => browser(FakeExchange::get("/search?q=winter%20boots&page=2&sort=price")),
        "json" => browser(FakeExchange::post("/api/v1/orders")).body("application/json", json()),
        other => panic!("no request \"{other}\": short, browser, encoded or json is expected"),
    };
    prepare();
    let mut workspace = Workspace::default();
    assert!(detect(&request, AttackKinds::all(), &mut workspace).is_empty());
    for _ in 0..times {
        black_box(detect(black_box(&request), AttackKinds::all(), &mut workspace));
    }
}
