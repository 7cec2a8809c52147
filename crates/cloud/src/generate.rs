//! Generates realistic traffic for trials and benchmarks: sessions begin, continue and end, and are posted as by a
//! node.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;

use api_sessions_store::clock::now_ms;

/// Options of `generate`.
#[derive(Debug, Clone, clap::Args)]
pub struct Generate {
    /// URL of the cloud
    #[arg(long, default_value = "http://127.0.0.1:8700")]
    pub url: String,
    /// Total number of requests
    #[arg(long, default_value_t = 100_000)]
    pub requests: u64,
    /// Concurrent sessions, over all connections
    #[arg(long, default_value_t = 5_000)]
    pub sessions: usize,
    /// Average requests per session
    #[arg(long, default_value_t = 20)]
    pub length: u64,
    /// Days over which the requests are spread, up to now
    #[arg(long, default_value_t = 1.0, value_parser = read_days)]
    pub days: f64,
    /// Connections
    #[arg(long, default_value_t = 4)]
    pub connections: u64,
    /// Records per batch
    #[arg(long, default_value_t = 1_000)]
    pub batch: u64,
    /// Do not compress batches
    #[arg(long)]
    pub plain: bool,
    /// Seed; the same seed generates the same traffic
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

fn read_days(text: &str) -> Result<f64, String> {
    let days = text.parse().ok().filter(|days| (0.0..=366.0).contains(days));
    days.ok_or_else(|| "a number from 0 to 366 is expected".to_owned())
}

/// Outcome of a run.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    /// Records that the cloud accepted.
    pub records: u64,
    /// Elapsed time.
    pub time: Duration,
}

/// Generates traffic and posts it with `token`. Calls `progress` after each batch with the number of records sent.
///
/// # Errors
/// The cloud responds with a status other than 200, or cannot be reached.
pub fn run(
    options: &Generate,
    token: &str,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Done, String> {
    let start = Instant::now();
    let sent = AtomicU64::new(0);
    let connections = options.connections.max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..connections)
            .map(|n| {
                let sent = &sent;
                scope.spawn(move || connection(options, n, connections, token, sent, progress))
            })
            .collect();
        for thread in threads {
            thread.join().map_err(|_| "a thread panicked".to_owned())??;
        }
        Ok(Done { records: sent.load(Relaxed), time: start.elapsed() })
    })
}

fn connection(
    options: &Generate,
    n: u64,
    of: u64,
    token: &str,
    sent: &AtomicU64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .into();
    let url = format!("{}/v1/records", options.url.trim_end_matches('/'));
    let mut traffic = Traffic::new(options, n, of);
    let total = options.requests / of + u64::from(n < options.requests % of);
    let life = now_ms();
    let mut done = 0;
    while done < total {
        let size = options.batch.min(total - done);
        let mut body = String::with_capacity(size as usize * 512);
        for at in 0..size {
            traffic.write((done + at) as f64 / total as f64, &mut body);
        }
        let mut request = agent
            .post(&url)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", api_sessions_protocol::NDJSON)
            .header(api_sessions_protocol::IDEMPOTENCY_KEY, format!("generate-{n}-{life}-{done}"));
        let bytes = if options.plain {
            body.into_bytes()
        } else {
            request = request.header("content-encoding", "gzip");
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body.as_bytes()).map_err(|error| error.to_string())?;
            encoder.finish().map_err(|error| error.to_string())?
        };
        let mut answer = request.send(&bytes[..]).map_err(|error| format!("{url}: {error}"))?;
        let text = answer.body_mut().read_to_string().unwrap_or_default();
        if answer.status() != 200 {
            return Err(format!("{url}: {}: {text}", answer.status()));
        }
        done += size;
        progress(sent.fetch_add(size, Relaxed) + size);
    }
    Ok(())
}

/// Picks a word at random; earlier ones are more likely.
fn pick<'a>(random: &mut Rng, words: &[&'a str]) -> &'a str {
    let at = random.usize(..words.len()).min(random.usize(..words.len()));
    words.get(at).copied().unwrap_or_default()
}

struct Visitor {
    session: [u64; 2],
    user: u64,
    ip: u32,
    ua: &'static str,
    app: &'static str,
    host: &'static str,
    left: u64,
}

struct Traffic {
    random: Rng,
    alive: VecDeque<Visitor>,
    max_alive: usize,
    length: u64,
    start: f64,
    span: f64,
}

const UAS: [&str; 5] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
    "okhttp/4.12.0",
    "python-requests/2.32.3",
];
const HOSTS: [(&str, &str); 3] =
    [("shop", "api.shop.example"), ("bank", "api.bank.example"), ("games", "play.example")];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "DELETE", "PATCH"];
const ROLES: [&str; 3] = ["customer", "seller", "admin"];
const STATUSES: [&str; 12] =
    ["200", "200", "200", "200", "201", "204", "304", "401", "403", "404", "422", "500"];
const ATTACKS: [&str; 4] = ["sqli", "xss", "bola", "rate_limit"];

