//! A real NGINX with the module, and a real cloud, for one test each.
//!
//! `scripts/test` says where the binaries are:
//! `API_SESSIONS_NGINX`, `API_SESSIONS_MODULE`, `API_SESSIONS_CLOUD`.
#![allow(dead_code, unused_imports)] // each test file uses its own part

mod cloud;
mod http;
mod nginx;
mod prometheus;

pub(crate) use cloud::Cloud;
pub(crate) use http::{Answer, get, raw, request};
pub(crate) use nginx::{Daemon, Nginx, Tested, check, check_in, check_whole, signal};
pub(crate) use prometheus::check as check_prometheus;

use std::net::TcpStream;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A port of 127.0.0.1 that is free now, and that no other test of this process gets.
///
/// Below the kernel's own range: a port of that may become the source of somebody's connection before
/// the server listens on it. It is asked for by connecting, not by listening: a process that another test
/// forks just then would have the listening socket too, and keep it until its `exec`.
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

/// Asks again and again until there is an answer.
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

/// Path of a binary or file that `scripts/test` has built.
pub(crate) fn built(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: run scripts/test"))
}

/// So that a request has a later `ts` than the one before, whichever worker takes it.
pub(crate) fn next_millisecond() {
    std::thread::sleep(Duration::from_millis(5));
}
