//! What a ClientHello costs, in the handshake and where JA4 is asked for: `cargo bench -p api-sessions-tls-fingerprint`.
//!
//! Median and quartiles of single calls, wall time: warm, and with caches that other data filled before each call.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unreachable,
    reason = "a test ends where something fails"
)]

use std::hint::black_box;
use std::time::Instant;

use api_sessions_tls_fingerprint::Fingerprint;

const WARM_CALLS: usize = 100_000;
const COLD_CALLS: usize = 2_000;

/// Other data that is read before each call, bytes: none; as much as L2, as between two handshakes of a busy worker;
/// more than all caches.
const OTHER_DATA: [(&str, usize); 3] = [("warm", 0), ("L2 cold", 2 << 20), ("all cold", 64 << 20)];
const CACHE_LINE: usize = 64;

fn main() {
    for (name, message) in [("curl", curl()), ("browser", browser())] {
        for (state, bytes) in OTHER_DATA {
            let mut data = vec![1u8; bytes];
            for (what, asks) in [("kept", false), ("and JA4", true)] {
                let calls = if bytes == 0 { WARM_CALLS } else { COLD_CALLS };
                let times = measure(calls, &message, asks, || {
                    for line in data.chunks_mut(CACHE_LINE) {
                        line[0] = line[0].wrapping_add(1);
                    }
                    black_box(&data);
                });
                let at = |quarter: usize| times[(times.len() - 1) * quarter / 4];
                println!("{name:8} {state:8} {what:8} {} ns ({} to {})", at(2), at(1), at(3));
            }
        }
    }
}

/// Sorted times of calls, nanoseconds, each after `before`.
fn measure(calls: usize, message: &[u8], asks: bool, mut before: impl FnMut()) -> Vec<u128> {
    let mut times: Vec<u128> = (0..calls)
        .map(|_| {
            before();
            let start = Instant::now();
            // As in the module: boxed, and freed with the connection.
            let fingerprint = Fingerprint::of_client_hello(black_box(message)).map(Box::new);
            if asks {
                black_box(fingerprint.as_ref().map(|it| it.ja4()));
            }
            drop(black_box(fingerprint));
            start.elapsed().as_nanos()
        })
        .collect();
    times.sort_unstable();
    times
}

/// As large as curl's with OpenSSL 3: 31 ciphers, 12 extensions, 20 signature algorithms.
fn curl() -> Vec<u8> {
    hello(31, &[0, 11, 10, 13172, 16, 22, 23, 49, 13, 43, 45, 51], 20, 300)
}

/// As large as a browser's: 16 ciphers, 18 extensions with keys of a post-quantum exchange.
fn browser() -> Vec<u8> {
    let extensions =
        [0, 5, 10, 11, 13, 16, 18, 21, 23, 27, 35, 41, 43, 45, 51, 17613, 65037, 65281];
    hello(16, &extensions, 8, 1800)
}

fn hello(ciphers: u16, extensions: &[u16], signatures: u16, filling: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for kind in extensions {
        let data = match kind {
            13 => counted(
                &(0..signatures).flat_map(|n| (0x0403 + n).to_be_bytes()).collect::<Vec<_>>(),
            ),
            16 => counted(b"\x02h2\x08http/1.1"),
            43 => vec![4, 3, 4, 3, 3],
            51 => vec![0; filling],
            _ => vec![0; 4],
        };
        all.extend(kind.to_be_bytes());
        all.extend(counted(&data));
    }
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.push(32);
    body.extend([8; 32]);
    body.extend(counted(
        &(0..ciphers).flat_map(|n| (0xc02b + n).to_be_bytes()).collect::<Vec<_>>(),
    ));
    body.extend([1, 0]);
    body.extend(counted(&all));
    [&[1, 0], &counted(&body)[..]].concat()
}

/// Behind its length of two bytes.
fn counted(data: &[u8]) -> Vec<u8> {
    [&(data.len() as u16).to_be_bytes()[..], data].concat()
}