impl Traffic {
    fn new(options: &Generate, n: u64, of: u64) -> Traffic {
        let span = (options.days * 86_400_000.0).max(1.0);
        Traffic {
            random: Rng::with_seed(options.seed.wrapping_mul(1_000_003).wrapping_add(n)),
            alive: VecDeque::new(),
            max_alive: options.sessions.div_ceil(of as usize).max(1),
            length: options.length.max(1),
            start: now_ms() as f64 - span,
            span,
        }
    }

    fn visitor(&mut self) -> Visitor {
        let random = &mut self.random;
        let (app, host) = HOSTS[random.usize(..HOSTS.len())];
        Visitor {
            session: [random.u64(..), random.u64(..)],
            user: random.u64(..1_000_000),
            ip: 0x0a00_0000 | random.u32(..1 << 20),
            ua: pick(random, &UAS),
            app,
            host,
            left: random.u64(1..2 * self.length),
        }
    }

    /// Appends the record of one request; `at` is its time, from 0 (oldest) to 1 (now).
    fn write(&mut self, at: f64, out: &mut String) {
        if self.alive.len() < self.max_alive {
            let visitor = self.visitor();
            self.alive.push_back(visitor);
        }
        let random = &mut self.random;
        // One of the visitors that have been idle the longest.
        let near = random.usize(..8.min(self.alive.len()));
        let Some(mut visitor) = self.alive.remove(near) else { return };
        let (a, b) = (random.u64(..20_000), random.u64(..));
        let path = match random.u64(..8).min(random.u64(..8)) {
            0 => format!("/v1/items/{a}"),
            1 => "/v1/items".to_owned(),
            2 => format!("/v1/users/{}/orders", visitor.user),
            3 => format!("/v1/users/{}/orders/{b:016x}", visitor.user),
            4 => "/v1/cart".to_owned(),
            5 => format!("/static/chunk-{}.js", a % 50),
            6 => "/v1/login".to_owned(),
            _ => format!("/v1/search/2026-0{}-1{}", 1 + a % 9, a % 10),
        };
        let ip = visitor.ip.to_be_bytes();
        let ts = (self.start + at * self.span) as u64;
        let _ = write!(
            out,
            r#"{{"id":"{:016x}{b:016x}","ts":{ts},"node":"edge-{}","session":"{:016x}{:016x}","key":"sid","source":"key","app":"{}","ip":"{}.{}.{}.{}","ua":"{}","host":"{}","method":"{}","path":"{path}","proto":"HTTP/2.0","scheme":"https","status":{},"time_ms":{},"upstream_ms":{},"request_bytes":{},"response_bytes":{a},"user":"user{}","role":"{}","params":[{{"name":"sid","value":"{:016x}{:016x}","type":"session","hashed":true}},{{"name":"user","value":"user{}","type":"user","hashed":false}}]"#,
            random.u64(..),
            ip[3] % 4,
            visitor.session[0],
            visitor.session[1],
            visitor.app,
            ip[0],
            ip[1],
            ip[2],
            ip[3],
            visitor.ua,
            visitor.host,
            pick(random, &METHODS),
            pick(random, &STATUSES),
            a % 300,
            a % 290,
            300 + a % 700,
            visitor.user,
            ROLES[visitor.user as usize % 3],
            visitor.session[1],
            visitor.session[0],
            visitor.user,
        );
        if random.u64(..200) == 0 {
            let _ = write!(
                out,
                r#","attacks":["{0}"],"evidence":[{{"type":"{0}","place":"query","name":"q","match":"1' or 1=1"}}],"denied":{1},"request":{{"line":"GET {path}?q=1%27+or+1=1 HTTP/2.0","headers":[["host","{2}"],["user-agent","{3}"]],"truncated":false}}}}"#,
                pick(random, &ATTACKS),
                a % 4 == 0,
                visitor.host,
                visitor.ua,
            );
        } else {
            out.push_str(r#","denied":false}"#);
        }
        out.push('\n');
        visitor.left -= 1;
        if visitor.left > 0 {
            self.alive.push_back(visitor);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_sessions_cloud_api::ingest::batch::{Period, parse};

    #[test]
    fn every_generated_record_is_valid() {
        let options = Generate {
            url: String::new(),
            requests: 1,
            sessions: 50,
            length: 5,
            days: 0.1,
            connections: 1,
            batch: 1,
            plain: true,
            seed: 7,
        };
        let mut traffic = Traffic::new(&options, 0, 1);
        let mut body = String::new();
        for n in 0..2000 {
            traffic.write(f64::from(n) / 2000.0, &mut body);
        }
        let parsed = parse(body.as_bytes(), false, Period { oldest: 0, now: now_ms() }).unwrap();
        assert_eq!((parsed.requests.len(), parsed.errors.len()), (2000, 0));
        let sessions: std::collections::HashSet<_> =
            parsed.requests.iter().map(|request| &request.record.session).collect();
        assert!((200..1500).contains(&sessions.len()), "{}", sessions.len());
    }
}
