//! A real NGINX with the module and a real cloud, started by each test for itself.
//!
//! `scripts/test` passes the paths of the binaries in
//! `API_SESSIONS_NGINX`, `API_SESSIONS_MODULE`, `API_SESSIONS_CLOUD`.

mod backends;
mod builder;
mod cloud;
mod daemon;
mod http;
mod http2;
mod nginx;
mod prometheus;
mod skip;

pub(crate) use backends::Backends;
pub(crate) use cloud::Cloud;
pub(crate) use daemon::Daemon;
pub(crate) use http::{Answer, get, raw, request};
pub(crate) use http2::{fields, frame};
pub(crate) use nginx::{Nginx, signal};
pub(crate) use prometheus::check as check_prometheus;
pub(crate) use skip::skip;

use std::net::TcpStream;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for an event that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A free port of 127.0.0.1 that no other test of this process gets.
///
/// It is below the ephemeral range, whose ports may become the source of a connection before the server
/// listens. The check connects instead of listening: a child that another test forks at that moment would
/// inherit the listening socket and hold it until its `exec`.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() * 97 % 20_000) as u16;
    loop {
        let port = 10_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpStream::connect(("127.0.0.1", port)).is_err() {
            return port;
        }
    }
}

/// Polls until there is an answer.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Path of a binary that `scripts/test` has built.
pub(crate) fn built(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run scripts/test"))
}

/// Waits until the next request must have a later `ts`, whichever worker takes it.
pub(crate) fn next_millisecond() {
    std::thread::sleep(Duration::from_millis(5));
}
