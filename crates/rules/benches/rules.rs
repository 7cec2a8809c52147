//! Cost of rules per request: `cargo bench -p api-sessions-rules`.
//!
//! Prints the median of rounds with counts in shared memory, in nanoseconds of this thread's CPU time, so
//! that other processes only affect it through the caches. The bars are those of the issue.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

use std::hint::black_box;

use api_sessions_extract::{NoVariables, Point};
use api_sessions_protocol::Source;
use api_sessions_rules::{
    Answer, Counts, Facts, Rule, Scopes, Scratch, Words, default_pack, from_directive, normalize,
    parse_all,
};
use api_sessions_shm::{RuleCountsHandle, testing};

const ROUNDS: usize = 21;
const TIMES: u64 = 100_000;

struct Shared(RuleCountsHandle);

impl Counts for Shared {
    fn hash(&self, seed: u64, bytes: &[u8]) -> u64 {
        self.0.counts().hash(seed, bytes)
    }

    fn update<R>(&self, key: u64, now_ms: u64, change: impl FnOnce(&mut Words) -> R) -> Option<R> {
        self.0.update(key, now_ms, change)
    }

    fn read(&self, key: u64) -> Option<Words> {
        self.0.counts().read(key)
    }
}

struct Request {
    method: &'static str,
    path: &'static str,
    status: u16,
    session: [u8; 16],
    user: [u8; 8],
}

impl Facts for Request {
    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }
    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }
    fn status(&self) -> u16 {
        self.status
    }
    fn has_attack(&self, _: Option<&str>) -> bool {
        false
    }
    fn attacks(&self) -> u64 {
        0
    }
    fn source(&self) -> Source {
        Source::Key
    }
    fn user(&self) -> Option<&[u8]> {
        Some(&self.user)
    }
    fn session(&self) -> &[u8] {
        &self.session
    }
    fn ip(&self) -> &[u8] {
        b"192.0.2.1"
    }
    fn ja4(&self) -> Option<&[u8]> {
        None
    }
    fn begins_session(&self) -> Answer {
        Answer::No
    }
    fn has_conflicting_parameters(&self) -> Answer {
        Answer::No
    }
    fn bytes_in(&self) -> u64 {
        500
    }
    fn bytes_out(&self) -> u64 {
        2000
    }
    fn time_ms(&self) -> u64 {
        3
    }
    fn read(&self, _: &Point, _: &mut dyn FnMut(Option<&[u8]>)) -> bool {
        false
    }
}

/// CPU time of this thread, nanoseconds.
fn cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn measure(what: &str, bar: Option<f64>, mut work: impl FnMut(u64)) {
    let mut rounds: Vec<f64> = (0..ROUNDS as u64)
        .map(|round| {
            let start = cpu_ns();
            (0..TIMES).for_each(|n| work(round * TIMES + n));
            (cpu_ns() - start) as f64 / TIMES as f64
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
        "{what:<64} {median:>6.0} ns ({:.0} to {:.0})  {verdict}",
        rounds[2],
        rounds[ROUNDS - 3]
    );
}

fn rules(texts: &[&str]) -> Vec<Rule> {
    let parse = |text: &&str| Rule::new(from_directive(text)?, &mut NoVariables);
    texts.iter().map(|text| parse(text).expect("a rule")).collect()
}

/// The work for one request, from its path to its counts.
fn run(rules: &[Rule], scopes: &Scopes, counts: &Shared, request: &Request, n: u64) {
    thread_local! {
        static BUFFERS: std::cell::RefCell<(Vec<u8>, Scratch)> = std::cell::RefCell::default();
    }
    BUFFERS.with_borrow_mut(|(path, scratch)| {
        let path = normalize(request.path.as_bytes(), path);
        for at in scopes.matches(request.method.as_bytes(), path).iter() {
            let now_ms = 1_700_000_000_000 + n / 50;
            black_box(rules[at].observe(counts, request, now_ms, scratch));
        }
    });
}

fn main() {
    let counts = Shared(testing::rule_counts(64 << 20).join(1, std::process::id()));
    let request =
        |method, path| Request { method, path, status: 200, session: [7; 16], user: [1; 8] };
    let written = rules(&[
        "session_rule login on=POST:/login when=status=401 over=10/10m then=deny:10m",
        "session_rule orders on=GET:/api/v1/orders/* when=status=2xx over=100/10m",
        "session_rule admin on=GET,POST:/admin/** when=status=403 over=5/1h",
        "session_rule refused on=POST:/api/login over=10/10m",
    ]);
    let scopes = Scopes::new(written.iter());
    for (what, method, path) in [
        ("in no scope: no rule names the method", "PUT", "/api/v1/items/4711"),
        ("in no scope: another first segment", "GET", "/static/js/app.js"),
        ("in no scope: the first segments are a rule's", "GET", "/api/v1/items/4711"),
    ] {
        let request = request(method, path);
        measure(what, Some(50.0), |n| run(&written, &scopes, &counts, &request, n));
    }

    let one = rules(&["session_rule all over=1000/10m"]);
    let scopes = Scopes::new(one.iter());
    let exact = rules(&["session_rule all over=10/10m"]);
    let sum = rules(&["session_rule all count=bytes_out over=200m/1h"]);
    for (what, rules) in
        [("over=1000", &one), ("over=10, decided by times", &exact), ("a sum", &sum)]
    {
        let hot = request("GET", "/x");
        measure(&format!("one rule counts, one session: {what}"), Some(250.0), |n| {
            run(rules, &scopes, &counts, &hot, n);
        });
        measure(&format!("one rule counts, 100,000 sessions: {what}"), Some(250.0), |n| {
            let mut cold = request("GET", "/x");
            // Spread, so that successive requests use distant sessions.
            let session = n.wrapping_mul(48_271) % 100_000;
            cold.session[..8].copy_from_slice(&session.to_le_bytes());
            run(rules, &scopes, &counts, &cold, n);
        });
    }

    for (what, values) in [("8 values", 8), ("200 values", 200)] {
        let distinct = rules(&["session_rule users count=distinct:user over=250/1h per=ip"]);
        let scopes = Scopes::new(distinct.iter());
        let counts = Shared(testing::rule_counts(8 << 20).join(1, std::process::id()));
        measure(&format!("distinct users of an address: {what}"), None, |n| {
            let mut request = request("GET", "/x");
            request.user = (n % values).to_le_bytes();
            run(&distinct, &scopes, &counts, &request, n);
        });
    }

    let pack = parse_all(&default_pack(), &mut NoVariables).expect("the default pack");
    let scopes = Scopes::new(pack.iter());
    let good = request("GET", "/api/v1/items/4711");
    measure("a good GET under the default pack (two rules count)", None, |n| {
        run(&pack, &scopes, &counts, &good, n);
    });
}
